-- The recount of twitter_zone_stats_hourly, straight from core and the coverage.
-- All statements run in one transaction with one snapshot.

-- name: choose
-- The buckets to compare: those of the latest build, and a rotating share of the days; none that waits to be rebuilt.
create temporary table checked_buckets on commit drop as
with claimed as (
    select claims.zone_id, claims.hour
    from ops.twitter_zone_stats_hourly__claims as claims
    order by claims.hour desc, claims.zone_id
    limit %(claimed_limit)s
),

-- Tweets are ordered by their ids as by their times, and only the ids are indexed.
days as (
    select generate_series(
        least(
            (
                select date_trunc('day', tweets.twitter_created_at, 'UTC')
                from core.twitter_tweets as tweets
                order by tweets.tweet_id
                limit 1
            ),
            (select date_trunc('day', min(mart.hour), 'UTC') from marts.twitter_zone_stats_hourly as mart),
            (select date_trunc('day', min(coverage.hour), 'UTC') from ops.zone_hour_coverage as coverage)
        ),
        greatest(
            (
                select tweets.twitter_created_at
                from core.twitter_tweets as tweets
                order by tweets.tweet_id desc
                limit 1
            ),
            (select max(mart.hour) from marts.twitter_zone_stats_hourly as mart),
            (select max(coverage.hour) from ops.zone_hour_coverage as coverage)
        ),
        interval '1 day'
    ) as day
),

chosen_days as (
    select days.day
    from days
    where mod(floor(extract(epoch from days.day) / 86400)::bigint, %(slices)s) = %(slice)s
),

candidates as (
    select claimed.zone_id, claimed.hour from claimed
    union
    select zones.id, generate_series(
        chosen_days.day, chosen_days.day + interval '23 hours', interval '1 hour'
    )
    from chosen_days
    cross join core.zones
)

select candidates.zone_id, candidates.hour
from candidates
except
select marks.zone_id, marks.hour from ops.twitter_zone_stats_hourly__marks as marks
except
select marks.zone_id, marks.hour from ops.int_zone_hourly__marks as marks
except
select marks.zone_id, marks.hour from ops.waiting_author_hours() as marks;

-- name: recount
create temporary table recounted on commit drop as
with hours as (
    select distinct checked_buckets.hour from checked_buckets
),

tweets as (
    select
        links.zone_id,
        hours.hour,
        found.*
    from hours
    cross join lateral (
        select
            tweets.tweet_id,
            tweets.author_profile_id,
            tweets.has_media,
            tweets.has_links,
            tweets.is_reply,
            tweets.sentiment_score
        from core.twitter_tweets as tweets
        where
            tweets.tweet_id >= core.first_tweet_id_of(hours.hour)
            and tweets.tweet_id < core.end_tweet_id_of(hours.hour + interval '1 hour')
            and tweets.twitter_created_at >= hours.hour
            and tweets.twitter_created_at < hours.hour + interval '1 hour'
            and tweets.suppressed_at is null
        offset 0
    ) as found
    inner join core.twitter_tweet_zones as links on found.tweet_id = links.tweet_id and links.suppressed_at is null
    inner join checked_buckets on links.zone_id = checked_buckets.zone_id and hours.hour = checked_buckets.hour
),

counted as (
    select
        tweets.zone_id,
        tweets.hour,
        count(*) as total_tweets,
        count(distinct tweets.author_profile_id) as unique_authors,
        sum(metrics.retweet_count)::bigint as total_retweets,
        sum(metrics.reply_count)::bigint as total_replies,
        sum(metrics.like_count)::bigint as total_likes,
        sum(metrics.quote_count)::bigint as total_quotes,
        sum(metrics.view_count)::bigint as total_views,
        sum(metrics.total_engagement)::bigint as total_engagement,
        round(avg(metrics.total_engagement), 18) as avg_engagement,
        round(avg(metrics.retweet_count), 18) as avg_retweets,
        round(avg(metrics.like_count), 18) as avg_likes,
        count(*) filter (where tweets.has_media) as tweets_with_media,
        count(*) filter (where tweets.has_links) as tweets_with_links,
        count(*) filter (where tweets.is_reply) as reply_tweets,
        round(avg(tweets.sentiment_score), 18) as avg_sentiment
    from tweets
    left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
    group by tweets.zone_id, tweets.hour
),

listened as (
    select
        coverage.zone_id,
        coverage.hour,
        coverage.is_covered,
        coverage.covered_seconds,
        case when coverage.is_covered then 0 end as none
    from ops.zone_hour_coverage as coverage
    inner join checked_buckets on coverage.zone_id = checked_buckets.zone_id and coverage.hour = checked_buckets.hour
)

