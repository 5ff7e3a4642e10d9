-- Whole tables of a zone. Columns are named one by one: a column that a mart gains does not change a file unasked.

-- name: zone_stats_hourly
select
    stats.hour,
    stats.total_tweets,
    stats.unique_authors,
    stats.total_retweets,
    stats.total_replies,
    stats.total_likes,
    stats.total_quotes,
    stats.total_views,
    stats.total_engagement,
    stats.avg_engagement::double precision as avg_engagement,
    stats.avg_retweets::double precision as avg_retweets,
    stats.avg_likes::double precision as avg_likes,
    stats.tweets_with_media,
    stats.tweets_with_links,
    stats.reply_tweets,
    stats.avg_sentiment::double precision as avg_sentiment,
    stats.is_complete
from marts.twitter_zone_stats_hourly as stats
where
    stats.zone_id = %(zone_id)s
    and (%(since)s::timestamptz is null or stats.hour >= %(since)s::timestamptz)
    and (%(until)s::timestamptz is null or stats.hour < %(until)s::timestamptz)
order by stats.hour;

-- name: top_profiles
select
    top.twitter_user_id,
    top.username,
    top.name,
    top.is_verified,
    top.is_blue_verified,
    top.followers_count,
    top.tweet_count,
    top.total_engagement,
    top.avg_engagement::double precision as avg_engagement,
    top.last_tweet_at
from marts.twitter_top_profiles_by_zone as top
where top.zone_id = %(zone_id)s
order by top.profile_id;

-- name: trending_hashtags
select
    trending.hashtag,
    trending.original_hashtag,
    trending.tweet_count_24h,
    trending.unique_authors_24h,
    trending.total_engagement_24h,
    trending.last_used_at
from marts.twitter_trending_hashtags as trending
where trending.zone_id = %(zone_id)s
order by trending.hashtag;

-- name: tweets
select
    links.tweet_id::text as tweet_id,
    tweets.author_profile_id::text as author_twitter_user_id,
    profiles.username as author_username,
    tweets.twitter_created_at,
    tweets.collected_at,
    tweets.text,
    tweets.lang,
    tweets.conversation_id::text as conversation_id,
    tweets.in_reply_to_tweet_id::text as in_reply_to_tweet_id,
    tweets.retweeted_tweet_id::text as retweeted_tweet_id,
    tweets.quoted_tweet_id::text as quoted_tweet_id,
    tweets.has_media,
    tweets.has_links,
    tweets.is_reply,
    metrics.retweet_count,
    metrics.reply_count,
    metrics.like_count,
    metrics.quote_count,
    metrics.view_count,
    metrics.bookmark_count,
    metrics.total_engagement,
    metrics.observed_at
from core.twitter_tweet_zones as links
inner join core.twitter_tweets as tweets on links.tweet_id = tweets.tweet_id
inner join core.twitter_profiles as profiles on tweets.author_profile_id = profiles.twitter_user_id
left join core.twitter_tweet_metrics as metrics on links.tweet_id = metrics.tweet_id
where
    links.zone_id = %(zone_id)s
    and links.suppressed_at is null
    and links.tweet_id >= %(first)s
    and links.tweet_id < %(end)s
    and tweets.tweet_id >= %(first)s
    and tweets.tweet_id < %(end)s
order by links.tweet_id;
