-- One row per zone, hashtag, mention or link host, and window (1h, 6h, 24h, 7d) with at least three tweets in it.
-- Built from int_zone_entity_author_hourly, for the claimed values. Windows end at the latest ten-minute mark at as_of.
-- Late data: summed anew when a bucket with the value was; values that time alone moves are claimed too (T21).
-- Read by BI tools and the data layer's trending. docs/adr/0011 explains the windows and the score.
--
-- score = (tweets - expected) / sqrt(1 + expected + (0.3 * expected)^2) * (1 - share of the loudest author)
--
-- That is how far a count exceeds its expectation, in standard deviations, as outbreaks of diseases are found
-- (Farrington et al. 1996, Noufaily et al. 2013). The variance is that of a negative binomial: a Poisson count's, and
-- the 30 % by which busy tags differ from day to day anyway. So what keeps within L times its baseline never exceeds
-- (L - 1) / 0.3, however large it is: 5,000 a day that become 6,000 score 0.7, 3 that become 60 score 26. The 1 smooths
-- what was never seen before. One author alone scores 0.
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['zone_id', 'entity_type', 'time_window', 'entity_value'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with claims as (
    select
        claims.zone_id,
        claims.entity_type,
        claims.entity_value
    from {{ source('ledger', 'twitter_trending_entities__claims') }} as claims
),

author_hours as (
    select * from {{ ref('int_zone_entity_author_hourly') }}
),

moment as materialized (
    select
        state.as_of,
        date_bin('10 minutes', state.as_of, timestamptz '2000-01-01 00:00:00+00') as end_slot
    from {{ source('ledger', 'mart_state') }} as state
    where state.model = 'twitter_trending_entities'
),

-- The baseline of windows up to a day is the seven days before the latest one; of seven days, the seven before those.
windows as materialized (
    select
        sizes.time_window,
        moment.end_slot - sizes.size as first_slot,
        moment.end_slot - sizes.baseline_ago as first_baseline_slot,
        moment.end_slot - sizes.baseline_ago + interval '7 days' as end_baseline_slot,
        sizes.share_of_baseline
    from moment
    cross join (
        values
        ('1h', interval '1 hour', interval '8 days', 1 / 168.0),
        ('6h', interval '6 hours', interval '8 days', 6 / 168.0),
        ('24h', interval '24 hours', interval '8 days', 24 / 168.0),
        ('7d', interval '7 days', interval '14 days', 1.0)
    ) as sizes (time_window, size, baseline_ago, share_of_baseline)
),

-- One claim at a time, by index: a join would read every value's uses for the sake of the claimed ones.
uses as materialized (
    select
        claims.zone_id,
        claims.entity_type,
        claims.entity_value,
        found.slot,
        found.author_profile_id,
        found.tweet_count
    from claims
    cross join moment
    inner join lateral (
        select
            author_hours.slot,
            author_hours.author_profile_id,
            author_hours.tweet_count
        from author_hours
        where
            author_hours.zone_id = claims.zone_id
            and author_hours.entity_type = claims.entity_type
            and author_hours.entity_value = claims.entity_value
            and author_hours.slot >= moment.end_slot - interval '14 days'
            and author_hours.slot < moment.end_slot
        offset 0
    ) as found on true
),

by_author as (
    select
        uses.zone_id,
        uses.entity_type,
        uses.entity_value,
        windows.time_window,
        uses.author_profile_id,
        sum(uses.tweet_count) as tweet_count,
        min(uses.slot) as started_at
    from uses
    inner join windows on uses.slot >= windows.first_slot
    group by uses.zone_id, uses.entity_type, uses.entity_value, windows.time_window, uses.author_profile_id
),

counted as (
    select
        by_author.zone_id,
        by_author.entity_type,
        by_author.entity_value,
        by_author.time_window,
        sum(by_author.tweet_count)::bigint as tweet_count,
        count(*) as unique_authors,
        round(max(by_author.tweet_count) / sum(by_author.tweet_count), 6) as loudest_author_share,
        min(by_author.started_at) as started_at
    from by_author
    group by by_author.zone_id, by_author.entity_type, by_author.entity_value, by_author.time_window
    having sum(by_author.tweet_count) >= 3
),

by_slot as (
    select
        uses.zone_id,
        uses.entity_type,
        uses.entity_value,
        uses.slot,
        sum(uses.tweet_count) as tweet_count
    from uses
    group by uses.zone_id, uses.entity_type, uses.entity_value, uses.slot
),

-- Of ten minutes that are equally busy, the latest.
peaks as (
    select
        by_slot.zone_id,
        by_slot.entity_type,
        by_slot.entity_value,
        windows.time_window,
        (array_agg(by_slot.slot order by by_slot.tweet_count desc, by_slot.slot desc))[1] as peaked_at
    from by_slot
    inner join windows on by_slot.slot >= windows.first_slot
    group by by_slot.zone_id, by_slot.entity_type, by_slot.entity_value, windows.time_window
),

baselines as (
    select
        by_slot.zone_id,
        by_slot.entity_type,
        by_slot.entity_value,
        windows.time_window,
        sum(by_slot.tweet_count) * windows.share_of_baseline as expected
    from by_slot
    inner join windows on by_slot.slot >= windows.first_baseline_slot and by_slot.slot < windows.end_baseline_slot
    group by by_slot.zone_id, by_slot.entity_type, by_slot.entity_value, windows.time_window, windows.share_of_baseline
),

compared as (
    select
        counted.zone_id,
        counted.entity_type,
        counted.entity_value,
        counted.time_window,
        counted.tweet_count,
        counted.unique_authors,
        counted.loudest_author_share,
        round(coalesce(baselines.expected, 0), 6) as expected_tweet_count,
        counted.started_at,
        peaks.peaked_at,
        baselines.expected is null as is_new
    from counted
    inner join peaks
        on
            counted.zone_id = peaks.zone_id
            and counted.entity_type = peaks.entity_type
            and counted.entity_value = peaks.entity_value
            and counted.time_window = peaks.time_window
    left join baselines
        on
            counted.zone_id = baselines.zone_id
            and counted.entity_type = baselines.entity_type
            and counted.entity_value = baselines.entity_value
            and counted.time_window = baselines.time_window
),

final as (
    select
        compared.zone_id,
        compared.entity_type,
        compared.time_window,
        compared.entity_value,
        compared.tweet_count,
        compared.unique_authors,
        compared.loudest_author_share::numeric(9, 6) as loudest_author_share,
        compared.expected_tweet_count::numeric(38, 6) as expected_tweet_count,
        round((compared.tweet_count + 1) / (compared.expected_tweet_count + 1), 6)::numeric(38, 6) as lift,
        round(
            (compared.tweet_count - compared.expected_tweet_count)
            / sqrt(1 + compared.expected_tweet_count + power(0.3 * compared.expected_tweet_count, 2))
            * (1 - compared.loudest_author_share),
            6
        )::numeric(38, 6) as score,
        compared.started_at,
        compared.peaked_at,
        compared.is_new,
        moment.as_of
    from compared
    cross join moment
)

select * from final
