-- One row per zone, UTC day and tweet among the day's 100 most engaged, by place; equals go to the larger id.
-- Built from int_zone_top_tweets_hourly, for the claimed days: the best of a day are among the best of its hours.
-- Late data: a day is ranked anew when the list of any of its hours was.
-- Read by BI tools and the data layer; texts and authors are in twitter_top_engaged_tweet_details.
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['zone_id', 'day', 'tweet_id'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with claims as (
    select
        claims.zone_id,
        claims.day,
        claims.day::timestamp at time zone 'UTC' as first_hour
    from {{ source('ledger', 'twitter_top_engaged_tweets__claims') }} as claims
),

hourly as (
    select * from {{ ref('int_zone_top_tweets_hourly') }}
),

-- One claim at a time, by index: the lists of other days are not read.
final as (
    select
        claims.zone_id,
        claims.day,
        found.tweet_id,
        found.place::integer as place,
        found.author_profile_id,
        found.twitter_created_at,
        found.total_engagement
    from claims
    inner join lateral (
        select
            hourly.tweet_id,
            hourly.author_profile_id,
            hourly.twitter_created_at,
            hourly.total_engagement,
            row_number() over (order by hourly.total_engagement desc, hourly.tweet_id desc) as place
        from hourly
        where
            hourly.zone_id = claims.zone_id
            and hourly.hour >= claims.first_hour
            and hourly.hour < claims.first_hour + interval '24 hours'
        order by hourly.total_engagement desc, hourly.tweet_id desc
        limit {{ var('top_tweets') }}
    ) as found on true
)

select * from final
