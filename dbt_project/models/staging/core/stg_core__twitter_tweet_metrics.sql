-- One row per tweet: its latest known counters, NULL where unknown.
with source as (
    select
        source.tweet_id,
        source.observed_at,
        source.retweet_count,
        source.reply_count,
        source.like_count,
        source.quote_count,
        source.view_count,
        source.bookmark_count,
        source.total_engagement
    from {{ source('core', 'twitter_tweet_metrics') }} as source
)

select * from source
