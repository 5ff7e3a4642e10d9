-- The recount of twitter_top_profiles_by_zone_window, straight from core, for the moment of its latest build.
-- All statements run in one transaction with one snapshot.

-- name: choose
create temporary table checked_buckets on commit drop as
with claimed as (
    select claims.zone_id, claims.profile_id
    from ops.twitter_top_profiles_by_zone_window__claims as claims
    order by hashint8(claims.profile_id + %(slice)s), claims.zone_id
    limit %(claimed_limit)s
),

profiles as (
    select profiles.twitter_user_id as profile_id
    from core.twitter_profiles as profiles
    where mod(hashint8(profiles.twitter_user_id)::bigint + 2147483648, %(slices)s) = %(slice)s
    union
    select mart.profile_id
    from marts.twitter_top_profiles_by_zone_window as mart
    where mod(hashint8(mart.profile_id)::bigint + 2147483648, %(slices)s) = %(slice)s
),

candidates as (
    select claimed.zone_id, claimed.profile_id from claimed
    union
    select zones.id, profiles.profile_id
    from profiles
    cross join core.zones
)

select candidates.zone_id, candidates.profile_id
from candidates
except
select marks.zone_id, marks.profile_id from ops.twitter_top_profiles_by_zone_window__marks as marks
except
select marks.zone_id, marks.author_profile_id from ops.waiting_author_hours() as marks;

-- name: recount
create temporary table recounted on commit drop as
with profiles as (
    select distinct checked_buckets.profile_id from checked_buckets
),

windows as (
    select
        sizes.time_window,
        date_trunc('hour', state.as_of, 'UTC') - sizes.hour_count * interval '1 hour' + interval '1 hour' as starts_at,
        state.as_of
    from ops.mart_state as state
    cross join (values ('24h', 24), ('7d', 7 * 24), ('30d', 30 * 24)) as sizes (time_window, hour_count)
    where state.model = 'twitter_top_profiles_by_zone_window'
),

tweets as (
    select
        links.zone_id,
        profiles.profile_id,
        found.tweet_id,
        found.twitter_created_at
    from profiles
    cross join lateral (
        select
            tweets.tweet_id,
            tweets.twitter_created_at
        from core.twitter_tweets as tweets
        where
            tweets.author_profile_id = profiles.profile_id
            and tweets.suppressed_at is null
            and tweets.tweet_id >= (select core.first_tweet_id_of(min(windows.starts_at)) from windows)
        offset 0
    ) as found
    inner join core.twitter_tweet_zones as links on found.tweet_id = links.tweet_id and links.suppressed_at is null
    inner join checked_buckets
        on links.zone_id = checked_buckets.zone_id and profiles.profile_id = checked_buckets.profile_id
)

select
    tweets.zone_id,
    windows.time_window,
    tweets.profile_id,
    tweets.profile_id::text as twitter_user_id,
    count(*) as tweet_count,
    sum(metrics.total_engagement)::bigint as total_engagement,
    round(avg(metrics.total_engagement), 18) as avg_engagement,
    max(tweets.twitter_created_at) as last_tweet_at
from tweets
inner join windows
    on tweets.twitter_created_at >= windows.starts_at and tweets.twitter_created_at <= windows.as_of
left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
group by tweets.zone_id, windows.time_window, tweets.profile_id;

-- name: compare
create temporary table drifted_buckets on commit drop as
with present as (
    select
        mart.zone_id,
        mart.time_window,
        mart.profile_id,
        mart.twitter_user_id,
        mart.tweet_count,
        mart.total_engagement,
        mart.avg_engagement,
        mart.last_tweet_at
    from marts.twitter_top_profiles_by_zone_window as mart
    inner join checked_buckets
        on mart.zone_id = checked_buckets.zone_id and mart.profile_id = checked_buckets.profile_id
),

differences as (
    (select * from present except all select * from recounted)
    union all
    (select * from recounted except all select * from present)
)

select distinct differences.zone_id, differences.profile_id
from differences;

-- name: mark
-- From the bottom: what the mart is built from may be what is wrong.
with bounds as (
    select date_trunc('hour', state.as_of, 'UTC') - interval '719 hours' as first_hour
    from ops.mart_state as state
    where state.model = 'twitter_top_profiles_by_zone_window'
),

from_below as (
    insert into ops.int_zone_author_hourly__marks (zone_id, hour, author_profile_id)
    select hours.zone_id, hours.hour, hours.author_profile_id
    from intermediate.int_zone_author_hourly as hours
    inner join drifted_buckets
        on hours.zone_id = drifted_buckets.zone_id and hours.author_profile_id = drifted_buckets.profile_id
    where hours.hour >= (select bounds.first_hour from bounds)
    union
    select links.zone_id, date_trunc('hour', tweets.twitter_created_at, 'UTC'), tweets.author_profile_id
    from drifted_buckets
    inner join core.twitter_tweets as tweets
        on
            drifted_buckets.profile_id = tweets.author_profile_id
            and tweets.tweet_id >= (select core.first_tweet_id_of(bounds.first_hour) from bounds)
    inner join core.twitter_tweet_zones as links
        on tweets.tweet_id = links.tweet_id and drifted_buckets.zone_id = links.zone_id
    returning zone_id, hour, author_profile_id
),

tweets_below as (
    insert into ops.int_zone_counted_tweets__marks (tweet_id)
    select distinct found.tweet_id
    from from_below
    cross join lateral ops.tweets_of_author_hour(from_below.hour, from_below.author_profile_id) as found (tweet_id)
)

insert into ops.twitter_top_profiles_by_zone_window__marks (zone_id, profile_id)
select drifted_buckets.zone_id, drifted_buckets.profile_id
from drifted_buckets;