select
    checked_buckets.zone_id,
    checked_buckets.hour,
    case when counted.hour is null then listened.none else counted.total_tweets end as total_tweets,
    case when counted.hour is null then listened.none else counted.unique_authors end as unique_authors,
    case when counted.hour is null then listened.none else counted.total_retweets end as total_retweets,
    case when counted.hour is null then listened.none else counted.total_replies end as total_replies,
    case when counted.hour is null then listened.none else counted.total_likes end as total_likes,
    case when counted.hour is null then listened.none else counted.total_quotes end as total_quotes,
    case when counted.hour is null then listened.none else counted.total_views end as total_views,
    case when counted.hour is null then listened.none else counted.total_engagement end as total_engagement,
    counted.avg_engagement,
    counted.avg_retweets,
    counted.avg_likes,
    case when counted.hour is null then listened.none else counted.tweets_with_media end as tweets_with_media,
    case when counted.hour is null then listened.none else counted.tweets_with_links end as tweets_with_links,
    case when counted.hour is null then listened.none else counted.reply_tweets end as reply_tweets,
    counted.avg_sentiment,
    checked_buckets.hour + interval '1 hour' <= (
        select state.as_of from ops.mart_state as state where state.model = 'twitter_zone_stats_hourly'
    ) as is_complete,
    coalesce(listened.is_covered, false) as is_covered,
    coalesce(listened.covered_seconds, 0) as covered_seconds
from checked_buckets
left join counted on checked_buckets.zone_id = counted.zone_id and checked_buckets.hour = counted.hour
left join listened on checked_buckets.zone_id = listened.zone_id and checked_buckets.hour = listened.hour
where counted.hour is not null or listened.hour is not null;

-- name: compare
create temporary table drifted_buckets on commit drop as
with present as (
    select
        mart.zone_id,
        mart.hour,
        mart.total_tweets,
        mart.unique_authors,
        mart.total_retweets,
        mart.total_replies,
        mart.total_likes,
        mart.total_quotes,
        mart.total_views,
        mart.total_engagement,
        mart.avg_engagement,
        mart.avg_retweets,
        mart.avg_likes,
        mart.tweets_with_media,
        mart.tweets_with_links,
        mart.reply_tweets,
        mart.avg_sentiment,
        mart.is_complete,
        mart.is_covered,
        mart.covered_seconds
    from marts.twitter_zone_stats_hourly as mart
    inner join checked_buckets on mart.zone_id = checked_buckets.zone_id and mart.hour = checked_buckets.hour
),

hours as (
    select
        hours.zone_id,
        hours.hour,
        hours.author_count,
        hours.tweet_count,
        hours.tweets_with_media,
        hours.tweets_with_links,
        hours.reply_tweets,
        hours.known_retweets,
        hours.known_replies,
        hours.known_likes,
        hours.known_quotes,
        hours.known_views,
        hours.known_bookmarks,
        hours.known_engagement,
        hours.retweets_known_count,
        hours.replies_known_count,
        hours.likes_known_count,
        hours.quotes_known_count,
        hours.views_known_count,
        hours.bookmarks_known_count,
        hours.engagement_known_count,
        hours.sentiment_sum,
        hours.sentiment_count
    from checked_buckets
    inner join intermediate.int_zone_hourly as hours
        on checked_buckets.zone_id = hours.zone_id and checked_buckets.hour = hours.hour
),

authors as (
    select
        authors.zone_id,
        authors.hour,
        authors.author_profile_id,
        authors.tweet_count,
        authors.tweets_with_media,
        authors.tweets_with_links,
        authors.reply_tweets,
        authors.total_retweets,
        authors.total_replies,
        authors.total_likes,
        authors.total_quotes,
        authors.total_views,
        authors.total_bookmarks,
        authors.total_engagement,
        authors.retweets_known_count,
        authors.replies_known_count,
        authors.likes_known_count,
        authors.quotes_known_count,
        authors.views_known_count,
        authors.bookmarks_known_count,
        authors.engagement_known_count,
        authors.sentiment_sum,
        authors.sentiment_count,
        authors.last_tweet_at,
        authors.last_tweet_id,
        authors.top_engagement,
        authors.top_tweet_id
    from checked_buckets
    inner join intermediate.int_zone_author_hourly as authors
        on checked_buckets.zone_id = authors.zone_id and checked_buckets.hour = authors.hour
),

