-- One row per tweet and observation of its counters: how many, and how fast they grew since the observation before.
-- Built from the engagement history, as a view: an observation that comes late takes its place.
-- Read by BI tools; ask for a tweet_id.
--
-- engagement_velocity = change of the total engagement since the observation before / hours between the two
{{ config(materialized='view') }}

with history as (
    select * from {{ ref('stg_core__twitter_engagement_history') }}
),

tweets as (
    select * from {{ ref('stg_core__twitter_tweets') }}
),

changes as (
    select
        history.tweet_id,
        history.snapshot_at,
        history.retweet_count,
        history.reply_count,
        history.like_count,
        history.quote_count,
        history.view_count,
        history.total_engagement,
        history.total_engagement - lag(history.total_engagement) over by_time as delta_engagement,
        extract(epoch from (history.snapshot_at - lag(history.snapshot_at) over by_time)) / 3600 as hours_since
    from history
    window by_time as (partition by history.tweet_id order by history.snapshot_at)
),

final as (
    select
        changes.tweet_id,
        changes.tweet_id::text as twitter_tweet_id,
        changes.snapshot_at,
        round(extract(epoch from (changes.snapshot_at - tweets.twitter_created_at)) / 3600, 4) as age_hours,
        changes.retweet_count,
        changes.reply_count,
        changes.like_count,
        changes.quote_count,
        changes.view_count,
        changes.total_engagement,
        changes.delta_engagement,
        round(changes.delta_engagement / nullif(changes.hours_since, 0), 6) as engagement_velocity
    from changes
    inner join tweets on changes.tweet_id = tweets.tweet_id
)

select * from final
