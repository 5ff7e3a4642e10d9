-- One row per zone and tweet of the last 72 hours that gains engagement: how fast, and whether it still gathers speed.
-- Built as a view from int_zone_top_tweets_hourly and the latest two observations of each of these tweets.
-- Read by BI tools; order by engagement_velocity.
--
-- engagement_velocity = change of the total engagement between the latest two observations / hours between them
-- acceleration = engagement_velocity / (total engagement / hours since the tweet was posted): above 1 it gathers speed
{{ config(materialized='view') }}

with hourly as (
    select * from {{ ref('int_zone_top_tweets_hourly') }}
),

-- Read twice, by tweet: without these words PostgreSQL would read all of it first.
history as not materialized (
    select * from {{ ref('stg_core__twitter_engagement_history') }}
),

tweets as (
    select * from {{ ref('stg_core__twitter_tweets') }}
),

state as (
    select state.as_of
    from {{ source('ledger', 'mart_state') }} as state
    where state.model = 'int_zone_top_tweets_hourly'
),

-- Looked up one tweet at a time: the latest two observations stand at the end of the key.
observed as (
    select
        hourly.zone_id,
        hourly.tweet_id,
        hourly.author_profile_id,
        hourly.twitter_created_at,
        newest.snapshot_at,
        newest.total_engagement,
        (newest.total_engagement - before.total_engagement)
        / (extract(epoch from (newest.snapshot_at - before.snapshot_at)) / 3600) as velocity
    from state
    inner join hourly on state.as_of - interval '72 hours' <= hourly.hour and state.as_of >= hourly.hour
    inner join lateral (
        select
            history.snapshot_at,
            history.total_engagement
        from history
        where history.tweet_id = hourly.tweet_id and history.total_engagement is not null
        order by history.snapshot_at desc
        limit 1
    ) as newest on true
    inner join lateral (
        select
            history.snapshot_at,
            history.total_engagement
        from history
        where
            history.tweet_id = hourly.tweet_id
            and history.total_engagement is not null
            and history.snapshot_at < newest.snapshot_at
        order by history.snapshot_at desc
        limit 1
    ) as before on newest.total_engagement > before.total_engagement
),

final as (
    select
        observed.zone_id,
        observed.tweet_id::text as tweet_id,
        tweets.text,
        observed.author_profile_id::text as author_twitter_user_id,
        observed.twitter_created_at,
        observed.snapshot_at,
        observed.total_engagement,
        round(observed.velocity, 6) as engagement_velocity,
        round(
            observed.velocity
            * extract(epoch from (observed.snapshot_at - observed.twitter_created_at)) / 3600
            / nullif(observed.total_engagement, 0),
            6
        ) as acceleration
    from observed
    inner join tweets on observed.tweet_id = tweets.tweet_id
)

select * from final
