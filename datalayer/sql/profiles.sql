-- name: by_id
select
    profiles.twitter_user_id,
    profiles.username,
    profiles.name,
    profiles.description,
    profiles.location,
    profiles.profile_picture_url,
    profiles.cover_picture_url,
    profiles.profile_url,
    profiles.is_verified,
    profiles.is_blue_verified,
    profiles.verified_type,
    profiles.is_automated,
    profiles.is_monitored,
    profiles.followers_count,
    profiles.following_count,
    profiles.tweets_count,
    profiles.media_count,
    profiles.favourites_count,
    profiles.twitter_created_at,
    profiles.first_seen_at,
    profiles.last_seen_at,
    profiles.last_updated_at
from core.twitter_profiles as profiles
where profiles.twitter_user_id = any(%(ids)s::bigint[]) and profiles.suppressed_at is null;

-- name: id_of_username
select profiles.twitter_user_id
from core.twitter_profiles as profiles
where lower(profiles.username) = lower(%(username)s) and profiles.suppressed_at is null
order by profiles.last_seen_at desc, profiles.twitter_user_id
limit 1;

-- Names that begin with the text come first, then words of name and description; the most followed first in each.
-- name: search
with by_name as (
    select
        profiles.twitter_user_id,
        case when lower(profiles.username) = lower(%(text)s) then 0 else 1 end as place,
        profiles.followers_count
    from core.twitter_profiles as profiles
    where lower(profiles.username) like %(prefix)s and profiles.suppressed_at is null
    order by place, profiles.followers_count desc nulls last, profiles.twitter_user_id
    limit %(limit)s
),

by_words as (
    select
        profiles.twitter_user_id,
        2 as place,
        profiles.followers_count
    from core.twitter_profiles as profiles
    where
        to_tsvector(
            'simple',
            coalesce(profiles.name, '') || ' ' || coalesce(profiles.username, '') || ' '
            || coalesce(profiles.description, '')
        ) @@ websearch_to_tsquery('simple', %(text)s)
        and profiles.suppressed_at is null
    order by profiles.followers_count desc nulls last, profiles.twitter_user_id
    limit %(limit)s
),

best as (
    select
        found.twitter_user_id,
        min(found.place) as place,
        max(found.followers_count) as followers_count
    from (
        select by_name.twitter_user_id, by_name.place, by_name.followers_count from by_name
        union all
        select by_words.twitter_user_id, by_words.place, by_words.followers_count from by_words
    ) as found
    group by found.twitter_user_id
)

select best.twitter_user_id
from best
order by best.place, best.followers_count desc nulls last, best.twitter_user_id
limit %(limit)s;

-- name: monitored
select profiles.twitter_user_id
from core.twitter_profiles as profiles
where profiles.is_monitored and profiles.suppressed_at is null and profiles.twitter_user_id > %(after)s
order by profiles.twitter_user_id
limit %(limit)s;

-- name: growth
select
    snapshots.snapshot_at,
    snapshots.followers_count,
    snapshots.following_count,
    snapshots.tweets_count,
    snapshots.favourites_count,
    snapshots.followers_count - lag(snapshots.followers_count) over by_time as delta_followers,
    snapshots.following_count - lag(snapshots.following_count) over by_time as delta_following,
    snapshots.tweets_count - lag(snapshots.tweets_count) over by_time as delta_tweets,
    (
        (snapshots.followers_count - lag(snapshots.followers_count) over by_time)
        / nullif(extract(epoch from snapshots.snapshot_at - lag(snapshots.snapshot_at) over by_time) / 86400, 0)
    )::double precision as followers_growth_rate
from core.twitter_profile_snapshots as snapshots
where
    snapshots.profile_id = %(profile_id)s
    and exists (
        select from core.twitter_profiles as profiles
        where profiles.twitter_user_id = %(profile_id)s and profiles.suppressed_at is null
    )
    and snapshots.snapshot_at >= %(since)s
window by_time as (order by snapshots.snapshot_at)
order by snapshots.snapshot_at;

-- name: recent_engagement
select
    count(*) as tweet_count,
    count(recent.total_engagement) as counted_tweet_count,
    sum(recent.total_engagement)::bigint as total_engagement,
    avg(recent.total_engagement)::double precision as avg_engagement
from (
    select metrics.total_engagement
    from core.twitter_tweets as tweets
    left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
    where
        tweets.author_profile_id = %(profile_id)s
        and tweets.tweet_id >= %(first)s
        and tweets.retweeted_tweet_id is null
        and tweets.suppressed_at is null
    order by tweets.tweet_id desc
    limit %(limit)s
) as recent;
