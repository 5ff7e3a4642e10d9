-- One row per zone and complete hour with at least three earlier days to compare with: how unusual its volume is.
-- Built from twitter_zone_stats_hourly, as a view: as exact as that. The open hour is left out.
-- Read by BI tools; ask for a span of hours.
--
-- score = (tweets - expected) / sqrt(1 + expected + (0.3 * expected)^2)
--
-- The formula of twitter_trending_entities (docs/adr/0011). Expected is the median of the same UTC hour on the 14 days
-- before, so that one odd day does not become the rule. 3 and more, or -3 and less, is an anomaly: twice the usual, or
-- next to nothing.
{{ config(materialized='view') }}

-- Read twice, for the hours that are asked for: without these words PostgreSQL would read all of them first.
with hours as not materialized (
    select * from {{ ref('twitter_zone_stats_hourly') }}
),

compared as (
    select
        hours.zone_id,
        hours.hour,
        hours.total_tweets,
        count(earlier.total_tweets) as day_count,
        percentile_cont(0.5) within group (order by earlier.total_tweets)::numeric as expected
    from hours
    cross join generate_series(1, 14) as days (number)
    inner join hours as earlier
        on hours.zone_id = earlier.zone_id and hours.hour - days.number * interval '24 hours' = earlier.hour
    where hours.is_complete and hours.total_tweets is not null
    group by hours.zone_id, hours.hour, hours.total_tweets
    having count(earlier.total_tweets) >= 3
),

scored as (
    select
        compared.zone_id,
        compared.hour,
        compared.total_tweets,
        round(compared.expected, 6) as expected_tweet_count,
        compared.day_count,
        round(
            (compared.total_tweets - compared.expected)
            / sqrt(1 + compared.expected + power(0.3 * compared.expected, 2)),
            6
        ) as score
    from compared
),

final as (
    select
        scored.zone_id,
        scored.hour,
        scored.total_tweets,
        scored.expected_tweet_count,
        scored.day_count,
        scored.score,
        abs(scored.score) >= 3 as is_anomaly
    from scored
)

select * from final
