-- The recount of twitter_zone_stats_daily, straight from core and the coverage, by the local dates of the tweets.
-- All statements run in one transaction with one snapshot.

-- name: choose
-- The buckets to compare: some of the latest build, and a rotating share of the days; none that waits to be rebuilt.
create temporary table checked_buckets on commit drop as
with claimed as (
    select claims.zone_id, claims.day
    from ops.twitter_zone_stats_daily__claims as claims
    order by hashtext(claims.day::text || %(slice)s::text), claims.zone_id
    limit %(claimed_limit)s
),

-- Tweets are ordered by their ids as by their times, and only the ids are indexed. One day more on either side: the
-- zones' days begin before and end after those of UTC.
days as (
    select generate_series(
        least(
            (
                select tweets.twitter_created_at at time zone 'UTC'
                from core.twitter_tweets as tweets
                order by tweets.tweet_id
                limit 1
            )::date,
            (select min(mart.day) from marts.twitter_zone_stats_daily as mart),
            (select (min(coverage.hour) at time zone 'UTC')::date from ops.zone_hour_coverage as coverage)
        ) - 1,
        greatest(
            (
                select tweets.twitter_created_at at time zone 'UTC'
                from core.twitter_tweets as tweets
                order by tweets.tweet_id desc
                limit 1
            )::date,
            (select max(mart.day) from marts.twitter_zone_stats_daily as mart),
            (select (max(coverage.hour) at time zone 'UTC')::date from ops.zone_hour_coverage as coverage)
        ) + 1,
        interval '1 day'
    )::date as day
),

candidates as (
    select claimed.zone_id, claimed.day from claimed
    union
    select zones.id, days.day
    from days
    cross join core.zones
    where
        mod(days.day - date '2000-01-01' + 36500, %(slices)s) = %(slice)s
        and (
            exists (
                select 1
                from core.twitter_tweet_zones as links
                where
                    links.zone_id = zones.id
                    and links.tweet_id >= core.first_tweet_id_of((days.day - 1)::timestamp at time zone 'UTC')
                    and links.tweet_id < core.end_tweet_id_of((days.day + 2)::timestamp at time zone 'UTC')
            )
            or exists (
                select 1
                from ops.zone_hour_coverage as coverage
                where
                    coverage.zone_id = zones.id
                    and coverage.hour >= (days.day - 1)::timestamp at time zone 'UTC'
                    and coverage.hour < (days.day + 2)::timestamp at time zone 'UTC'
            )
            or exists (
                select 1
                from marts.twitter_zone_stats_daily as mart
                where mart.zone_id = zones.id and mart.day = days.day
            )
        )
),

changed_hours as (
    select marks.zone_id, marks.hour from ops.twitter_zone_stats_daily__marks as marks
    union
    select marks.zone_id, marks.hour from ops.twitter_zone_stats_hourly__marks as marks
    union
    select marks.zone_id, marks.hour from ops.waiting_author_hours() as marks
)

select candidates.zone_id, candidates.day
from candidates
where not exists (
    select 1
    from ops.twitter_zone_stats_daily__zone_marks as marks
    where marks.zone_id = candidates.zone_id
)
except
select changed_hours.zone_id, (changed_hours.hour at time zone 'UTC')::date + neighbours.distance
from changed_hours
cross join generate_series(-1, 1) as neighbours (distance);

-- name: recount
create temporary table recounted on commit drop as
with days as (
    select
        checked_buckets.zone_id,
        checked_buckets.day,
        zones.timezone
    from checked_buckets
    inner join core.zones on checked_buckets.zone_id = zones.id
),

-- Every quarter of an hour in a day's vicinity has its local date: where that is the day, the day is.
quarters as (
    select
        days.zone_id,
        days.day,
        days.timezone,
        min(quarter.moment) as starts_at,
        max(quarter.moment) + interval '15 minutes' as ends_at
    from days
    cross join lateral generate_series(
        (days.day::timestamp at time zone 'UTC') - interval '16 hours',
        (days.day::timestamp at time zone 'UTC') + interval '40 hours',
        interval '15 minutes'
    ) as quarter (moment)
    where (quarter.moment at time zone days.timezone)::date = days.day
    group by days.zone_id, days.day, days.timezone
),

counted as (
    select
        quarters.zone_id,
        quarters.day,
        count(*) as total_tweets,
        count(distinct found.author_profile_id) as unique_authors,
        sum(metrics.retweet_count)::bigint as total_retweets,
        sum(metrics.reply_count)::bigint as total_replies,
        sum(metrics.like_count)::bigint as total_likes,
        sum(metrics.quote_count)::bigint as total_quotes,
        sum(metrics.view_count)::bigint as total_views,
        sum(metrics.total_engagement)::bigint as total_engagement,
        round(avg(metrics.total_engagement), 18) as avg_engagement,
        round(avg(metrics.retweet_count), 18) as avg_retweets,
        round(avg(metrics.like_count), 18) as avg_likes,
        count(*) filter (where found.has_media) as tweets_with_media,
        count(*) filter (where found.has_links) as tweets_with_links,
        count(*) filter (where found.is_reply) as reply_tweets,
        round(avg(found.sentiment_score), 18) as avg_sentiment
    from quarters
    inner join lateral (
        select
            tweets.tweet_id,
            tweets.author_profile_id,
            tweets.has_media,
            tweets.has_links,
            tweets.is_reply,
            tweets.sentiment_score
        from core.twitter_tweets as tweets
        where
            tweets.tweet_id >= core.first_tweet_id_of(quarters.starts_at)
            and tweets.tweet_id < core.end_tweet_id_of(quarters.ends_at)
            and (tweets.twitter_created_at at time zone quarters.timezone)::date = quarters.day
            and tweets.suppressed_at is null
        offset 0
    ) as found on true
    inner join core.twitter_tweet_zones as links
        on quarters.zone_id = links.zone_id and found.tweet_id = links.tweet_id and links.suppressed_at is null
    left join core.twitter_tweet_metrics as metrics on found.tweet_id = metrics.tweet_id
    group by quarters.zone_id, quarters.day
),

