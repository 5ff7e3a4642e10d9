-- One row per tweet that may be shown and zone that collected it.
with source as (
    select
        source.tweet_id,
        source.zone_id,
        source.author_profile_id,
        source.twitter_created_at,
        source.first_matched_at
    from {{ source('core', 'twitter_tweet_zones') }} as source
    where source.suppressed_at is null
)

select * from source
