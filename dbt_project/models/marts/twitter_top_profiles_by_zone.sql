-- One row per zone and profile with at least one tweet there, over all retained tweets.
-- Built from int_zone_author_hourly and the profile as it is now: triggers on the hours write every change here as a
-- difference (new - old), in the same transaction; this query is what they keep true, and builds the buckets that are
-- marked: all at first, wrong ones, and those of a profile that was renamed, in all its zones (T22).
-- Late data: an hour that is counted anew changes the row in the same transaction.
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
        found.total_engagement,
        found.engagement_known_count,
        found.last_tweet_at
    from claims
    inner join lateral (
        select
            sum(hours.tweet_count)::bigint as tweet_count,
            sum(hours.total_engagement)::bigint as total_engagement,
            sum(hours.engagement_known_count)::bigint as engagement_known_count,
            max(hours.last_tweet_at) as last_tweet_at
        from hours
        where hours.zone_id = claims.zone_id and hours.author_profile_id = claims.profile_id
    ) as found on found.tweet_count > 0
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
        sums.engagement_known_count,
        round(sums.total_engagement::numeric / nullif(sums.engagement_known_count, 0), 18)::numeric(38, 18)
            as avg_engagement,
        sums.last_tweet_at
    from sums
    left join profiles on sums.profile_id = profiles.twitter_user_id
)

select * from final
