-- One row per zone, hashtag and author who used it in the 24 h that end with the open hour of as_of, included whole.
-- Built from int_zone_counted_tweets: triggers there carry every change over as a difference (new - old), at once, and a
-- build carries over the hours that the window leaves and reaches (T21). This query is what they keep true; it builds the
-- buckets that are marked: all at first, and wrong ones.
-- Late data: a tweet that is counted anew changes the window in the same transaction.
-- Read by int_zone_tag_window, which triggers keep, and by twitter_trending_hashtags.
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['zone_id', 'hashtag', 'author_profile_id'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with claims as (
    select
        claims.zone_id,
        claims.hashtag,
        claims.author_profile_id
    from {{ source('ledger', 'int_zone_tag_author_window__claims') }} as claims
),

tag_uses as (
    select * from {{ ref('int_zone_hashtag_uses') }}
),

bounds as materialized (
    select
        date_trunc('hour', state.as_of, 'UTC') as open_hour,
        date_trunc('hour', state.as_of, 'UTC') - interval '23 hours' as first_hour,
        core.first_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') - interval '23 hours') as first_tweet_id,
        core.end_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') + interval '1 hour') as end_tweet_id
    from {{ source('ledger', 'mart_state') }} as state
    where state.model = 'int_zone_tag_author_window'
),

authors as (
    select
        claims.author_profile_id,
        array_agg(distinct claims.hashtag) as hashtags
    from claims
    group by claims.author_profile_id
),

-- The tweets of one author at a time, by index; those of all of the author's claims at once.
found_uses as (
    select
        authors.author_profile_id,
        found.zone_id,
        found.hashtag,
        found.original_hashtag,
        found.tweet_id,
        found.twitter_created_at,
        found.total_engagement
    from authors
    cross join bounds
    inner join lateral (
        select
            tag_uses.zone_id,
            tag_uses.hashtag,
            tag_uses.original_hashtag,
            tag_uses.tweet_id,
            tag_uses.twitter_created_at,
            tag_uses.total_engagement
        from tag_uses
        where
            tag_uses.author_profile_id = authors.author_profile_id
            and tag_uses.tweet_id >= bounds.first_tweet_id
            and tag_uses.tweet_id < bounds.end_tweet_id
            and tag_uses.hour >= bounds.first_hour
            and tag_uses.hour <= bounds.open_hour
            and tag_uses.hashtag = any(authors.hashtags)
        offset 0
    ) as found on true
),

uses as (
    select found_uses.*
    from found_uses
    inner join claims
        on
            found_uses.zone_id = claims.zone_id
            and found_uses.hashtag = claims.hashtag
            and found_uses.author_profile_id = claims.author_profile_id
),

sums as (
    select
        uses.zone_id,
        uses.hashtag,
        uses.author_profile_id,
        count(*) as tweet_count,
        coalesce(sum(uses.total_engagement), 0)::bigint as known_engagement,
        count(uses.total_engagement) as engagement_known_count,
        max(uses.twitter_created_at) as last_used_at,
        (array_agg(uses.tweet_id order by uses.total_engagement desc nulls last, uses.tweet_id desc))[1:3]
            as top_tweet_ids,
        (array_agg(uses.total_engagement order by uses.total_engagement desc nulls last, uses.tweet_id desc))[1:3]
            as top_tweet_engagements
    from uses
    group by uses.zone_id, uses.hashtag, uses.author_profile_id
),

votes as (
    select
        uses.zone_id,
        uses.hashtag,
        uses.author_profile_id,
        uses.original_hashtag,
        count(*) as vote_count
    from uses
    group by uses.zone_id, uses.hashtag, uses.author_profile_id, uses.original_hashtag
),

spellings as (
    select
        votes.zone_id,
        votes.hashtag,
        votes.author_profile_id,
        array_agg(
            votes.original_hashtag
            order by votes.vote_count desc, votes.original_hashtag collate "C"  -- noqa: references.consistent
        ) as spellings,
        array_agg(
            votes.vote_count
            order by votes.vote_count desc, votes.original_hashtag collate "C"  -- noqa: references.consistent
        ) as spelling_counts
    from votes
    group by votes.zone_id, votes.hashtag, votes.author_profile_id
),

final as (
    select
        sums.zone_id,
        sums.hashtag,
        sums.author_profile_id,
        sums.tweet_count,
        sums.known_engagement,
        sums.engagement_known_count,
        sums.last_used_at,
        spellings.spellings,
        spellings.spelling_counts,
        sums.top_tweet_ids,
        sums.top_tweet_engagements
    from sums
    inner join spellings
        on
            sums.zone_id = spellings.zone_id
            and sums.hashtag = spellings.hashtag
            and sums.author_profile_id = spellings.author_profile_id
)

select * from final
