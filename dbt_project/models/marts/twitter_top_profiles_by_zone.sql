-- One row per zone and profile with at least one tweet there, over all retained tweets.
-- Built from int_zone_author_totals, the latest of int_zone_author_hourly and the profile as it is now.
-- Late data: summed anew when one of the profile's hours was; a renamed profile is rewritten in all its zones (T22).
-- Read by BI tools and the data layer's top users.
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['zone_id', 'profile_id'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with claims as (
    select
        claims.zone_id,
        claims.profile_id
    from {{ source('ledger', 'twitter_top_profiles_by_zone__claims') }} as claims
),

totals as (
    select * from {{ ref('int_zone_author_totals') }}
),

hours as (
    select * from {{ ref('int_zone_author_hourly') }}
),

profiles as (
    select * from {{ ref('stg_core__twitter_profiles') }}
),

-- One claim at a time, by index: a join would read every author for the sake of the claimed ones.
sums as (
    select
        claims.zone_id,
        claims.profile_id,
        found.tweet_count,
        case when found.engagement_known_count > 0 then found.known_engagement end as total_engagement,
        found.engagement_known_count,
        latest.last_tweet_at
    from claims
    inner join lateral (
        select
            totals.tweet_count,
            totals.known_engagement,
            totals.engagement_known_count
        from totals
        where totals.zone_id = claims.zone_id and totals.author_profile_id = claims.profile_id
        offset 0
    ) as found on true
    inner join lateral (
        select hours.last_tweet_at
        from hours
        where hours.zone_id = claims.zone_id and hours.author_profile_id = claims.profile_id
        order by hours.hour desc
        limit 1
    ) as latest on true
),

final as (
    select
        sums.zone_id,
        sums.profile_id,
        sums.profile_id::text as twitter_user_id,
        profiles.username,
        profiles.name,
        profiles.profile_picture_url,
        profiles.is_verified,
        profiles.is_blue_verified,
        profiles.followers_count,
        sums.tweet_count,
        sums.total_engagement,
        round(sums.total_engagement::numeric / nullif(sums.engagement_known_count, 0), 18)::numeric(38, 18)
            as avg_engagement,
        sums.last_tweet_at
    from sums
    left join profiles on sums.profile_id = profiles.twitter_user_id
)

select * from final
