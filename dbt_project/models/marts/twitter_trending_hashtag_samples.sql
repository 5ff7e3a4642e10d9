-- One row per zone, trending hashtag and sample tweet (at most three), the most engaged first.
-- Built from twitter_trending_hashtags, which holds ids only: a tweet that is deleted or corrected shows here at once.
-- Read by BI tools and the data layer's trending.
{{ config(materialized='view') }}

with trending as (
    select * from {{ ref('twitter_trending_hashtags') }}
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
        trending.zone_id,
        trending.hashtag,
        sample.place::integer as place,
        sample.tweet_id,
        tweets.text,
        tweets.twitter_created_at,
        tweets.author_profile_id::text as author_twitter_user_id,
        profiles.username as author_username,
        profiles.name as author_name,
        metrics.retweet_count,
        metrics.reply_count,
        metrics.like_count,
        metrics.quote_count,
        metrics.view_count,
        metrics.total_engagement
    from trending
    cross join lateral unnest(trending.sample_tweets) with ordinality as sample (tweet_id, place)
    inner join tweets on sample.tweet_id::bigint = tweets.tweet_id
    left join profiles on tweets.author_profile_id = profiles.twitter_user_id
    left join metrics on tweets.tweet_id = metrics.tweet_id
)

select * from final
