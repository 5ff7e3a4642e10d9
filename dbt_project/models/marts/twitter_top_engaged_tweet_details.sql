-- One row per zone, UTC day and tweet among the day's 100 most engaged: its text, author and counters as they are now.
-- Built from twitter_top_engaged_tweets, which holds ids only: a tweet that is deleted or corrected shows here at once.
-- Read by BI tools.
{{ config(materialized='view') }}

with top_tweets as (
    select * from {{ ref('twitter_top_engaged_tweets') }}
),

tweets as (
    select * from {{ ref('stg_core__twitter_tweets') }}
),

profiles as (
    select * from {{ ref('stg_core__twitter_profiles') }}
),

metrics as (
    select * from {{ ref('stg_core__twitter_tweet_metrics') }}
),

final as (
    select
        top_tweets.zone_id,
        top_tweets.day,
        top_tweets.place,
        top_tweets.tweet_id::text as tweet_id,
        tweets.text,
        tweets.lang,
        top_tweets.twitter_created_at,
        top_tweets.author_profile_id::text as author_twitter_user_id,
        profiles.username as author_username,
        profiles.name as author_name,
        metrics.retweet_count,
        metrics.reply_count,
        metrics.like_count,
        metrics.quote_count,
        metrics.view_count,
        top_tweets.total_engagement
    from top_tweets
    inner join tweets on top_tweets.tweet_id = tweets.tweet_id
    left join profiles on top_tweets.author_profile_id = profiles.twitter_user_id
    left join metrics on top_tweets.tweet_id = metrics.tweet_id
)

select * from final
