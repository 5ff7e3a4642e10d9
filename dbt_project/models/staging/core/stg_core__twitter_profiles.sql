-- One row per account, as last observed.
with source as (
    select
        source.twitter_user_id,
        source.username,
        source.name,
        source.profile_picture_url,
        source.is_verified,
        source.is_blue_verified,
        source.followers_count,
        source.following_count,
        source.tweets_count,
        source.description,
        source.location,
        source.verified_type,
        source.is_protected,
        source.is_monitored,
        source.twitter_created_at,
        source.first_seen_at,
        source.last_updated_at
    from {{ source('core', 'twitter_profiles') }} as source
)

select * from source
