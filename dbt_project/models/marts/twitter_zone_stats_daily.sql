-- One row per zone and day of the zone's own time zone with at least one tweet, or that coverage is known of.
-- Built from int_zone_author_hourly; hours that a day's bounds cut, in zones half an hour off, from their tweets.
-- Late data: a day is summed anew when any of its hours was, and all days of a zone when its time zone changes.
-- Read by BI tools. Built after the model that marks its buckets. depends_on: {{ ref('twitter_zone_stats_hourly') }}
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['zone_id', 'day'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with zones as (
    select * from {{ ref('stg_core__zones') }}
),

-- Read twice, for the claimed days: without these words PostgreSQL would read all of them first.
authors as not materialized (
    select * from {{ ref('int_zone_author_hourly') }}
),

tweets as (
    select * from {{ ref('int_zone_counted_tweets') }}
),

coverage as (
    select * from {{ ref('stg_ops__zone_hour_coverage') }}
),

moment as (
    select state.as_of
    from {{ source('ledger', 'mart_state') }} as state
    where state.model = 'twitter_zone_stats_daily'
),

claims as materialized (
    select
        claims.zone_id,
        claims.day,
        zones.timezone,
        core.local_day_start(claims.day, zones.timezone) as starts_at,
        core.local_day_start(claims.day + 1, zones.timezone) as ends_at
    from {{ source('ledger', 'twitter_zone_stats_daily__claims') }} as claims
    inner join zones on claims.zone_id = zones.id
),

-- "offset 0" keeps the search one day at a time, by index.
whole_hours as (
    select
        claims.zone_id,
        claims.day,
        found.*
    from claims
    inner join lateral (
        select
            authors.author_profile_id,
            authors.tweet_count,
            authors.tweets_with_media,
            authors.tweets_with_links,
            authors.reply_tweets,
            authors.total_retweets,
            authors.total_replies,
            authors.total_likes,
            authors.total_quotes,
            authors.total_views,
            authors.total_engagement,
            authors.retweets_known_count,
            authors.likes_known_count,
            authors.engagement_known_count,
            authors.sentiment_sum,
            authors.sentiment_count
        from authors
        where
            authors.zone_id = claims.zone_id
            and authors.hour >= claims.starts_at
            and authors.hour <= claims.ends_at - interval '1 hour'
        offset 0
    ) as found on true
),

cut_hours as materialized (
    select
        claims.zone_id,
        claims.day,
        claims.starts_at,
        claims.ends_at,
        bounds.hour,
        core.first_tweet_id_of(bounds.hour) as first_tweet_id,
        core.end_tweet_id_of(bounds.hour + interval '1 hour') as end_tweet_id
    from claims
    inner join lateral unnest(array[
        date_trunc('hour', claims.starts_at, 'UTC'), date_trunc('hour', claims.ends_at, 'UTC')
    ]) as bounds (hour) on bounds.hour not in (claims.starts_at, claims.ends_at)
),

cut_tweets as (
    select
        cut_hours.zone_id,
        cut_hours.day,
        cut_authors.author_profile_id,
        1::bigint as tweet_count,
        found.has_media::integer::bigint as tweets_with_media,
        found.has_links::integer::bigint as tweets_with_links,
        found.is_reply::integer::bigint as reply_tweets,
        found.retweet_count as total_retweets,
        found.reply_count as total_replies,
        found.like_count as total_likes,
        found.quote_count as total_quotes,
        found.view_count as total_views,
        found.total_engagement,
        num_nonnulls(found.retweet_count)::bigint as retweets_known_count,
        num_nonnulls(found.like_count)::bigint as likes_known_count,
        num_nonnulls(found.total_engagement)::bigint as engagement_known_count,
        found.sentiment_score as sentiment_sum,
        num_nonnulls(found.sentiment_score)::bigint as sentiment_count
    from cut_hours
    inner join lateral (
        select authors.author_profile_id
        from authors
        where authors.zone_id = cut_hours.zone_id and authors.hour = cut_hours.hour
        offset 0
    ) as cut_authors on true
    inner join lateral (
        select tweets.*
        from tweets
        where
            tweets.author_profile_id = cut_authors.author_profile_id
            and tweets.tweet_id >= cut_hours.first_tweet_id
            and tweets.tweet_id < cut_hours.end_tweet_id
            and tweets.hour = cut_hours.hour
            and tweets.zone_id = cut_hours.zone_id
            and tweets.twitter_created_at >= cut_hours.starts_at
            and tweets.twitter_created_at < cut_hours.ends_at
        offset 0
    ) as found on true
),

parts as (
    select * from whole_hours
    union all
    select * from cut_tweets
),

sums as (
    select
        parts.zone_id,
        parts.day,
        sum(parts.tweet_count)::bigint as total_tweets,
        count(distinct parts.author_profile_id) as unique_authors,
        sum(parts.total_retweets)::bigint as total_retweets,
        sum(parts.total_replies)::bigint as total_replies,
        sum(parts.total_likes)::bigint as total_likes,
        sum(parts.total_quotes)::bigint as total_quotes,
        sum(parts.total_views)::bigint as total_views,
        sum(parts.total_engagement)::bigint as total_engagement,
        round(sum(parts.total_engagement) / nullif(sum(parts.engagement_known_count), 0), 18)::numeric(38, 18)
            as avg_engagement,
        round(sum(parts.total_retweets) / nullif(sum(parts.retweets_known_count), 0), 18)::numeric(38, 18)
            as avg_retweets,
        round(sum(parts.total_likes) / nullif(sum(parts.likes_known_count), 0), 18)::numeric(38, 18) as avg_likes,
        sum(parts.tweets_with_media)::bigint as tweets_with_media,
        sum(parts.tweets_with_links)::bigint as tweets_with_links,
        sum(parts.reply_tweets)::bigint as reply_tweets,
        round(sum(parts.sentiment_sum) / nullif(sum(parts.sentiment_count), 0), 18)::numeric(38, 18) as avg_sentiment
    from parts
    group by parts.zone_id, parts.day
),

-- Of an hour that the day's bounds cut, its share counts.
listened as (
    select
        claims.zone_id,
        claims.day,
        count(found.hour) > 0 as is_known,
        round(coalesce(sum(found.covered_seconds * found.share), 0) / 3600, 4)::numeric(8, 4) as hours_covered,
        case when bool_or(found.is_covered) then 0 end as none
    from claims
    left join lateral (
        select
            coverage.hour,
            coverage.is_covered,
            coverage.covered_seconds,
            extract(epoch from (
                least(coverage.hour + interval '1 hour', claims.ends_at) - greatest(coverage.hour, claims.starts_at)
            )) / 3600 as share
        from coverage
        where
            coverage.zone_id = claims.zone_id
            and coverage.hour > claims.starts_at - interval '1 hour'
            and coverage.hour < claims.ends_at
        offset 0
    ) as found on true
    group by claims.zone_id, claims.day
),

final as (
    select
        claims.zone_id,
        claims.day,
        claims.starts_at,
        claims.ends_at,
        claims.timezone,
        round(extract(epoch from (claims.ends_at - claims.starts_at)) / 3600, 4)::numeric(8, 4) as hours_long,
        listened.hours_covered,
        case when sums.day is null then listened.none else sums.total_tweets end as total_tweets,
        case when sums.day is null then listened.none else sums.unique_authors end as unique_authors,
        case when sums.day is null then listened.none else sums.total_retweets end as total_retweets,
        case when sums.day is null then listened.none else sums.total_replies end as total_replies,
        case when sums.day is null then listened.none else sums.total_likes end as total_likes,
        case when sums.day is null then listened.none else sums.total_quotes end as total_quotes,
        case when sums.day is null then listened.none else sums.total_views end as total_views,
        case when sums.day is null then listened.none else sums.total_engagement end as total_engagement,
        sums.avg_engagement,
        sums.avg_retweets,
        sums.avg_likes,
        case when sums.day is null then listened.none else sums.tweets_with_media end as tweets_with_media,
        case when sums.day is null then listened.none else sums.tweets_with_links end as tweets_with_links,
        case when sums.day is null then listened.none else sums.reply_tweets end as reply_tweets,
        sums.avg_sentiment,
        claims.ends_at <= moment.as_of as is_complete,
        moment.as_of
    from claims
    cross join moment
    inner join listened on claims.zone_id = listened.zone_id and claims.day = listened.day
    left join sums on claims.zone_id = sums.zone_id and claims.day = sums.day
    where listened.is_known or sums.zone_id is not null
)

select * from final
