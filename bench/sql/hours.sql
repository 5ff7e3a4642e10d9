-- What the marts are summed from, counted in one pass instead of tweet by tweet: what a long history has left behind
-- when the measurement begins. Everything above is marked, and built by the marts' own builds.

-- name: tweets
insert into intermediate.int_zone_counted_tweets (
    zone_id, tweet_id, author_profile_id, twitter_created_at, hour, has_media, has_links, is_reply, sentiment_score,
    retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count, total_engagement,
    hashtags, original_hashtags, mentions, link_hosts
)
select
    links.zone_id,
    tweets.tweet_id,
    tweets.author_profile_id,
    tweets.twitter_created_at,
    date_trunc('hour', tweets.twitter_created_at, 'UTC'),
    tweets.has_media,
    tweets.has_links,
    tweets.is_reply,
    tweets.sentiment_score,
    metrics.retweet_count,
    metrics.reply_count,
    metrics.like_count,
    metrics.quote_count,
    metrics.view_count,
    metrics.bookmark_count,
    metrics.total_engagement,
    coalesce(tags.hashtags, '{}'),
    coalesce(tags.original_hashtags, '{}'),
    '{}',
    '{}'
from core.twitter_tweets as tweets
inner join core.twitter_tweet_zones as links on tweets.tweet_id = links.tweet_id
left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
left join (
    select
        entities.tweet_id,
        array_agg(entities.hashtag order by entities.hashtag) as hashtags,
        array_agg(entities.original_hashtag order by entities.hashtag) as original_hashtags
    from (
        select distinct
            entities.tweet_id,
            entities.entity_normalized as hashtag,
            entities.entity_value as original_hashtag
        from core.twitter_entities as entities
        where entities.entity_type = 'hashtag'
    ) as entities
    group by entities.tweet_id
) as tags on tweets.tweet_id = tags.tweet_id
order by tweets.tweet_id;

-- name: authors
insert into intermediate.int_zone_author_hourly (
    zone_id, hour, author_profile_id, tweet_count, tweets_with_media, tweets_with_links, reply_tweets, total_retweets,
    total_replies, total_likes, total_quotes, total_views, total_bookmarks, total_engagement, retweets_known_count,
    replies_known_count, likes_known_count, quotes_known_count, views_known_count, bookmarks_known_count,
    engagement_known_count, sentiment_sum, sentiment_count, last_tweet_at, last_tweet_id,
    top_engagement, top_tweet_id
)
select
    counted.zone_id,
    counted.hour,
    counted.author_profile_id,
    count(*),
    count(*) filter (where counted.has_media),
    count(*) filter (where counted.has_links),
    count(*) filter (where counted.is_reply),
    sum(counted.retweet_count)::bigint,
    sum(counted.reply_count)::bigint,
    sum(counted.like_count)::bigint,
    sum(counted.quote_count)::bigint,
    sum(counted.view_count)::bigint,
    sum(counted.bookmark_count)::bigint,
    sum(counted.total_engagement)::bigint,
    count(counted.retweet_count),
    count(counted.reply_count),
    count(counted.like_count),
    count(counted.quote_count),
    count(counted.view_count),
    count(counted.bookmark_count),
    count(counted.total_engagement),
    sum(counted.sentiment_score),
    count(counted.sentiment_score),
    max(counted.twitter_created_at),
    max(counted.tweet_id),
    (max(array[counted.total_engagement, counted.tweet_id]) filter (where counted.total_engagement is not null))[1],
    (max(array[counted.total_engagement, counted.tweet_id]) filter (where counted.total_engagement is not null))[2]
from intermediate.int_zone_counted_tweets as counted
group by counted.zone_id, counted.hour, counted.author_profile_id;

-- name: tags
insert into intermediate.int_zone_tag_author_hourly (
    zone_id, hashtag, hour, author_profile_id, original_hashtag, tweet_count, total_engagement, last_used_at
)
select
    counted.zone_id,
    used.hashtag,
    counted.hour,
    counted.author_profile_id,
    used.original_hashtag,
    count(*),
    sum(counted.total_engagement)::bigint,
    max(counted.twitter_created_at)
from intermediate.int_zone_counted_tweets as counted
cross join lateral unnest(counted.hashtags, counted.original_hashtags) as used (hashtag, original_hashtag)
group by counted.zone_id, used.hashtag, counted.hour, counted.author_profile_id, used.original_hashtag;

-- name: marks
with profiles as (
    insert into ops.twitter_top_profiles_by_zone__marks (zone_id, profile_id)
    select distinct hours.zone_id, hours.author_profile_id
    from intermediate.int_zone_author_hourly as hours
),

windows as (
    insert into ops.int_zone_tag_author_window__marks (zone_id, hashtag, author_profile_id)
    select distinct
        counted.zone_id,
        unnest(counted.hashtags),
        counted.author_profile_id
    from intermediate.int_zone_counted_tweets as counted
    where counted.hour >= %(as_of)s::timestamptz - interval '25 hours'
),

tags as (
    insert into ops.twitter_trending_hashtags__marks (zone_id, hashtag)
    select distinct
        counted.zone_id,
        unnest(counted.hashtags)
    from intermediate.int_zone_counted_tweets as counted
    where counted.hour >= %(as_of)s::timestamptz - interval '25 hours'
)

insert into ops.int_zone_hourly__marks (zone_id, hour)
select distinct hours.zone_id, hours.hour
from intermediate.int_zone_author_hourly as hours;
