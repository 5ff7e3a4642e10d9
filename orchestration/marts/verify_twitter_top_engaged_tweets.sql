-- The recount of twitter_top_engaged_tweets, straight from core.
-- All statements run in one transaction with one snapshot.

-- name: choose
-- The buckets to compare: some of the latest build, and a rotating share of the days; none that waits to be rebuilt.
create temporary table checked_buckets on commit drop as
with claimed as (
    select claims.zone_id, claims.day
    from ops.twitter_top_engaged_tweets__claims as claims
    order by hashtext(claims.day::text || %(slice)s::text), claims.zone_id
    limit %(claimed_limit)s
),

-- Tweets are ordered by their ids as by their times, and only the ids are indexed.
days as (
    select generate_series(
        least(
            (
                select tweets.twitter_created_at at time zone 'UTC'
                from core.twitter_tweets as tweets
                order by tweets.tweet_id
                limit 1
            )::date,
            (select min(mart.day) from marts.twitter_top_engaged_tweets as mart)
        ),
        greatest(
            (
                select tweets.twitter_created_at at time zone 'UTC'
                from core.twitter_tweets as tweets
                order by tweets.tweet_id desc
                limit 1
            )::date,
            (select max(mart.day) from marts.twitter_top_engaged_tweets as mart)
        ),
        interval '1 day'
    )::date as day
),

candidates as (
    select claimed.zone_id, claimed.day from claimed
    union
    select zones.id, days.day
    from days
    cross join core.zones
    where mod(days.day - date '2000-01-01' + 36500, %(slices)s) = %(slice)s
)

select candidates.zone_id, candidates.day
from candidates
except
select marks.zone_id, marks.day from ops.twitter_top_engaged_tweets__marks as marks
except
select marks.zone_id, (marks.hour at time zone 'UTC')::date from ops.int_zone_top_tweets_hourly__marks as marks
except
select marks.zone_id, (marks.hour at time zone 'UTC')::date from ops.waiting_author_hours() as marks;

-- name: recount
create temporary table recounted on commit drop as
with days as (
    select
        checked.day,
        checked.day::timestamp at time zone 'UTC' as first_moment,
        (checked.day + 1)::timestamp at time zone 'UTC' as end_moment
    from (select distinct checked_buckets.day from checked_buckets) as checked
),

ranked as (
    select
        links.zone_id,
        days.day,
        found.tweet_id,
        row_number() over (
            partition by links.zone_id, days.day order by metrics.total_engagement desc, found.tweet_id desc
        )::integer as place,
        found.author_profile_id,
        found.twitter_created_at,
        metrics.total_engagement
    from days
    cross join lateral (
        select
            tweets.tweet_id,
            tweets.author_profile_id,
            tweets.twitter_created_at
        from core.twitter_tweets as tweets
        where
            tweets.tweet_id >= core.first_tweet_id_of(days.first_moment)
            and tweets.tweet_id < core.end_tweet_id_of(days.end_moment)
            and tweets.twitter_created_at >= days.first_moment
            and tweets.twitter_created_at < days.end_moment
            and tweets.suppressed_at is null
        offset 0
    ) as found
    inner join core.twitter_tweet_zones as links on found.tweet_id = links.tweet_id and links.suppressed_at is null
    inner join checked_buckets on links.zone_id = checked_buckets.zone_id and days.day = checked_buckets.day
    inner join core.twitter_tweet_metrics as metrics on found.tweet_id = metrics.tweet_id
    where metrics.total_engagement is not null
)

select
    ranked.zone_id,
    ranked.day,
    ranked.tweet_id,
    ranked.place,
    ranked.author_profile_id,
    ranked.twitter_created_at,
    ranked.total_engagement
from ranked
where ranked.place <= 100;

-- name: compare
create temporary table drifted_buckets on commit drop as
with present as (
    select
        mart.zone_id,
        mart.day,
        mart.tweet_id,
        mart.place,
        mart.author_profile_id,
        mart.twitter_created_at,
        mart.total_engagement
    from marts.twitter_top_engaged_tweets as mart
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
        drifted_buckets.day::timestamp at time zone 'UTC' as first_moment,
        (drifted_buckets.day + 1)::timestamp at time zone 'UTC' as end_moment
    from drifted_buckets
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
            and bounds.first_moment <= tweets.twitter_created_at
            and bounds.end_moment > tweets.twitter_created_at
    inner join core.twitter_tweet_zones as links
        on bounds.zone_id = links.zone_id and tweets.tweet_id = links.tweet_id
    returning zone_id, hour, author_profile_id
),

tweets_below as (
    insert into ops.int_zone_counted_tweets__marks (tweet_id)
    select distinct found.tweet_id
    from from_below
    cross join lateral ops.tweets_of_author_hour(from_below.hour, from_below.author_profile_id) as found (tweet_id)
),

from_hours as (
    insert into ops.int_zone_top_tweets_hourly__marks (zone_id, hour)
    select distinct hourly.zone_id, hourly.hour
    from intermediate.int_zone_top_tweets_hourly as hourly
    inner join bounds
        on hourly.zone_id = bounds.zone_id and hourly.hour >= bounds.first_moment and hourly.hour < bounds.end_moment
)

insert into ops.twitter_top_engaged_tweets__marks (zone_id, day)
select drifted_buckets.zone_id, drifted_buckets.day
from drifted_buckets;
