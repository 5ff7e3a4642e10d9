-- One row per zone and UTC hour with at least one tweet, or that coverage is known of.
-- Built from int_zone_hourly and the coverage, for the claimed hours.
-- Late data: built anew when what the hour adds up to or its coverage changed; is_complete turns with the clock alone.
-- Read by BI tools (volume and engagement over time) and the data layer's analytics.
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['zone_id', 'hour'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with claims as (
    select
        claims.zone_id,
        claims.hour
    from {{ source('ledger', 'twitter_zone_stats_hourly__claims') }} as claims
),

hours as (
    select * from {{ ref('int_zone_hourly') }}
),

coverage as (
    select * from {{ ref('stg_ops__zone_hour_coverage') }}
),

moment as (
    select state.as_of
    from {{ source('ledger', 'mart_state') }} as state
    where state.model = 'twitter_zone_stats_hourly'
),

-- An hour without tweets has none where somebody listened, and says nothing where nobody did.
listened as (
    select
        claims.zone_id,
        claims.hour,
        coalesce(coverage.is_covered, false) as is_covered,
        coalesce(coverage.covered_seconds, 0) as covered_seconds,
        coverage.zone_id is not null as is_known,
        case when coverage.is_covered then 0 end as none
    from claims
    left join coverage on claims.zone_id = coverage.zone_id and claims.hour = coverage.hour
),

sums as (
    select
        hours.zone_id,
        hours.hour,
        hours.tweet_count as total_tweets,
        hours.author_count as unique_authors,
        case when hours.retweets_known_count > 0 then hours.known_retweets end as total_retweets,
        case when hours.replies_known_count > 0 then hours.known_replies end as total_replies,
        case when hours.likes_known_count > 0 then hours.known_likes end as total_likes,
        case when hours.quotes_known_count > 0 then hours.known_quotes end as total_quotes,
        case when hours.views_known_count > 0 then hours.known_views end as total_views,
        case when hours.engagement_known_count > 0 then hours.known_engagement end as total_engagement,
        round(hours.known_engagement::numeric / nullif(hours.engagement_known_count, 0), 18)::numeric(38, 18)
            as avg_engagement,
        round(hours.known_retweets::numeric / nullif(hours.retweets_known_count, 0), 18)::numeric(38, 18)
            as avg_retweets,
        round(hours.known_likes::numeric / nullif(hours.likes_known_count, 0), 18)::numeric(38, 18) as avg_likes,
        hours.tweets_with_media,
        hours.tweets_with_links,
        hours.reply_tweets,
        round(hours.sentiment_sum / nullif(hours.sentiment_count, 0), 18)::numeric(38, 18) as avg_sentiment
    from claims
    inner join hours on claims.zone_id = hours.zone_id and claims.hour = hours.hour
),

final as (
    select
        listened.zone_id,
        listened.hour,
        case when sums.zone_id is null then listened.none else sums.total_tweets end as total_tweets,
        case when sums.zone_id is null then listened.none else sums.unique_authors end as unique_authors,
        case when sums.zone_id is null then listened.none else sums.total_retweets end as total_retweets,
        case when sums.zone_id is null then listened.none else sums.total_replies end as total_replies,
        case when sums.zone_id is null then listened.none else sums.total_likes end as total_likes,
        case when sums.zone_id is null then listened.none else sums.total_quotes end as total_quotes,
        case when sums.zone_id is null then listened.none else sums.total_views end as total_views,
        case when sums.zone_id is null then listened.none else sums.total_engagement end as total_engagement,
        sums.avg_engagement,
        sums.avg_retweets,
        sums.avg_likes,
        case when sums.zone_id is null then listened.none else sums.tweets_with_media end as tweets_with_media,
        case when sums.zone_id is null then listened.none else sums.tweets_with_links end as tweets_with_links,
        case when sums.zone_id is null then listened.none else sums.reply_tweets end as reply_tweets,
        sums.avg_sentiment,
        listened.hour + interval '1 hour' <= moment.as_of as is_complete,
        moment.as_of,
        listened.is_covered,
        listened.covered_seconds
    from listened
    cross join moment
    left join sums on listened.zone_id = sums.zone_id and listened.hour = sums.hour
    where listened.is_known or sums.zone_id is not null
)

select * from final
