-- The two hourly tables of the marts, counted in one pass instead of bucket by bucket: what a long history left behind
-- by the time that the measurement begins. Everything above them is marked, and built by the marts' own builds.

-- name: authors
insert into intermediate.int_zone_author_hourly (
    zone_id, hour, author_profile_id, tweet_count, tweets_with_media, tweets_with_links, reply_tweets, total_retweets,
    total_replies, total_likes, total_quotes, total_views, total_bookmarks, total_engagement, retweets_known_count,
    likes_known_count, engagement_known_count, sentiment_sum, sentiment_count, last_tweet_at, last_tweet_id,
    top_engagement, top_tweet_id
)
select
    links.zone_id,
    date_trunc('hour', tweets.twitter_created_at, 'UTC'),
    tweets.author_profile_id,
    count(*),
    count(*) filter (where tweets.has_media),
    count(*) filter (where tweets.has_links),
    count(*) filter (where tweets.is_reply),
    sum(metrics.retweet_count)::bigint,
    sum(metrics.reply_count)::bigint,
    sum(metrics.like_count)::bigint,
    sum(metrics.quote_count)::bigint,
    sum(metrics.view_count)::bigint,
    sum(metrics.bookmark_count)::bigint,
    sum(metrics.total_engagement)::bigint,
    count(metrics.retweet_count),
    count(metrics.like_count),
    count(metrics.total_engagement),
    sum(tweets.sentiment_score),
    count(tweets.sentiment_score),
    max(tweets.twitter_created_at),
    max(tweets.tweet_id),
    (max(array[metrics.total_engagement, tweets.tweet_id]) filter (where metrics.total_engagement is not null))[1],
    (max(array[metrics.total_engagement, tweets.tweet_id]) filter (where metrics.total_engagement is not null))[2]
from core.twitter_tweets as tweets
inner join core.twitter_tweet_zones as links on tweets.tweet_id = links.tweet_id
left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
group by links.zone_id, date_trunc('hour', tweets.twitter_created_at, 'UTC'), tweets.author_profile_id;

-- name: tags
insert into intermediate.int_zone_tag_author_hourly (
    zone_id, hashtag, hour, author_profile_id, original_hashtag, tweet_count, total_engagement, last_used_at,
    top_tweet_ids, top_tweet_engagements
)
select
    links.zone_id,
    entities.hashtag,
    date_trunc('hour', tweets.twitter_created_at, 'UTC'),
    tweets.author_profile_id,
    entities.original_hashtag,
    count(*),
    sum(metrics.total_engagement)::bigint,
    max(tweets.twitter_created_at),
    (array_agg(tweets.tweet_id order by metrics.total_engagement desc nulls last, tweets.tweet_id desc))[1:3],
    (array_agg(metrics.total_engagement order by metrics.total_engagement desc nulls last, tweets.tweet_id desc))[1:3]
from (
    select distinct
        entities.tweet_id,
        entities.entity_normalized as hashtag,
        entities.entity_value as original_hashtag
    from core.twitter_entities as entities
    where entities.entity_type = 'hashtag'
) as entities
inner join core.twitter_tweets as tweets on entities.tweet_id = tweets.tweet_id
inner join core.twitter_tweet_zones as links on entities.tweet_id = links.tweet_id
left join core.twitter_tweet_metrics as metrics on entities.tweet_id = metrics.tweet_id
group by
    links.zone_id, entities.hashtag, date_trunc('hour', tweets.twitter_created_at, 'UTC'), tweets.author_profile_id,
    entities.original_hashtag;

-- name: marks
with totals as (
    insert into ops.int_zone_author_totals__marks (zone_id, author_profile_id)
    select distinct hours.zone_id, hours.author_profile_id
    from intermediate.int_zone_author_hourly as hours
),

windows as (
    insert into ops.int_zone_tag_window__marks (zone_id, hashtag)
    select distinct hours.zone_id, hours.hashtag
    from intermediate.int_zone_tag_author_hourly as hours
    where hours.hour >= %(as_of)s::timestamptz - interval '25 hours'
)

insert into ops.twitter_zone_stats_hourly__marks (zone_id, hour)
select distinct hours.zone_id, hours.hour
from intermediate.int_zone_author_hourly as hours;
