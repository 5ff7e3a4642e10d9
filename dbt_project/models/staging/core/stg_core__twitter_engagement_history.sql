-- One row per tweet and observation of its counters.
with source as (
    select
        source.tweet_id,
        source.snapshot_at,
        source.retweet_count,
        source.reply_count,
        source.like_count,
        source.quote_count,
        source.view_count,
        case
            when coalesce(source.retweet_count, source.reply_count, source.like_count, source.quote_count) is not null
                then
                    coalesce(source.retweet_count, 0) + coalesce(source.reply_count, 0)
                    + coalesce(source.like_count, 0) + coalesce(source.quote_count, 0)
        end as total_engagement
    from {{ source('core', 'twitter_engagement_history') }} as source
)

select * from source
