-- One row per zone and account with a tweet there in the last 30 days: how much the account is heeded, from 0 to 100.
-- Built as a view from twitter_top_profiles_by_zone_window and the profile as it is now.
-- Read by BI tools; the data layer gives the same score over all zones.
--
-- influence_score = 50 * min(1, log10(1 + followers) / 8) + 50 * min(1, log10(1 + mean engagement) / 6)
--
-- Half reach, half response, each on a logarithmic scale, since both are spread over many orders of magnitude; it ends
-- at 100 million followers and at a million a tweet. Reach alone misleads (Cha et al. 2010, "the million
-- follower fallacy").
-- What is unknown adds nothing; retweets have no engagement of their own and do not count in the mean.
{{ config(materialized='view') }}

with windows as (
    select * from {{ ref('twitter_top_profiles_by_zone_window') }}
),

profiles as (
    select * from {{ ref('stg_core__twitter_profiles') }}
),

scales as (
    select
        windows.zone_id,
        windows.profile_id,
        windows.twitter_user_id,
        profiles.username,
        profiles.followers_count,
        windows.tweet_count,
        windows.avg_engagement,
        round(windows.avg_engagement * 1000 / nullif(profiles.followers_count, 0), 6) as engagement_per_1000_followers,
        log(1 + profiles.followers_count::numeric) / 8 as reach,
        log(1 + windows.avg_engagement) / 6 as response
    from windows
    inner join profiles on windows.profile_id = profiles.twitter_user_id
    where windows.time_window = '30d'
),

final as (
    select
        scales.zone_id,
        scales.profile_id,
        scales.twitter_user_id,
        scales.username,
        scales.followers_count,
        scales.tweet_count,
        scales.avg_engagement,
        scales.engagement_per_1000_followers,
        case
            when coalesce(scales.reach, scales.response) is not null
                then round(50 * (least(1, coalesce(scales.reach, 0)) + least(1, coalesce(scales.response, 0))), 1)
        end as influence_score
    from scales
)

select * from final
