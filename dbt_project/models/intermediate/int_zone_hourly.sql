-- One row per zone and UTC hour with at least one tweet: what the hours of its authors add up to.
-- Built from int_zone_author_hourly: triggers there carry every change over as a difference (new - old), in the same
-- transaction; this query is what they keep true, and builds the buckets that are marked: all at first, and wrong ones.
-- Late data: an author's hour that changes changes the zone's hour in the same transaction.
-- Read by twitter_zone_stats_hourly.
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
    from {{ source('ledger', 'int_zone_hourly__claims') }} as claims
),

authors as (
    select * from {{ ref('int_zone_author_hourly') }}
),

final as (
    select
        claims.zone_id,
        claims.hour,
        count(*) as author_count,
        sum(authors.tweet_count)::bigint as tweet_count,
        sum(authors.tweets_with_media)::bigint as tweets_with_media,
        sum(authors.tweets_with_links)::bigint as tweets_with_links,
        sum(authors.reply_tweets)::bigint as reply_tweets,
        coalesce(sum(authors.total_retweets), 0)::bigint as known_retweets,
        coalesce(sum(authors.total_replies), 0)::bigint as known_replies,
        coalesce(sum(authors.total_likes), 0)::bigint as known_likes,
        coalesce(sum(authors.total_quotes), 0)::bigint as known_quotes,
        coalesce(sum(authors.total_views), 0)::bigint as known_views,
        coalesce(sum(authors.total_bookmarks), 0)::bigint as known_bookmarks,
        coalesce(sum(authors.total_engagement), 0)::bigint as known_engagement,
        sum(authors.retweets_known_count)::bigint as retweets_known_count,
        sum(authors.replies_known_count)::bigint as replies_known_count,
        sum(authors.likes_known_count)::bigint as likes_known_count,
        sum(authors.quotes_known_count)::bigint as quotes_known_count,
        sum(authors.views_known_count)::bigint as views_known_count,
        sum(authors.bookmarks_known_count)::bigint as bookmarks_known_count,
        sum(authors.engagement_known_count)::bigint as engagement_known_count,
        coalesce(sum(authors.sentiment_sum), 0) as sentiment_sum,
        sum(authors.sentiment_count)::bigint as sentiment_count
    from claims
    inner join authors on claims.zone_id = authors.zone_id and claims.hour = authors.hour
    group by claims.zone_id, claims.hour
)

select * from final
