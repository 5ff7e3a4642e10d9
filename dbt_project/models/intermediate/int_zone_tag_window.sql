-- One row per zone and hashtag (normal form) used in the 24 h that end with the open hour of as_of, included whole.
-- Built from int_zone_tag_author_window: triggers there carry every change over as a difference (new - old), at once. This
-- query is what they keep true; it builds the buckets that are marked: all at first, and wrong ones.
-- Late data, and hours that the window leaves and reaches: changed in the transaction that changes the authors' rows.
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

authors as (
    select * from {{ ref('int_zone_tag_author_window') }}
),

-- One claim at a time, by index: a join would read every tag for the sake of the claimed ones.
windowed as (
    select
        found.zone_id,
        found.hashtag,
        found.tweet_count,
        found.known_engagement,
        found.engagement_known_count,
        found.last_used_at,
        found.spellings,
        found.spelling_counts,
        found.top_tweet_ids,
        found.top_tweet_engagements
    from claims
    inner join lateral (
        select authors.*
        from authors
        where authors.zone_id = claims.zone_id and authors.hashtag = claims.hashtag
        offset 0
    ) as found on true
),

sums as (
    select
        windowed.zone_id,
        windowed.hashtag,
        sum(windowed.tweet_count)::bigint as tweet_count,
        count(*) as author_count,
        sum(windowed.known_engagement)::bigint as known_engagement,
        sum(windowed.engagement_known_count)::bigint as engagement_known_count,
        max(windowed.last_used_at) as last_used_at
    from windowed
    group by windowed.zone_id, windowed.hashtag
),

votes as (
    select
        windowed.zone_id,
        windowed.hashtag,
        vote.original_hashtag,
        sum(vote.vote_count)::bigint as vote_count
    from windowed
    cross join lateral unnest(windowed.spellings, windowed.spelling_counts) as vote (original_hashtag, vote_count)
    group by windowed.zone_id, windowed.hashtag, vote.original_hashtag
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
        sums.engagement_known_count,
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
