-- One row per account, as last observed.
with source as (
    select
        source.twitter_user_id,
        source.username,
        source.name,
        source.profile_picture_url,
        source.is_verified,
        source.is_blue_verified,
        source.followers_count
    from {{ source('core', 'twitter_profiles') }} as source
)

select * from source
