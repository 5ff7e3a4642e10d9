-- One row per tweet that may be shown; its counters are in stg_core__twitter_tweet_metrics.
with source as (
    select
        source.tweet_id,
        source.author_profile_id,
        source.twitter_created_at,
        source.has_media,
        source.has_links,
        source.is_reply,
        source.sentiment_score,
        source.text,
        source.lang
    from {{ source('core', 'twitter_tweets') }} as source
    where source.suppressed_at is null
)

select * from source
