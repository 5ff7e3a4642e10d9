-- One row per zone and hashtag (normal form) used in the 24 h that end at as_of: 23 whole hours and the open one.
-- Built from int_zone_tag_window, for the claimed hashtags; where the open hour holds tweets from after as_of, without
-- them.
-- Late data: claimed when the tag's window changed, be it by time alone (T21).
-- Read by BI tools and the data layer's trending; sample texts are in twitter_trending_hashtag_samples.
-- depends_on: {{ ref('int_zone_counted_tweets') }}
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

-- Read twice, but never as a whole.
uses as not materialized (
    select * from {{ ref('int_zone_hashtag_uses') }}
),

bounds as materialized (
    select
        state.as_of,
        date_trunc('hour', state.as_of, 'UTC') as open_hour,
        date_trunc('hour', state.as_of, 'UTC') - interval '23 hours' as first_hour,
        core.first_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') - interval '23 hours') as first_tweet_id,
        core.first_tweet_id_of(state.as_of) as first_tweet_id_after,
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
        case when found_totals.engagement_known_count > 0 then found_totals.known_engagement end
            as total_engagement_24h,
        found_totals.last_used_at,
        found_totals.top_tweet_ids::text[] as sample_tweets,
        found_totals.as_of
    from found_totals
    where not found_totals.is_cut
),

-- From here on only tags with tweets of the open hour after as_of: those must not count.
cut as (
    select
        found_totals.zone_id,
        found_totals.hashtag,
        found_totals.tweet_count,
        found_totals.author_count,
        found_totals.known_engagement,
        found_totals.engagement_known_count,
        found_totals.spellings,
        found_totals.spelling_counts
    from found_totals
    where found_totals.is_cut
),

later_uses as materialized (
    select
        uses.zone_id,
        uses.hashtag,
        uses.author_profile_id,
        uses.original_hashtag,
        uses.total_engagement
    from bounds
    inner join lateral (
        select uses.*
        from uses
        where
            uses.tweet_id >= bounds.first_tweet_id_after
            and uses.tweet_id < bounds.end_tweet_id
            and uses.hour = bounds.open_hour
            and uses.twitter_created_at > bounds.as_of
        offset 0
    ) as uses on true
    inner join cut on uses.zone_id = cut.zone_id and uses.hashtag = cut.hashtag
),

later_sums as (
    select
        later_uses.zone_id,
        later_uses.hashtag,
        count(*) as tweet_count,
        coalesce(sum(later_uses.total_engagement), 0)::bigint as known_engagement,
        count(later_uses.total_engagement) as engagement_known_count
    from later_uses
    group by later_uses.zone_id, later_uses.hashtag
),

later_authors as (
    select
        later_uses.zone_id,
        later_uses.hashtag,
        later_uses.author_profile_id,
        count(*) as tweet_count
    from later_uses
    group by later_uses.zone_id, later_uses.hashtag, later_uses.author_profile_id
),

-- Authors of tweets before as_of.
earlier_authors as materialized (
    select
        found.zone_id,
        found.hashtag,
        found.author_profile_id,
        found.last_used_at,
        later_authors.zone_id is not null as reaches_beyond,
        row_number() over (
            partition by found.zone_id, found.hashtag, later_authors.zone_id is null
            order by found.best_engagement desc nulls last, found.best_tweet_id desc
        ) as place
    from cut
    inner join lateral (
        select authors.*
        from authors
        where authors.zone_id = cut.zone_id and authors.hashtag = cut.hashtag
        offset 0
    ) as found on true
    left join later_authors
        on
            found.zone_id = later_authors.zone_id
            and found.hashtag = later_authors.hashtag
            and found.author_profile_id = later_authors.author_profile_id
    where found.tweet_count > coalesce(later_authors.tweet_count, 0)
),

author_sums as (
    select
        earlier_authors.zone_id,
        earlier_authors.hashtag,
        count(*) as author_count,
        max(earlier_authors.last_used_at) filter (where not earlier_authors.reaches_beyond) as last_used_at
    from earlier_authors
    group by earlier_authors.zone_id, earlier_authors.hashtag
),

