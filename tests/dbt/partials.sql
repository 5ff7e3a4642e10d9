-- What the partials must hold, counted from core with nothing in between: rows that one side has and the other has not.

-- name: int_zone_counted_tweets
with valued as (
    select
        entities.*,
        case entities.entity_type when 'url' then entities.url_host else entities.entity_normalized end as value
    from core.twitter_entities as entities
),

named as (
    select distinct on (valued.tweet_id, valued.entity_type, valued.value)
        valued.tweet_id,
        valued.entity_type,
        valued.value,
        valued.entity_value as spelling
    from valued
    where valued.value is not null
    order by
        valued.tweet_id, valued.entity_type, valued.value, valued.start_index nulls last, valued.ordinal
),

lists as (
    select
        named.tweet_id,
        array_agg(named.value order by named.value) filter (where named.entity_type = 'hashtag') as hashtags,
        array_agg(named.spelling order by named.value) filter (where named.entity_type = 'hashtag')
            as original_hashtags,
        array_agg(named.value order by named.value) filter (where named.entity_type = 'mention') as mentions,
        array_agg(named.value order by named.value) filter (where named.entity_type = 'url') as link_hosts
    from named
    group by named.tweet_id
),

expected as (
    select
        links.zone_id,
        tweets.tweet_id,
        tweets.author_profile_id,
        tweets.twitter_created_at,
        date_trunc('hour', tweets.twitter_created_at, 'UTC') as hour,
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
        coalesce(lists.hashtags, '{}') as hashtags,
        coalesce(lists.original_hashtags, '{}') as original_hashtags,
        coalesce(lists.mentions, '{}') as mentions,
        coalesce(lists.link_hosts, '{}') as link_hosts
    from core.twitter_tweets as tweets
    inner join core.twitter_tweet_zones as links on tweets.tweet_id = links.tweet_id
    left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
    left join lists on tweets.tweet_id = lists.tweet_id
    where tweets.suppressed_at is null and links.suppressed_at is null
)

(select * from expected except all select * from intermediate.int_zone_counted_tweets)
union all
(select * from intermediate.int_zone_counted_tweets except all select * from expected);

-- name: int_zone_author_hourly
with expected as (
    select
        links.zone_id,
        date_trunc('hour', tweets.twitter_created_at, 'UTC') as hour,
        tweets.author_profile_id,
        count(*) as tweet_count,
        count(*) filter (where tweets.has_media) as tweets_with_media,
        count(*) filter (where tweets.has_links) as tweets_with_links,
        count(*) filter (where tweets.is_reply) as reply_tweets,
        sum(metrics.retweet_count)::bigint as total_retweets,
        sum(metrics.reply_count)::bigint as total_replies,
        sum(metrics.like_count)::bigint as total_likes,
        sum(metrics.quote_count)::bigint as total_quotes,
        sum(metrics.view_count)::bigint as total_views,
        sum(metrics.bookmark_count)::bigint as total_bookmarks,
        sum(metrics.total_engagement)::bigint as total_engagement,
        count(metrics.retweet_count) as retweets_known_count,
        count(metrics.reply_count) as replies_known_count,
        count(metrics.like_count) as likes_known_count,
        count(metrics.quote_count) as quotes_known_count,
        count(metrics.view_count) as views_known_count,
        count(metrics.bookmark_count) as bookmarks_known_count,
        count(metrics.total_engagement) as engagement_known_count,
        sum(tweets.sentiment_score) as sentiment_sum,
        count(tweets.sentiment_score) as sentiment_count,
        max(tweets.twitter_created_at) as last_tweet_at,
        max(tweets.tweet_id) as last_tweet_id,
        (array_agg(metrics.total_engagement order by metrics.total_engagement desc nulls last, tweets.tweet_id desc))[1]
            as top_engagement,
        (
            array_agg(tweets.tweet_id order by metrics.total_engagement desc, tweets.tweet_id desc)
            filter (where metrics.total_engagement is not null)
        )[1] as top_tweet_id
    from core.twitter_tweets as tweets
    inner join core.twitter_tweet_zones as links on tweets.tweet_id = links.tweet_id
    left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
    where tweets.suppressed_at is null and links.suppressed_at is null
    group by links.zone_id, date_trunc('hour', tweets.twitter_created_at, 'UTC'), tweets.author_profile_id
),

