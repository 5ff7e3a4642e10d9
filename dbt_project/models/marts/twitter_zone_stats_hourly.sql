-- One row per zone and UTC hour with at least one tweet.
-- Built from int_zone_author_hourly, for the claimed hours.
-- Late data: an hour is summed anew when any of its authors' hours was; is_complete also turns with the clock alone.
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

moment as (
    select state.as_of
    from {{ source('ledger', 'mart_state') }} as state
    where state.model = 'twitter_zone_stats_hourly'
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
        sums.zone_id,
        sums.hour,
        sums.total_tweets,
        sums.unique_authors,
        sums.total_retweets,
        sums.total_replies,
        sums.total_likes,
        sums.total_quotes,
        sums.total_views,
        sums.total_engagement,
        sums.avg_engagement,
        sums.avg_retweets,
        sums.avg_likes,
        sums.tweets_with_media,
        sums.tweets_with_links,
        sums.reply_tweets,
        sums.avg_sentiment,
        sums.hour + interval '1 hour' <= moment.as_of as is_complete,
        moment.as_of
    from sums
    cross join moment
)

select * from final
