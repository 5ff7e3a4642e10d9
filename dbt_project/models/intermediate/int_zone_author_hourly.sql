-- One row per zone, UTC hour and author: what the author's tweets of that hour add up to.
-- Built from int_zone_counted_tweets: triggers there carry every change over as a difference (new - old), in the same
-- transaction; this query is what they keep true, and builds the buckets that are marked: all at first, and wrong ones.
-- Late data: a tweet that is counted anew changes its hour in the same transaction.
-- Read by the other int_zone_…_hourly tables, and by the marts about zones and profiles.
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['zone_id', 'author_profile_id', 'hour'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with claims as (
    select
        claims.zone_id,
        claims.hour,
        claims.author_profile_id
    from {{ source('ledger', 'int_zone_author_hourly__claims') }} as claims
),

tweets as (
    select * from {{ ref('int_zone_counted_tweets') }}
),

-- Materialised, so that the bounds of an hour are computed once and not for every claim.
hours as materialized (
    select
        claims.hour,
        core.first_tweet_id_of(claims.hour) as first_tweet_id,
        core.end_tweet_id_of(claims.hour + interval '1 hour') as end_tweet_id
    from (select distinct claims.hour from claims) as claims
),

author_hours as (
    select
        claims.hour,
        claims.author_profile_id,
        array_agg(claims.zone_id) as zone_ids
    from claims
    group by claims.hour, claims.author_profile_id
),

-- "offset 0" keeps the search one author and hour at a time, by index, whatever the planner thinks of the claims.
claimed_tweets as (
    select
        found.zone_id,
        author_hours.hour,
        author_hours.author_profile_id,
        found.tweet_id,
        found.twitter_created_at,
        found.has_media,
        found.has_links,
        found.is_reply,
        found.sentiment_score,
        found.retweet_count,
        found.reply_count,
        found.like_count,
        found.quote_count,
        found.view_count,
        found.bookmark_count,
        found.total_engagement,
        -- What the most engaged tweet is found by: arrays compare element by element, an unknown count takes no part.
        case when found.total_engagement is not null then array[found.total_engagement, found.tweet_id] end as ranking
    from author_hours
    inner join hours on author_hours.hour = hours.hour
    inner join lateral (
        select
            tweets.zone_id,
            tweets.tweet_id,
            tweets.twitter_created_at,
            tweets.has_media,
            tweets.has_links,
            tweets.is_reply,
            tweets.sentiment_score,
            tweets.retweet_count,
            tweets.reply_count,
            tweets.like_count,
            tweets.quote_count,
            tweets.view_count,
            tweets.bookmark_count,
            tweets.total_engagement
        from tweets
        where
            tweets.author_profile_id = author_hours.author_profile_id
            and tweets.tweet_id >= hours.first_tweet_id
            and tweets.tweet_id < hours.end_tweet_id
            and tweets.hour = author_hours.hour
            and tweets.zone_id = any(author_hours.zone_ids)
        offset 0
    ) as found on true
),

final as (
    select
        claimed_tweets.zone_id,
        claimed_tweets.hour,
        claimed_tweets.author_profile_id,
        count(*) as tweet_count,
        count(*) filter (where claimed_tweets.has_media) as tweets_with_media,
        count(*) filter (where claimed_tweets.has_links) as tweets_with_links,
        count(*) filter (where claimed_tweets.is_reply) as reply_tweets,
        sum(claimed_tweets.retweet_count)::bigint as total_retweets,
        sum(claimed_tweets.reply_count)::bigint as total_replies,
        sum(claimed_tweets.like_count)::bigint as total_likes,
        sum(claimed_tweets.quote_count)::bigint as total_quotes,
        sum(claimed_tweets.view_count)::bigint as total_views,
        sum(claimed_tweets.bookmark_count)::bigint as total_bookmarks,
        sum(claimed_tweets.total_engagement)::bigint as total_engagement,
        count(claimed_tweets.retweet_count) as retweets_known_count,
        count(claimed_tweets.reply_count) as replies_known_count,
        count(claimed_tweets.like_count) as likes_known_count,
        count(claimed_tweets.quote_count) as quotes_known_count,
        count(claimed_tweets.view_count) as views_known_count,
        count(claimed_tweets.bookmark_count) as bookmarks_known_count,
        count(claimed_tweets.total_engagement) as engagement_known_count,
        sum(claimed_tweets.sentiment_score) as sentiment_sum,
        count(claimed_tweets.sentiment_score) as sentiment_count,
        max(claimed_tweets.twitter_created_at) as last_tweet_at,
        max(claimed_tweets.tweet_id) as last_tweet_id,
        (max(claimed_tweets.ranking))[1] as top_engagement,
        (max(claimed_tweets.ranking))[2] as top_tweet_id
    from claimed_tweets
    group by claimed_tweets.zone_id, claimed_tweets.hour, claimed_tweets.author_profile_id
)

select * from final