-- The tweets of an hour at once, for all of its zones.
authors_counted as (
    select
        counted.zone_id,
        counted.hour,
        counted.author_profile_id,
        count(*) as tweet_count,
        count(*) filter (where counted.has_media) as tweets_with_media,
        count(*) filter (where counted.has_links) as tweets_with_links,
        count(*) filter (where counted.is_reply) as reply_tweets,
        sum(counted.retweet_count)::bigint as total_retweets,
        sum(counted.reply_count)::bigint as total_replies,
        sum(counted.like_count)::bigint as total_likes,
        sum(counted.quote_count)::bigint as total_quotes,
        sum(counted.view_count)::bigint as total_views,
        sum(counted.bookmark_count)::bigint as total_bookmarks,
        sum(counted.total_engagement)::bigint as total_engagement,
        count(counted.retweet_count) as retweets_known_count,
        count(counted.reply_count) as replies_known_count,
        count(counted.like_count) as likes_known_count,
        count(counted.quote_count) as quotes_known_count,
        count(counted.view_count) as views_known_count,
        count(counted.bookmark_count) as bookmarks_known_count,
        count(counted.total_engagement) as engagement_known_count,
        sum(counted.sentiment_score) as sentiment_sum,
        count(counted.sentiment_score) as sentiment_count,
        max(counted.twitter_created_at) as last_tweet_at,
        max(counted.tweet_id) as last_tweet_id,
        max(counted.total_engagement) as top_engagement,
        (
            array_agg(counted.tweet_id order by counted.total_engagement desc, counted.tweet_id desc)
            filter (where counted.total_engagement is not null)
        )[1] as top_tweet_id
    from (select distinct checked_buckets.hour from checked_buckets) as checked_hours
    inner join intermediate.int_zone_counted_tweets as counted
        on
            counted.tweet_id >= core.first_tweet_id_of(checked_hours.hour)
            and counted.tweet_id < core.end_tweet_id_of(checked_hours.hour + interval '1 hour')
            and checked_hours.hour = counted.hour
    inner join checked_buckets on counted.zone_id = checked_buckets.zone_id and counted.hour = checked_buckets.hour
    group by counted.zone_id, counted.hour, counted.author_profile_id
),

summed as (
    select
        authors.zone_id,
        authors.hour,
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
    from authors
    group by authors.zone_id, authors.hour
),

differences as (
    (select * from present except all select * from recounted)
    union all
    (select * from recounted except all select * from present)
),

hour_differences as (
    (select * from hours except all select * from summed)
    union all
    (select * from summed except all select * from hours)
),

author_differences as (
    (select * from authors except all select * from authors_counted)
    union all
    (select * from authors_counted except all select * from authors)
)

select differences.zone_id, differences.hour
from differences
union
select author_differences.zone_id, author_differences.hour
from author_differences
-- Until its first build the table holds what an earlier release counted.
where exists (select 1 from ops.mart_state as state where state.model = 'int_zone_author_hourly')
union
select hour_differences.zone_id, hour_differences.hour
from hour_differences;

-- name: mark
-- From the bottom: what the mart is built from may be what is wrong.
with from_below as (
    insert into ops.int_zone_author_hourly__marks (zone_id, hour, author_profile_id)
    select hours.zone_id, hours.hour, hours.author_profile_id
    from intermediate.int_zone_author_hourly as hours
    inner join drifted_buckets on hours.zone_id = drifted_buckets.zone_id and hours.hour = drifted_buckets.hour
    union
    select links.zone_id, drifted_buckets.hour, tweets.author_profile_id
    from drifted_buckets
    inner join core.twitter_tweets as tweets
        on
            tweets.tweet_id >= core.first_tweet_id_of(drifted_buckets.hour)
            and tweets.tweet_id < core.end_tweet_id_of(drifted_buckets.hour + interval '1 hour')
            and date_trunc('hour', tweets.twitter_created_at, 'UTC') = drifted_buckets.hour
    inner join core.twitter_tweet_zones as links
        on tweets.tweet_id = links.tweet_id and drifted_buckets.zone_id = links.zone_id
    returning zone_id, hour, author_profile_id
),

tweets_below as (
    insert into ops.int_zone_counted_tweets__marks (tweet_id)
    select distinct found.tweet_id
    from from_below
    cross join lateral ops.tweets_of_author_hour(from_below.hour, from_below.author_profile_id) as found (tweet_id)
),

hours as (
    insert into ops.int_zone_hourly__marks (zone_id, hour)
    select drifted_buckets.zone_id, drifted_buckets.hour
    from drifted_buckets
)

insert into ops.twitter_zone_stats_hourly__marks (zone_id, hour)
select drifted_buckets.zone_id, drifted_buckets.hour
from drifted_buckets;
