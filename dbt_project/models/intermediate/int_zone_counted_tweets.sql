-- One row per zone and tweet: what was counted of the tweet.
-- Built from the claimed tweets alone, each looked up by its id. This is the one model that reads tweets from core:
-- triggers carry the difference that a row makes (new - old) to the sums above it at once.
-- Late data: a change of a tweet, a link, a counter or an entity marks the tweet, and it is counted anew.
-- Read by int_zone_author_hourly and int_zone_tag_author_window, and by all that looks at single tweets.
-- depends_on: {{ ref('stg_core__twitter_tweet_zones') }}
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['tweet_id', 'zone_id'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with claims as (
    select claims.tweet_id
    from {{ source('ledger', 'int_zone_counted_tweets__claims') }} as claims
),

tweets as (
    select * from {{ ref('int_zone_tweets') }}
),

-- "offset 0" keeps the search one tweet at a time, by key, whatever the planner thinks of the claims.
final as (
    select found.*
    from claims
    inner join lateral (
        select
            tweets.zone_id,
            tweets.tweet_id,
            tweets.author_profile_id,
            tweets.twitter_created_at,
            tweets.hour,
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
            tweets.total_engagement,
            tweets.hashtags,
            tweets.original_hashtags,
            tweets.mentions,
            tweets.link_hosts
        from tweets
        where tweets.tweet_id = claims.tweet_id
        offset 0
    ) as found on true
)

select * from final
