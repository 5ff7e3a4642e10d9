-- One row per zone and hashtag (normal form) used in the 24 h that end at as_of: 23 whole hours and the open one.
-- Built from int_zone_tag_window, for the claimed hashtags; from int_zone_tag_author_hourly where the open hour holds
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

tags as (
    select * from {{ ref('int_zone_tag_author_hourly') }}
),

uses as (
    select * from {{ ref('int_zone_hashtag_uses') }}
),

bounds as materialized (
    select
        state.as_of,
        date_trunc('hour', state.as_of, 'UTC') as open_hour,
        date_trunc('hour', state.as_of, 'UTC') - interval '23 hours' as first_hour,
        core.first_tweet_id_of(date_trunc('hour', state.as_of, 'UTC')) as first_tweet_id_of_open_hour,
        core.end_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') + interval '1 hour') as end_tweet_id_of_open_hour
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
        case when found_totals.known_row_count > 0 then found_totals.known_engagement end as total_engagement_24h,
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
        found.hour,
        found.author_profile_id,
        found.original_hashtag,
        found.tweet_count,
        found.total_engagement,
        found.last_used_at,
        found.top_tweet_ids,
        found.top_tweet_engagements,
        found.last_used_at > found.as_of as reaches_beyond
    from found_totals
    cross join bounds
    inner join lateral (
        select
            tags.zone_id,
            tags.hashtag,
            tags.hour,
            tags.author_profile_id,
            tags.original_hashtag,
            tags.tweet_count,
            tags.total_engagement,
            tags.last_used_at,
            tags.top_tweet_ids,
            tags.top_tweet_engagements,
            bounds.as_of
        from tags
        where
            tags.zone_id = found_totals.zone_id
            and tags.hashtag = found_totals.hashtag
            and tags.hour >= bounds.first_hour
            and tags.hour <= bounds.open_hour
        offset 0
    ) as found on true
    where found_totals.is_cut
),

recounted as (
    select
        part.zone_id,
        part.hashtag,
        part.author_profile_id,
        part.original_hashtag,
        found.tweet_count,
        found.total_engagement,
        found.last_used_at,
        found.top_tweet_ids,
        found.top_tweet_engagements
    from windowed as part
    cross join bounds
    inner join lateral (
        select
            count(*) as tweet_count,
            sum(uses.total_engagement)::bigint as total_engagement,
            max(uses.twitter_created_at) as last_used_at,
            (array_agg(uses.tweet_id order by uses.total_engagement desc nulls last, uses.tweet_id desc))[1:3]
                as top_tweet_ids,
            (array_agg(uses.total_engagement order by uses.total_engagement desc nulls last, uses.tweet_id desc))[1:3]
                as top_tweet_engagements
        from uses
        where
            uses.zone_id = part.zone_id
            and uses.author_profile_id = part.author_profile_id
            and uses.tweet_id >= bounds.first_tweet_id_of_open_hour
            and uses.tweet_id < bounds.end_tweet_id_of_open_hour
            and uses.hour = bounds.open_hour
            and uses.twitter_created_at <= bounds.as_of
            and uses.hashtag = part.hashtag
            and uses.original_hashtag = part.original_hashtag
        having count(*) > 0
    ) as found on true
    where part.reaches_beyond
),

partials as (
    select
        windowed.zone_id,
        windowed.hashtag,
        windowed.author_profile_id,
        windowed.original_hashtag,
        windowed.tweet_count,
        windowed.total_engagement,
        windowed.last_used_at,
        windowed.top_tweet_ids,
        windowed.top_tweet_engagements
    from windowed
    where not windowed.reaches_beyond
    union all
    select
        recounted.zone_id,
        recounted.hashtag,
        recounted.author_profile_id,
        recounted.original_hashtag,
        recounted.tweet_count,
        recounted.total_engagement,
        recounted.last_used_at,
        recounted.top_tweet_ids,
        recounted.top_tweet_engagements
    from recounted
),

sums as (
    select
        partials.zone_id,
        partials.hashtag,
        sum(partials.tweet_count)::bigint as tweet_count_24h,
        count(distinct partials.author_profile_id) as unique_authors_24h,
        sum(partials.total_engagement)::bigint as total_engagement_24h,
        max(partials.last_used_at) as last_used_at
    from partials
    group by partials.zone_id, partials.hashtag
),

spellings as (
    select
        partials.zone_id,
        partials.hashtag,
        partials.original_hashtag,
        row_number() over (
            partition by partials.zone_id, partials.hashtag
            order by
                sum(partials.tweet_count) desc,
                partials.original_hashtag collate "C"  -- noqa: references.consistent
        ) as place
    from partials
    group by partials.zone_id, partials.hashtag, partials.original_hashtag
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
