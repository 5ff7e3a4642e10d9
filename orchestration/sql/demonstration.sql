-- What the demo prints.

-- name: top_hours
select
    zones.name as zone,
    to_char(latest.hour, 'YYYY-MM-DD HH24:MI') as hour,
    latest.total_tweets,
    latest.unique_authors,
    latest.total_engagement,
    round(latest.avg_engagement, 2) as avg_engagement,
    latest.tweets_with_media,
    latest.tweets_with_links,
    latest.reply_tweets
from core.zones
inner join lateral (
    select hours.*
    from marts.twitter_zone_stats_hourly as hours
    where hours.zone_id = zones.id and hours.is_complete and hours.total_tweets > 0
    order by hours.hour desc
    limit 1
) as latest on true
order by zones.name;

-- name: top_profiles
select
    zones.name as zone,
    top.username,
    top.followers_count,
    top.tweet_count,
    top.total_engagement,
    round(top.avg_engagement, 2) as avg_engagement,
    to_char(top.last_tweet_at, 'YYYY-MM-DD HH24:MI') as last_tweet_at
from core.zones
inner join lateral (
    select profiles.*
    from marts.twitter_top_profiles_by_zone as profiles
    where profiles.zone_id = zones.id
    order by profiles.total_engagement desc nulls last, profiles.profile_id
    limit 3
) as top on true
order by zones.name, top.total_engagement desc nulls last, top.profile_id;

-- name: trending
select
    zones.name as zone,
    top.original_hashtag as hashtag,
    top.tweet_count_24h,
    top.unique_authors_24h,
    top.total_engagement_24h,
    to_char(top.last_used_at, 'YYYY-MM-DD HH24:MI') as last_used_at
from core.zones
inner join lateral (
    select tags.*
    from marts.twitter_trending_hashtags as tags
    where tags.zone_id = zones.id
    order by tags.tweet_count_24h desc, tags.hashtag
    limit 3
) as top on true
order by zones.name, top.tweet_count_24h desc, top.hashtag;

-- name: checks
select
    sum(accounting.item_count) as accepted_items,
    sum(accounting.normalised_count) as normalised,
    sum(accounting.duplicate_count) as duplicate,
    sum(accounting.control_count) as control,
    sum(accounting.dead_count) as dead,
    (select count(*) from raw.delivery_queue) as waiting_deliveries,
    (select count(*) from core.twitter_tweets) as tweets_in_core,
    (select count(*) from core.twitter_profiles) as profiles_in_core
from ops.delivery_accounting as accounting;
