-- One row per zone, window (24h, 7d, 30d) and profile with at least one tweet in it; windows end at as_of.
-- Built from int_zone_author_hourly, for the claimed profiles: 23, 167 or 719 whole hours and the open one up to as_of.
-- Late data: summed anew when one of the profile's hours was; profiles that time alone moves are claimed too (T21).
-- Read by BI tools and the data layer's top users; names are in dim_profile. depends_on: {{ ref('stg_core__zones') }}
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['zone_id', 'time_window', 'profile_id'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with claims as (
    select
        claims.zone_id,
        claims.profile_id
    from {{ source('ledger', 'twitter_top_profiles_by_zone_window__claims') }} as claims
),

authors as (
    select * from {{ ref('int_zone_author_hourly') }}
),

tweets as (
    select * from {{ ref('int_zone_counted_tweets') }}
),

moment as materialized (
    select
        state.as_of,
        date_trunc('hour', state.as_of, 'UTC') as open_hour,
        core.first_tweet_id_of(date_trunc('hour', state.as_of, 'UTC')) as first_tweet_id,
        core.end_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') + interval '1 hour') as end_tweet_id
    from {{ source('ledger', 'mart_state') }} as state
    where state.model = 'twitter_top_profiles_by_zone_window'
),

windows as (
    select
        window_hours.time_window,
        moment.open_hour - window_hours.whole_hours as first_hour
    from moment
    cross join (
        values ('24h', interval '23 hours'), ('7d', interval '167 hours'), ('30d', interval '719 hours')
    ) as window_hours (time_window, whole_hours)
),

-- One claim at a time, by index: a join would read every author's hours for the sake of the claimed ones. The bounds
-- are told as rows, so that only the key serves: the index of hours looked as good to the planner where it knows little
-- of the table, and read every author of an hour for each claim (41 s for the 22,856 authors of one hour).
found_hours as materialized (
    select
        claims.zone_id,
        claims.profile_id,
        found.hour,
        found.tweet_count,
        found.total_engagement,
        found.engagement_known_count,
        found.last_tweet_at,
        found.last_tweet_at > moment.as_of as reaches_beyond
    from claims
    cross join moment
    inner join lateral (
        select
            authors.hour,
            authors.tweet_count,
            authors.total_engagement,
            authors.engagement_known_count,
            authors.last_tweet_at
        from authors
        where
            authors.zone_id = claims.zone_id
            and authors.author_profile_id = claims.profile_id
            and (authors.author_profile_id, authors.zone_id, authors.hour)
            >= (claims.profile_id, claims.zone_id, moment.open_hour - interval '719 hours')
            and (authors.author_profile_id, authors.zone_id, authors.hour)
            <= (claims.profile_id, claims.zone_id, moment.open_hour)
        offset 0
    ) as found on true
),

-- When as_of lies before tweets that are known already, the part of the open hour after it must not count.
open_tweets as (
    select
        found_hours.zone_id,
        found_hours.profile_id,
        found_hours.hour,
        1::bigint as tweet_count,
        found.total_engagement,
        num_nonnulls(found.total_engagement)::bigint as engagement_known_count,
        found.twitter_created_at as last_tweet_at
    from found_hours
    cross join moment
    inner join lateral (
        select
            tweets.total_engagement,
            tweets.twitter_created_at
        from tweets
        where
            tweets.author_profile_id = found_hours.profile_id
            and tweets.tweet_id >= moment.first_tweet_id
            and tweets.tweet_id < moment.end_tweet_id
            and tweets.hour = found_hours.hour
            and tweets.zone_id = found_hours.zone_id
            and tweets.twitter_created_at <= moment.as_of
        offset 0
    ) as found on true
    where found_hours.reaches_beyond
),

parts as (
    select
        found_hours.zone_id,
        found_hours.profile_id,
        found_hours.hour,
        found_hours.tweet_count,
        found_hours.total_engagement,
        found_hours.engagement_known_count,
        found_hours.last_tweet_at
    from found_hours
    where not found_hours.reaches_beyond
    union all
    select * from open_tweets
),

sums as (
    select
        parts.zone_id,
        windows.time_window,
        parts.profile_id,
        sum(parts.tweet_count)::bigint as tweet_count,
        sum(parts.total_engagement)::bigint as total_engagement,
        sum(parts.engagement_known_count) as engagement_known_count,
        max(parts.last_tweet_at) as last_tweet_at
    from parts
    inner join windows on parts.hour >= windows.first_hour
    group by parts.zone_id, windows.time_window, parts.profile_id
),

final as (
    select
        sums.zone_id,
        sums.time_window,
        sums.profile_id,
        sums.profile_id::text as twitter_user_id,
        sums.tweet_count,
        sums.total_engagement,
        round(sums.total_engagement / nullif(sums.engagement_known_count, 0), 18)::numeric(38, 18) as avg_engagement,
        sums.last_tweet_at,
        moment.as_of
    from sums
    cross join moment
)

select * from final
