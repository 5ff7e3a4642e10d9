-- One row per zone and hashtag (normal form) used in the 24 h that end with the open hour of as_of, included whole.
-- Built from int_zone_tag_author_hourly: triggers there carry every change over as a difference (new - old), at once,
-- and a build carries over the hours that the window leaves and reaches (T21). This query is what they keep true; it
-- builds the buckets that are marked: all at first, and wrong ones.
-- Late data: an hour that is counted anew changes the window in the same transaction.
-- Read by twitter_trending_hashtags.
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
    from {{ source('ledger', 'int_zone_tag_window__claims') }} as claims
),

tags as (
    select * from {{ ref('int_zone_tag_author_hourly') }}
),

bounds as materialized (
    select
        date_trunc('hour', state.as_of, 'UTC') as open_hour,
        date_trunc('hour', state.as_of, 'UTC') - interval '23 hours' as first_hour
    from {{ source('ledger', 'mart_state') }} as state
    where state.model = 'int_zone_tag_window'
),

-- One claim at a time, by index: a join would read every tag's history for the sake of the claimed ones.
windowed as (
    select
        found.zone_id,
        found.hashtag,
        found.author_profile_id,
        found.original_hashtag,
        found.tweet_count,
        found.total_engagement,
        found.last_used_at,
        found.top_tweet_ids,
        found.top_tweet_engagements
    from claims
    cross join bounds
    inner join lateral (
        select tags.*
        from tags
        where
            tags.zone_id = claims.zone_id
            and tags.hashtag = claims.hashtag
            and tags.hour >= bounds.first_hour
            and tags.hour <= bounds.open_hour
        offset 0
    ) as found on true
),

sums as (
    select
        windowed.zone_id,
        windowed.hashtag,
        sum(windowed.tweet_count)::bigint as tweet_count,
        count(distinct windowed.author_profile_id) as author_count,
        coalesce(sum(windowed.total_engagement), 0)::bigint as known_engagement,
        count(windowed.total_engagement) as known_row_count,
        max(windowed.last_used_at) as last_used_at
    from windowed
    group by windowed.zone_id, windowed.hashtag
),

votes as (
    select
        windowed.zone_id,
        windowed.hashtag,
        windowed.original_hashtag,
        sum(windowed.tweet_count)::bigint as vote_count
    from windowed
    group by windowed.zone_id, windowed.hashtag, windowed.original_hashtag
),

spellings as (
    select
        votes.zone_id,
        votes.hashtag,
        array_agg(
            votes.original_hashtag
            order by votes.vote_count desc, votes.original_hashtag collate "C"  -- noqa: references.consistent
        ) as spellings,
        array_agg(
            votes.vote_count
            order by votes.vote_count desc, votes.original_hashtag collate "C"  -- noqa: references.consistent
        ) as spelling_counts
    from votes
    group by votes.zone_id, votes.hashtag
),

samples as (
    select
        windowed.zone_id,
        windowed.hashtag,
        (array_agg(entry.tweet_id order by entry.engagement desc nulls last, entry.tweet_id desc))[1:3]
            as top_tweet_ids,
        (array_agg(entry.engagement order by entry.engagement desc nulls last, entry.tweet_id desc))[1:3]
            as top_tweet_engagements
    from windowed
    cross join lateral unnest(windowed.top_tweet_ids, windowed.top_tweet_engagements) as entry (tweet_id, engagement)
    group by windowed.zone_id, windowed.hashtag
),

final as (
    select
        sums.zone_id,
        sums.hashtag,
        sums.tweet_count,
        sums.author_count,
        sums.known_engagement,
        sums.known_row_count,
        sums.last_used_at,
        spellings.spellings,
        spellings.spelling_counts,
        samples.top_tweet_ids,
        samples.top_tweet_engagements
    from sums
    inner join spellings on sums.zone_id = spellings.zone_id and sums.hashtag = spellings.hashtag
    inner join samples on sums.zone_id = samples.zone_id and sums.hashtag = samples.hashtag
)

select * from final
