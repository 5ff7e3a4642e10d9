-- One row per zone, hashtag and author who used it in the 24 h that end at as_of: 23 whole hours and the open one.
-- Built from int_zone_counted_tweets: triggers there carry every change over as a difference (new - old), at once, and
-- a build moves the window to its as_of (T21), here and in twitter_trending_hashtags. This query is what they keep
-- true; it builds the buckets that are marked: all at first, and wrong ones.
-- Late data: a tweet that is counted anew changes the window in the same transaction.
-- Read by twitter_trending_hashtags.
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
        state.as_of,
        date_trunc('hour', state.as_of, 'UTC') - interval '23 hours' as first_hour,
        core.first_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') - interval '23 hours') as first_tweet_id,
        core.end_tweet_id_of(state.as_of + interval '1 millisecond') as end_tweet_id
    from {{ source('ledger', 'mart_state') }} as state
    where state.model = 'int_zone_tag_author_window'
),

authors as (
    select distinct claims.author_profile_id
    from claims
),

-- The tweets of one author at a time, by index; those of all of the author's claims at once, and only then the claims:
-- joined the other way round, an author's tweets are gone through for each tag.
found_uses as materialized (
    select
        authors.author_profile_id,
        found.zone_id,
        found.hashtag,
        found.tweet_id,
        found.twitter_created_at,
        found.total_engagement
    from authors
    cross join bounds
    inner join lateral (
        select
            tag_uses.zone_id,
            tag_uses.hashtag,
            tag_uses.tweet_id,
            tag_uses.twitter_created_at,
            tag_uses.total_engagement
        from tag_uses
        where
            tag_uses.author_profile_id = authors.author_profile_id
            and tag_uses.tweet_id >= bounds.first_tweet_id
            and tag_uses.tweet_id < bounds.end_tweet_id
            and tag_uses.hour >= bounds.first_hour
            and tag_uses.twitter_created_at <= bounds.as_of
        offset 0
    ) as found on true
),

final as (
    select
        claims.zone_id,
        claims.hashtag,
        claims.author_profile_id,
        count(*) as tweet_count,
        max(found_uses.twitter_created_at) as last_used_at,
        (
            array_agg(
                found_uses.total_engagement
                order by found_uses.total_engagement desc nulls last, found_uses.tweet_id desc
            )
        )[1] as best_engagement,
        (
            array_agg(
                found_uses.tweet_id
                order by found_uses.total_engagement desc nulls last, found_uses.tweet_id desc
            )
        )[1] as best_tweet_id
    from found_uses
    inner join claims
        on
            found_uses.zone_id = claims.zone_id
            and found_uses.hashtag = claims.hashtag
            and found_uses.author_profile_id = claims.author_profile_id
    group by claims.zone_id, claims.hashtag, claims.author_profile_id
)

select * from final
