-- One row per tweet and zone that collected it.
with source as (
    select
        source.tweet_id,
        source.zone_id,
        source.author_profile_id,
        source.twitter_created_at,
        source.first_matched_at
    from {{ source('core', 'twitter_tweet_zones') }} as source
)

select * from source
