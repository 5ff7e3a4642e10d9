-- One row per zone and UTC hour with at least one tweet, or that coverage is known of.
-- Built from int_zone_author_hourly and the coverage, for the claimed hours.
-- Late data: summed anew when any of its authors' hours or its coverage was; is_complete turns with the clock alone.
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

authors as (
    select * from {{ ref('int_zone_author_hourly') }}
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
        claims.zone_id,
        claims.hour,
        sum(authors.tweet_count)::bigint as total_tweets,
        count(*) as unique_authors,
        sum(authors.total_retweets)::bigint as total_retweets,
        sum(authors.total_replies)::bigint as total_replies,
        sum(authors.total_likes)::bigint as total_likes,
        sum(authors.total_quotes)::bigint as total_quotes,
        sum(authors.total_views)::bigint as total_views,
        sum(authors.total_engagement)::bigint as total_engagement,
        round(sum(authors.total_engagement) / nullif(sum(authors.engagement_known_count), 0), 18)::numeric(38, 18)
            as avg_engagement,
        round(sum(authors.total_retweets) / nullif(sum(authors.retweets_known_count), 0), 18)::numeric(38, 18)
            as avg_retweets,
        round(sum(authors.total_likes) / nullif(sum(authors.likes_known_count), 0), 18)::numeric(38, 18)
            as avg_likes,
        sum(authors.tweets_with_media)::bigint as tweets_with_media,
        sum(authors.tweets_with_links)::bigint as tweets_with_links,
        sum(authors.reply_tweets)::bigint as reply_tweets,
        round(sum(authors.sentiment_sum) / nullif(sum(authors.sentiment_count), 0), 18)::numeric(38, 18)
            as avg_sentiment
    from claims
    inner join authors on claims.zone_id = authors.zone_id and claims.hour = authors.hour
    group by claims.zone_id, claims.hour
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
