-- One row per zone and hashtag (normal form) used in the 24 h that end at as_of: 23 whole hours and the open one.
-- Built from int_zone_tag_window, for the claimed hashtags; from int_zone_tag_author_window where the open hour holds
-- tweets from after as_of.
-- Late data: claimed when the tag's window changed, be it by time alone (T21).
-- Read by BI tools and the data layer's trending; sample texts are in twitter_trending_hashtag_samples.
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['zone_id', 'hashtag'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with claims as (
    select
        claims.zone_id,
        claims.hashtag
    from {{ source('ledger', 'twitter_trending_hashtags__claims') }} as claims
),

totals as (
    select * from {{ ref('int_zone_tag_window') }}
),

authors as (
    select * from {{ ref('int_zone_tag_author_window') }}
),

uses as (
    select * from {{ ref('int_zone_hashtag_uses') }}
),

bounds as materialized (
    select
        state.as_of,
        date_trunc('hour', state.as_of, 'UTC') as open_hour,
        date_trunc('hour', state.as_of, 'UTC') - interval '23 hours' as first_hour,
        core.first_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') - interval '23 hours') as first_tweet_id,
        core.end_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') + interval '1 hour') as end_tweet_id
    from {{ source('ledger', 'mart_state') }} as state
    where state.model = 'twitter_trending_hashtags'
),

-- One claim at a time, by index, as in twitter_top_profiles_by_zone.
found_totals as materialized (
    select
        found.*,
        found.last_used_at > bounds.as_of as is_cut,
        bounds.as_of
    from claims
    cross join bounds
    inner join lateral (
        select totals.*
        from totals
        where totals.zone_id = claims.zone_id and totals.hashtag = claims.hashtag
        offset 0
    ) as found on true
),

whole as (
    select
        found_totals.zone_id,
        found_totals.hashtag,
        found_totals.spellings[1] as original_hashtag,
        found_totals.tweet_count as tweet_count_24h,
        found_totals.author_count as unique_authors_24h,
        case when found_totals.engagement_known_count > 0 then found_totals.known_engagement end as total_engagement_24h,
        found_totals.last_used_at,
        found_totals.top_tweet_ids::text[] as sample_tweets,
        found_totals.as_of
    from found_totals
    where not found_totals.is_cut
),

-- From here on only tags with tweets of the open hour after as_of: those must not count.
windowed as (
    select
        found.zone_id,
        found.hashtag,
        found.author_profile_id,
        found.tweet_count,
        found.known_engagement,
        found.engagement_known_count,
        found.last_used_at,
        found.spellings,
        found.spelling_counts,
        found.top_tweet_ids,
        found.top_tweet_engagements,
        found.last_used_at > found_totals.as_of as reaches_beyond
    from found_totals
    inner join lateral (
        select authors.*
        from authors
        where authors.zone_id = found_totals.zone_id and authors.hashtag = found_totals.hashtag
        offset 0
    ) as found on true
    where found_totals.is_cut
),

-- The tweets of one author at a time, by index; those of all of the author's tags at once.
cut_authors as (
    select
        windowed.author_profile_id,
        array_agg(distinct windowed.hashtag) as hashtags
    from windowed
    where windowed.reaches_beyond
    group by windowed.author_profile_id
),

cut_uses as (
    select
        found.zone_id,
        found.hashtag,
        cut_authors.author_profile_id,
        found.original_hashtag,
        found.tweet_id,
        found.twitter_created_at,
        found.total_engagement
    from cut_authors
    cross join bounds
    inner join lateral (
        select
            uses.zone_id,
            uses.hashtag,
            uses.original_hashtag,
            uses.tweet_id,
            uses.twitter_created_at,
            uses.total_engagement
        from uses
        where
            uses.author_profile_id = cut_authors.author_profile_id
            and uses.tweet_id >= bounds.first_tweet_id
            and uses.tweet_id < bounds.end_tweet_id
            and uses.hour >= bounds.first_hour
            and uses.hour <= bounds.open_hour
            and uses.twitter_created_at <= bounds.as_of
            and uses.hashtag = any(cut_authors.hashtags)
        offset 0
    ) as found on true
),

-- Rows of authors, or of a single tweet of an author whose row reaches beyond as_of.
partials as (
    select
        windowed.zone_id,
        windowed.hashtag,
        windowed.author_profile_id,
        windowed.tweet_count,
        windowed.known_engagement,
        windowed.engagement_known_count,
        windowed.last_used_at,
        windowed.spellings,
        windowed.spelling_counts,
        windowed.top_tweet_ids,
        windowed.top_tweet_engagements
    from windowed
    where not windowed.reaches_beyond
    union all
    select
        cut_uses.zone_id,
        cut_uses.hashtag,
        cut_uses.author_profile_id,
        1 as tweet_count,
        coalesce(cut_uses.total_engagement, 0) as known_engagement,
        case when cut_uses.total_engagement is null then 0 else 1 end as engagement_known_count,
        cut_uses.twitter_created_at as last_used_at,
        array[cut_uses.original_hashtag] as spellings,
        array[1::bigint] as spelling_counts,
        array[cut_uses.tweet_id] as top_tweet_ids,
        array[cut_uses.total_engagement] as top_tweet_engagements
    from cut_uses
    inner join windowed
        on
            windowed.reaches_beyond
            and cut_uses.zone_id = windowed.zone_id
            and cut_uses.hashtag = windowed.hashtag
            and cut_uses.author_profile_id = windowed.author_profile_id
),

sums as (
    select
        partials.zone_id,
        partials.hashtag,
        sum(partials.tweet_count)::bigint as tweet_count_24h,
        count(distinct partials.author_profile_id) as unique_authors_24h,
        case when sum(partials.engagement_known_count) > 0 then sum(partials.known_engagement)::bigint end
            as total_engagement_24h,
        max(partials.last_used_at) as last_used_at
    from partials
    group by partials.zone_id, partials.hashtag
),

spellings as (
    select
        partials.zone_id,
        partials.hashtag,
        vote.original_hashtag,
        row_number() over (
            partition by partials.zone_id, partials.hashtag
            order by
                sum(vote.vote_count) desc,
                vote.original_hashtag collate "C"  -- noqa: references.consistent
        ) as place
    from partials
    cross join lateral unnest(partials.spellings, partials.spelling_counts) as vote (original_hashtag, vote_count)
    group by partials.zone_id, partials.hashtag, vote.original_hashtag
),

candidates as (
    select
        partials.zone_id,
        partials.hashtag,
        candidate.tweet_id,
        row_number() over (
            partition by partials.zone_id, partials.hashtag
            order by candidate.total_engagement desc nulls last, candidate.tweet_id desc
        ) as place
    from partials
    cross join lateral unnest(partials.top_tweet_ids, partials.top_tweet_engagements)
        as candidate (tweet_id, total_engagement)
),

samples as (
    select
        candidates.zone_id,
        candidates.hashtag,
        array_agg(candidates.tweet_id::text order by candidates.place) as sample_tweets
    from candidates
    where candidates.place <= 3
    group by candidates.zone_id, candidates.hashtag
),

final as (
    select
        whole.zone_id,
        whole.hashtag,
        whole.original_hashtag,
        whole.tweet_count_24h,
        whole.unique_authors_24h,
        whole.total_engagement_24h,
        whole.last_used_at,
        whole.sample_tweets,
        whole.as_of
    from whole
    union all
    select
        sums.zone_id,
        sums.hashtag,
        spellings.original_hashtag,
        sums.tweet_count_24h,
        sums.unique_authors_24h,
        sums.total_engagement_24h,
        sums.last_used_at,
        samples.sample_tweets,
        bounds.as_of
    from sums
    cross join bounds
    inner join spellings
        on sums.zone_id = spellings.zone_id and sums.hashtag = spellings.hashtag and spellings.place = 1
    inner join samples on sums.zone_id = samples.zone_id and sums.hashtag = samples.hashtag
)

select * from final
