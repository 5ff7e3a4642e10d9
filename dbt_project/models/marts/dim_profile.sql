-- One row per account: what is known of it now, beside the profile_id that the other marts have.
-- Built from core.twitter_profiles, as it is now.
-- Read by BI tools.
{{ config(materialized='view') }}

with profiles as (
    select * from {{ ref('stg_core__twitter_profiles') }}
),

final as (
    select
        profiles.twitter_user_id as profile_id,
        profiles.twitter_user_id::text as twitter_user_id,
        profiles.username,
        profiles.name,
        profiles.profile_picture_url,
        profiles.is_verified,
        profiles.is_blue_verified,
        profiles.followers_count,
        profiles.following_count,
        profiles.tweets_count,
        profiles.description,
        profiles.location,
        profiles.verified_type,
        profiles.is_protected,
        profiles.is_monitored,
        profiles.twitter_created_at,
        profiles.first_seen_at,
        profiles.last_updated_at
    from profiles
)

select * from final
