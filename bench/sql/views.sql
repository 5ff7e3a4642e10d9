-- The design document's three materialized views with their indexes, over this project's tables. Repaired where they are
-- not valid SQL or cannot be refreshed concurrently: each has the unique index that REFRESH … CONCURRENTLY needs; the rank
-- of sample tweets is computed before the rows are grouped; the 24 hours end at the same moment as those of the marts.

-- name: views
create schema design_document;
grant usage on schema design_document to public;

create materialized view design_document.twitter_zone_stats_hourly as
select
    links.zone_id,
    date_trunc('hour', tweets.twitter_created_at) as hour,
    count(*) as total_tweets,
    count(distinct tweets.author_profile_id) as unique_authors,
    sum(metrics.retweet_count) as total_retweets,
    sum(metrics.reply_count) as total_replies,
    sum(metrics.like_count) as total_likes,
    sum(metrics.quote_count) as total_quotes,
    sum(metrics.view_count) as total_views,
    sum(metrics.total_engagement) as total_engagement,
    avg(metrics.total_engagement) as avg_engagement,
    avg(metrics.retweet_count) as avg_retweets,
    avg(metrics.like_count) as avg_likes,
    count(*) filter (where tweets.has_media) as tweets_with_media,
    count(*) filter (where tweets.has_links) as tweets_with_links,
    count(*) filter (where tweets.is_reply) as reply_tweets,
    avg(tweets.sentiment_score) as avg_sentiment
from core.twitter_tweets as tweets
inner join core.twitter_tweet_zones as links on tweets.tweet_id = links.tweet_id
left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
group by links.zone_id, date_trunc('hour', tweets.twitter_created_at);
create unique index idx_zone_stats_hourly_zone_hour
    on design_document.twitter_zone_stats_hourly (zone_id, hour desc);
create index idx_zone_stats_hourly_engagement
    on design_document.twitter_zone_stats_hourly (total_engagement desc);

create materialized view design_document.twitter_top_profiles_by_zone as
select
    links.zone_id,
    profiles.twitter_user_id as profile_id,
    profiles.username,
    profiles.name,
    profiles.profile_picture_url,
    profiles.is_verified,
    profiles.is_blue_verified,
    profiles.followers_count,
    count(*) as tweet_count,
    sum(metrics.total_engagement) as total_engagement,
    avg(metrics.total_engagement) as avg_engagement,
    max(tweets.twitter_created_at) as last_tweet_at
from core.twitter_tweets as tweets
inner join core.twitter_tweet_zones as links on tweets.tweet_id = links.tweet_id
inner join core.twitter_profiles as profiles on tweets.author_profile_id = profiles.twitter_user_id
left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
group by
    links.zone_id, profiles.twitter_user_id, profiles.username, profiles.name, profiles.profile_picture_url,
    profiles.is_verified, profiles.is_blue_verified, profiles.followers_count;
create unique index idx_top_profiles_key
    on design_document.twitter_top_profiles_by_zone (zone_id, profile_id);
create index idx_top_profiles_zone_engagement
    on design_document.twitter_top_profiles_by_zone (zone_id, total_engagement desc);
create index idx_top_profiles_zone_tweet_count
    on design_document.twitter_top_profiles_by_zone (zone_id, tweet_count desc);

create materialized view design_document.twitter_trending_hashtags as
select
    ranked.zone_id,
    ranked.hashtag,
    ranked.original_hashtag,
    count(distinct ranked.tweet_id) as tweet_count_24h,
    count(distinct ranked.author_profile_id) as unique_authors_24h,
    sum(ranked.total_engagement) as total_engagement_24h,
    max(ranked.twitter_created_at) as last_used_at,
    array_agg(ranked.text order by ranked.total_engagement desc) filter (where ranked.rank <= 3) as sample_tweets
from (
    select
        links.zone_id,
        entities.entity_normalized as hashtag,
        entities.entity_value as original_hashtag,
        tweets.tweet_id,
        tweets.author_profile_id,
        tweets.twitter_created_at,
        tweets.text,
        metrics.total_engagement,
        row_number() over (
            partition by links.zone_id, entities.entity_normalized, entities.entity_value
            order by metrics.total_engagement desc
        ) as rank
    from core.twitter_entities as entities
    inner join core.twitter_tweets as tweets on entities.tweet_id = tweets.tweet_id
    inner join core.twitter_tweet_zones as links on tweets.tweet_id = links.tweet_id
    left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
    cross join ops.as_of
    where
        entities.entity_type = 'hashtag'
        and tweets.twitter_created_at >= as_of.as_of - interval '24 hours'
) as ranked
group by ranked.zone_id, ranked.hashtag, ranked.original_hashtag;
create unique index idx_trending_hashtags_key
    on design_document.twitter_trending_hashtags (zone_id, hashtag, original_hashtag);
create index idx_trending_hashtags_zone_count
    on design_document.twitter_trending_hashtags (zone_id, tweet_count_24h desc);

analyze;

-- name: twitter_zone_stats_hourly
refresh materialized view concurrently design_document.twitter_zone_stats_hourly;

-- name: twitter_top_profiles_by_zone
refresh materialized view concurrently design_document.twitter_top_profiles_by_zone;

-- name: twitter_trending_hashtags
refresh materialized view concurrently design_document.twitter_trending_hashtags;

-- Both sides must say the same: rows that one has and the other has not, or that differ in their counts.
-- name: differences
select count(*)
from design_document.twitter_top_profiles_by_zone as theirs
full join marts.twitter_top_profiles_by_zone as ours
    on theirs.zone_id = ours.zone_id and theirs.profile_id::text = ours.profile_id::text
where
    (theirs.tweet_count, theirs.total_engagement) is distinct from (ours.tweet_count, ours.total_engagement);