listened as (
    select
        quarters.zone_id,
        quarters.day,
        round(
            sum(
                coverage.covered_seconds * extract(epoch from (
                    least(coverage.hour + interval '1 hour', quarters.ends_at)
                    - greatest(coverage.hour, quarters.starts_at)
                )) / 3600
            ) / 3600,
            4
        ) as hours_covered,
        case when bool_or(coverage.is_covered) then 0 end as none
    from quarters
    inner join ops.zone_hour_coverage as coverage
        on
            quarters.zone_id = coverage.zone_id
            and quarters.ends_at > coverage.hour
            and quarters.starts_at < coverage.hour + interval '1 hour'
    group by quarters.zone_id, quarters.day
)

select
    quarters.zone_id,
    quarters.day,
    quarters.starts_at,
    quarters.ends_at,
    quarters.timezone,
    round(extract(epoch from (quarters.ends_at - quarters.starts_at)) / 3600, 4) as hours_long,
    coalesce(listened.hours_covered, 0) as hours_covered,
    case when counted.day is null then listened.none else counted.total_tweets end as total_tweets,
    case when counted.day is null then listened.none else counted.unique_authors end as unique_authors,
    case when counted.day is null then listened.none else counted.total_retweets end as total_retweets,
    case when counted.day is null then listened.none else counted.total_replies end as total_replies,
    case when counted.day is null then listened.none else counted.total_likes end as total_likes,
    case when counted.day is null then listened.none else counted.total_quotes end as total_quotes,
    case when counted.day is null then listened.none else counted.total_views end as total_views,
    case when counted.day is null then listened.none else counted.total_engagement end as total_engagement,
    counted.avg_engagement,
    counted.avg_retweets,
    counted.avg_likes,
    case when counted.day is null then listened.none else counted.tweets_with_media end as tweets_with_media,
    case when counted.day is null then listened.none else counted.tweets_with_links end as tweets_with_links,
    case when counted.day is null then listened.none else counted.reply_tweets end as reply_tweets,
    counted.avg_sentiment,
    quarters.ends_at <= (
        select state.as_of from ops.mart_state as state where state.model = 'twitter_zone_stats_daily'
    ) as is_complete
from quarters
left join counted on quarters.zone_id = counted.zone_id and quarters.day = counted.day
left join listened on quarters.zone_id = listened.zone_id and quarters.day = listened.day
where counted.zone_id is not null or listened.zone_id is not null;

-- name: compare
create temporary table drifted_buckets on commit drop as
with present as (
    select
        mart.zone_id,
        mart.day,
        mart.starts_at,
        mart.ends_at,
        mart.timezone,
        mart.hours_long,
        mart.hours_covered,
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
        mart.is_complete
    from marts.twitter_zone_stats_daily as mart
    inner join checked_buckets on mart.zone_id = checked_buckets.zone_id and mart.day = checked_buckets.day
),

differences as (
    (select * from present except all select * from recounted)
    union all
    (select * from recounted except all select * from present)
)

select distinct differences.zone_id, differences.day
from differences;

-- name: mark
-- From the bottom: what the mart is built from may be what is wrong.
with bounds as (
    select
        drifted_buckets.zone_id,
        core.local_day_start(drifted_buckets.day, zones.timezone) - interval '1 hour' as first_moment,
        core.local_day_start(drifted_buckets.day + 1, zones.timezone) as end_moment
    from drifted_buckets
    inner join core.zones on drifted_buckets.zone_id = zones.id
),

from_below as (
    insert into ops.int_zone_author_hourly__marks (zone_id, hour, author_profile_id)
    select hours.zone_id, hours.hour, hours.author_profile_id
    from intermediate.int_zone_author_hourly as hours
    inner join bounds
        on hours.zone_id = bounds.zone_id and hours.hour >= bounds.first_moment and hours.hour < bounds.end_moment
    union
    select links.zone_id, date_trunc('hour', tweets.twitter_created_at, 'UTC'), tweets.author_profile_id
    from bounds
    inner join core.twitter_tweets as tweets
        on
            core.first_tweet_id_of(bounds.first_moment) <= tweets.tweet_id
            and core.end_tweet_id_of(bounds.end_moment) > tweets.tweet_id
    inner join core.twitter_tweet_zones as links
        on bounds.zone_id = links.zone_id and tweets.tweet_id = links.tweet_id
    returning zone_id, hour, author_profile_id
),

tweets_below as (
    insert into ops.int_zone_counted_tweets__marks (tweet_id)
    select distinct found.tweet_id
    from from_below
    cross join lateral ops.tweets_of_author_hour(from_below.hour, from_below.author_profile_id) as found (tweet_id)
)

-- Any hour of the day, and those of its row if that has other bounds.
insert into ops.twitter_zone_stats_daily__marks (zone_id, hour)
select bounds.zone_id, date_trunc('hour', bounds.end_moment - interval '1 hour', 'UTC')
from bounds
union
select mart.zone_id, date_trunc('hour', mart.starts_at, 'UTC')
from marts.twitter_zone_stats_daily as mart
inner join drifted_buckets on mart.zone_id = drifted_buckets.zone_id and mart.day = drifted_buckets.day;
