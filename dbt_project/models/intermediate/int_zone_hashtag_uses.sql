-- One row per zone, tweet and hashtag: a tag counts once in a tweet, with the first spelling it has there (T5).
-- Built from int_zone_counted_tweets, as a view: it holds nothing and reads no more than its reader asks for.
-- Read by the int_zone_tag_… tables and twitter_trending_hashtags.
{{ config(materialized='view') }}

with tweets as (
    select * from {{ ref('int_zone_counted_tweets') }}
),

final as (
    select
        tweets.zone_id,
        tweets.tweet_id,
        tweets.author_profile_id,
        tweets.twitter_created_at,
        tweets.hour,
        tweets.total_engagement,
        used.hashtag,
        used.original_hashtag
    from tweets
    cross join lateral unnest(tweets.hashtags, tweets.original_hashtags) as used (hashtag, original_hashtag)
)

select * from final
