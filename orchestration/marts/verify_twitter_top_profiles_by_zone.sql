-- The recount of twitter_top_profiles_by_zone, straight from core: of the buckets that its latest build claimed, of
-- those that triggers changed since the verification before, and of a rotating share of all others.
-- All statements run in one transaction with one snapshot.

-- name: choose
create temporary table checked_buckets on commit drop as
with changed as (
    select claims.zone_id, claims.profile_id
    from ops.twitter_top_profiles_by_zone__claims as claims
    union
    select touched.zone_id, touched.profile_id
    from ops.twitter_top_profiles_by_zone__touched as touched
),

claimed as (
    select changed.zone_id, changed.profile_id
    from changed
    order by hashint8(changed.profile_id + %(slice)s), changed.zone_id
    limit %(claimed_limit)s
),

profiles as (
    select profiles.twitter_user_id as profile_id
    from core.twitter_profiles as profiles
    where mod(hashint8(profiles.twitter_user_id)::bigint + 2147483648, %(slices)s) = %(slice)s
    union
    select mart.profile_id
    from marts.twitter_top_profiles_by_zone as mart
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
-- Before its first build nothing is kept true yet.
where exists (select 1 from ops.mart_state as state where state.model = 'twitter_top_profiles_by_zone')
except
select marks.zone_id, marks.profile_id from ops.twitter_top_profiles_by_zone__marks as marks
except
select marks.zone_id, marks.author_profile_id from ops.waiting_author_hours() as marks
except
select zones.id, marks.profile_id
from ops.twitter_top_profiles_by_zone__profile_marks as marks
cross join core.zones;

-- name: sealed
-- What retention has taken is not in core any more: the sealed hours hold it.
create temporary table sealed_parts on commit drop as
select
    hours.zone_id,
    hours.author_profile_id as profile_id,
    sum(hours.tweet_count) as tweet_count,
    sum(hours.total_engagement) as total_engagement,
    sum(hours.engagement_known_count) as engagement_known_count,
    max(hours.last_tweet_at) as last_tweet_at
from checked_buckets
inner join intermediate.int_zone_author_hourly as hours
    on checked_buckets.zone_id = hours.zone_id and checked_buckets.profile_id = hours.author_profile_id
where ops.is_sealed(hours.hour)
group by hours.zone_id, hours.author_profile_id;

-- name: recount
create temporary table recounted on commit drop as
with profiles as (
    select distinct checked_buckets.profile_id from checked_buckets
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
        where tweets.author_profile_id = profiles.profile_id and tweets.suppressed_at is null
        offset 0
    ) as found
    inner join core.twitter_tweet_zones as links on found.tweet_id = links.tweet_id and links.suppressed_at is null
    inner join checked_buckets
        on links.zone_id = checked_buckets.zone_id and profiles.profile_id = checked_buckets.profile_id
),

parts as (
    select
        tweets.zone_id,
        tweets.profile_id,
        count(*) as tweet_count,
        sum(metrics.total_engagement) as total_engagement,
        count(metrics.total_engagement) as engagement_known_count,
        max(tweets.twitter_created_at) as last_tweet_at
    from tweets
    left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
    group by tweets.zone_id, tweets.profile_id
    union all
    select
        sealed_parts.zone_id,
        sealed_parts.profile_id,
        sealed_parts.tweet_count,
        sealed_parts.total_engagement,
        sealed_parts.engagement_known_count,
        sealed_parts.last_tweet_at
    from sealed_parts
)

select
    parts.zone_id,
    parts.profile_id,
    parts.profile_id::text as twitter_user_id,
    profiles.username,
    profiles.name,
    profiles.profile_picture_url,
    profiles.is_verified,
    profiles.is_blue_verified,
    profiles.followers_count,
    sum(parts.tweet_count)::bigint as tweet_count,
    sum(parts.total_engagement)::bigint as total_engagement,
    sum(parts.engagement_known_count)::bigint as engagement_known_count,
    round(sum(parts.total_engagement) / nullif(sum(parts.engagement_known_count), 0), 18) as avg_engagement,
    max(parts.last_tweet_at) as last_tweet_at
from parts
left join core.twitter_profiles as profiles on parts.profile_id = profiles.twitter_user_id
group by parts.zone_id, parts.profile_id, profiles.twitter_user_id;

-- name: compare
create temporary table drifted_buckets on commit drop as
with present as (
    select
        mart.zone_id,
        mart.profile_id,
        mart.twitter_user_id,
        mart.username,
        mart.name,
        mart.profile_picture_url,
        mart.is_verified,
        mart.is_blue_verified,
        mart.followers_count,
        mart.tweet_count,
        mart.total_engagement,
        mart.engagement_known_count,
        mart.avg_engagement,
        mart.last_tweet_at
    from marts.twitter_top_profiles_by_zone as mart
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
with from_below as (
    insert into ops.int_zone_author_hourly__marks (zone_id, hour, author_profile_id)
    select hours.zone_id, hours.hour, hours.author_profile_id
    from intermediate.int_zone_author_hourly as hours
    inner join drifted_buckets
        on hours.zone_id = drifted_buckets.zone_id and hours.author_profile_id = drifted_buckets.profile_id
    union
    select links.zone_id, date_trunc('hour', tweets.twitter_created_at, 'UTC'), tweets.author_profile_id
    from drifted_buckets
    inner join core.twitter_tweets as tweets on drifted_buckets.profile_id = tweets.author_profile_id
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

insert into ops.twitter_top_profiles_by_zone__marks (zone_id, profile_id)
select drifted_buckets.zone_id, drifted_buckets.profile_id
from drifted_buckets;

-- name: forget
-- What this snapshot shows was recounted, or is a sample of it; what was touched since is not seen here.
delete from ops.twitter_top_profiles_by_zone__touched;