-- Whose tweets are to be looked at one by one: authors of later ones, too, and those of the three best, who wrote all
-- three best tweets. The tweets of one author at a time, by index, and only then the tags.
read_authors as (
    select
        earlier_authors.zone_id,
        earlier_authors.hashtag,
        earlier_authors.author_profile_id
    from earlier_authors
    where earlier_authors.reaches_beyond or earlier_authors.place <= 3
),

read_uses as materialized (
    select
        found.zone_id,
        found.hashtag,
        single_authors.author_profile_id,
        found.tweet_id,
        found.twitter_created_at,
        found.total_engagement
    from (select distinct read_authors.author_profile_id from read_authors) as single_authors
    cross join bounds
    inner join lateral (
        select
            uses.zone_id,
            uses.hashtag,
            uses.tweet_id,
            uses.twitter_created_at,
            uses.total_engagement
        from uses
        where
            uses.author_profile_id = single_authors.author_profile_id
            and uses.tweet_id >= bounds.first_tweet_id
            and uses.tweet_id < bounds.end_tweet_id
            and uses.hour >= bounds.first_hour
            and uses.hour <= bounds.open_hour
            and uses.twitter_created_at <= bounds.as_of
        offset 0
    ) as found on true
),

samples as (
    select
        read_uses.zone_id,
        read_uses.hashtag,
        max(read_uses.twitter_created_at) as last_used_at,
        (
            array_agg(
                read_uses.tweet_id::text
                order by read_uses.total_engagement desc nulls last, read_uses.tweet_id desc
            )
        )[1:3] as sample_tweets
    from read_uses
    inner join read_authors
        on
            read_uses.zone_id = read_authors.zone_id
            and read_uses.hashtag = read_authors.hashtag
            and read_uses.author_profile_id = read_authors.author_profile_id
    group by read_uses.zone_id, read_uses.hashtag
),

votes as (
    select
        cut.zone_id,
        cut.hashtag,
        vote.original_hashtag,
        vote.vote_count
    from cut
    cross join lateral unnest(cut.spellings, cut.spelling_counts) as vote (original_hashtag, vote_count)
    union all
    select
        later_uses.zone_id,
        later_uses.hashtag,
        later_uses.original_hashtag,
        -1 as vote_count
    from later_uses
),

spellings as (
    select
        votes.zone_id,
        votes.hashtag,
        votes.original_hashtag,
        row_number() over (
            partition by votes.zone_id, votes.hashtag
            order by
                sum(votes.vote_count) desc,
                votes.original_hashtag collate "C"  -- noqa: references.consistent
        ) as place
    from votes
    group by votes.zone_id, votes.hashtag, votes.original_hashtag
),

without_later as (
    select
        cut.zone_id,
        cut.hashtag,
        spellings.original_hashtag,
        cut.tweet_count - later_sums.tweet_count as tweet_count_24h,
        author_sums.author_count as unique_authors_24h,
        case
            when cut.engagement_known_count > later_sums.engagement_known_count
                then cut.known_engagement - later_sums.known_engagement
        end as total_engagement_24h,
        greatest(author_sums.last_used_at, samples.last_used_at) as last_used_at,
        samples.sample_tweets,
        bounds.as_of
    from cut
    cross join bounds
    inner join later_sums on cut.zone_id = later_sums.zone_id and cut.hashtag = later_sums.hashtag
    inner join author_sums on cut.zone_id = author_sums.zone_id and cut.hashtag = author_sums.hashtag
    inner join samples on cut.zone_id = samples.zone_id and cut.hashtag = samples.hashtag
    inner join spellings
        on cut.zone_id = spellings.zone_id and cut.hashtag = spellings.hashtag and spellings.place = 1
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
        without_later.zone_id,
        without_later.hashtag,
        without_later.original_hashtag,
        without_later.tweet_count_24h,
        without_later.unique_authors_24h,
        without_later.total_engagement_24h,
        without_later.last_used_at,
        without_later.sample_tweets,
        without_later.as_of
    from without_later
)

select * from final
