-- One row per zone and tweet that the zone collected, with its latest known counters.
-- Built from staging, as a view: it holds nothing and reads no more than its reader asks for.
-- Read by int_zone_author_hourly, int_zone_hashtag_uses.
{{ config(materialized='view') }}

with tweets as (
    select * from {{ ref('stg_core__twitter_tweets') }}
),

links as (
    select * from {{ ref('stg_core__twitter_tweet_zones') }}
),

metrics as (
    select * from {{ ref('stg_core__twitter_tweet_metrics') }}
),

final as (
    select
        links.zone_id,
        tweets.tweet_id,
        tweets.author_profile_id,
        tweets.twitter_created_at,
        date_trunc('hour', tweets.twitter_created_at, 'UTC') as hour,
        tweets.has_media,
        tweets.has_links,
        tweets.is_reply,
        tweets.sentiment_score,
        metrics.retweet_count,
        metrics.reply_count,
        metrics.like_count,
        metrics.quote_count,
        metrics.view_count,
        metrics.bookmark_count,
        metrics.total_engagement
    from tweets
    inner join links on tweets.tweet_id = links.tweet_id
    left join metrics on tweets.tweet_id = metrics.tweet_id
)

select * from final