present as (
    select
        hours.zone_id, hours.hour, hours.author_profile_id, hours.tweet_count, hours.tweets_with_media,
        hours.tweets_with_links, hours.reply_tweets, hours.total_retweets, hours.total_replies, hours.total_likes,
        hours.total_quotes, hours.total_views, hours.total_bookmarks, hours.total_engagement,
        hours.retweets_known_count, hours.replies_known_count, hours.likes_known_count, hours.quotes_known_count,
        hours.views_known_count, hours.bookmarks_known_count, hours.engagement_known_count, hours.sentiment_sum,
        hours.sentiment_count, hours.last_tweet_at, hours.last_tweet_id, hours.top_engagement, hours.top_tweet_id
    from intermediate.int_zone_author_hourly as hours
)

(select * from expected except all select * from present)
union all
(select * from present except all select * from expected);

-- name: int_zone_hourly
with expected as (
    select
        links.zone_id,
        date_trunc('hour', tweets.twitter_created_at, 'UTC') as hour,
        count(distinct tweets.author_profile_id) as author_count,
        count(*) as tweet_count,
        count(*) filter (where tweets.has_media) as tweets_with_media,
        count(*) filter (where tweets.has_links) as tweets_with_links,
        count(*) filter (where tweets.is_reply) as reply_tweets,
        coalesce(sum(metrics.retweet_count), 0)::bigint as known_retweets,
        coalesce(sum(metrics.reply_count), 0)::bigint as known_replies,
        coalesce(sum(metrics.like_count), 0)::bigint as known_likes,
        coalesce(sum(metrics.quote_count), 0)::bigint as known_quotes,
        coalesce(sum(metrics.view_count), 0)::bigint as known_views,
        coalesce(sum(metrics.bookmark_count), 0)::bigint as known_bookmarks,
        coalesce(sum(metrics.total_engagement), 0)::bigint as known_engagement,
        count(metrics.retweet_count) as retweets_known_count,
        count(metrics.reply_count) as replies_known_count,
        count(metrics.like_count) as likes_known_count,
        count(metrics.quote_count) as quotes_known_count,
        count(metrics.view_count) as views_known_count,
        count(metrics.bookmark_count) as bookmarks_known_count,
        count(metrics.total_engagement) as engagement_known_count,
        coalesce(sum(tweets.sentiment_score), 0) as sentiment_sum,
        count(tweets.sentiment_score) as sentiment_count
    from core.twitter_tweets as tweets
    inner join core.twitter_tweet_zones as links on tweets.tweet_id = links.tweet_id
    left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
    where tweets.suppressed_at is null and links.suppressed_at is null
    group by links.zone_id, date_trunc('hour', tweets.twitter_created_at, 'UTC')
)

(select * from expected except all select * from intermediate.int_zone_hourly)
union all
(select * from intermediate.int_zone_hourly except all select * from expected);

-- name: int_zone_tag_author_window
with uses as (
    select distinct on (links.zone_id, tweets.tweet_id, entities.entity_normalized)
        links.zone_id,
        entities.entity_normalized as hashtag,
        entities.entity_value as spelling,
        tweets.tweet_id,
        tweets.author_profile_id,
        tweets.twitter_created_at,
        date_trunc('hour', tweets.twitter_created_at, 'UTC') as hour,
        metrics.total_engagement
    from ops.mart_state as state
    cross join core.twitter_tweets as tweets
    inner join core.twitter_tweet_zones as links on tweets.tweet_id = links.tweet_id
    inner join core.twitter_entities as entities on tweets.tweet_id = entities.tweet_id
    left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
    where
        state.model = 'int_zone_tag_author_window'
        and entities.entity_type = 'hashtag'
        and tweets.suppressed_at is null
        and links.suppressed_at is null
        and tweets.twitter_created_at >= date_trunc('hour', state.as_of, 'UTC') - interval '23 hours'
        and tweets.twitter_created_at <= state.as_of
    order by
        links.zone_id, tweets.tweet_id, entities.entity_normalized, entities.start_index nulls last, entities.ordinal
),

expected as (
    select
        uses.zone_id,
        uses.hashtag,
        uses.author_profile_id,
        count(*) as tweet_count,
        max(uses.twitter_created_at) as last_used_at,
        (array_agg(uses.total_engagement order by uses.total_engagement desc nulls last, uses.tweet_id desc))[1]
            as best_engagement,
        (array_agg(uses.tweet_id order by uses.total_engagement desc nulls last, uses.tweet_id desc))[1]
            as best_tweet_id
    from uses
    group by uses.zone_id, uses.hashtag, uses.author_profile_id
)

(select * from expected except all select * from intermediate.int_zone_tag_author_window)
union all
(select * from intermediate.int_zone_tag_author_window except all select * from expected);
