-- Every hour of the span has a row here, whether the mart has one or not: gaps are shown, never joined up.
-- An hour without tweets is 0 where somebody listened and the mart was built past it, and NULL otherwise. A count of an
-- hour that was not listened to from end to end stands as it is, and is_covered says so.
-- name: volume_hourly
select
    hours.hour as bucket,
    case when stats.hour is not null then stats.total_tweets when is_known.yes then 0 end as total_tweets,
    case when stats.hour is not null then stats.unique_authors when is_known.yes then 0 end as unique_authors,
    case when stats.hour is not null then stats.total_engagement when is_known.yes then 0 end as total_engagement,
    stats.avg_engagement::double precision as avg_engagement,
    stats.tweets_with_media,
    stats.tweets_with_links,
    stats.reply_tweets,
    stats.avg_sentiment::double precision as avg_sentiment,
    hours.hour + interval '1 hour' <= state.as_of as is_complete,
    coalesce(coverage.is_covered, false) as is_covered
from generate_series(%(first_hour)s::timestamptz, %(last_hour)s::timestamptz, interval '1 hour') as hours (hour)
left join ops.mart_state as state on state.model = 'twitter_zone_stats_hourly'
left join marts.twitter_zone_stats_hourly as stats on stats.zone_id = %(zone_id)s and hours.hour = stats.hour
left join ops.zone_hour_coverage as coverage on coverage.zone_id = %(zone_id)s and hours.hour = coverage.hour
cross join lateral (
    select coalesce(coverage.is_covered and hours.hour <= state.as_of, false) as yes
) as is_known
order by hours.hour;

-- Days of the time zone asked for; one with a clock change has 23 or 25 hours. Authors cannot be added up over hours.
-- name: volume_daily
select
    hourly.bucket,
    sum(hourly.total_tweets)::bigint as total_tweets,
    null::bigint as unique_authors,
    sum(hourly.total_engagement)::bigint as total_engagement,
    null::double precision as avg_engagement,
    sum(hourly.tweets_with_media)::bigint as tweets_with_media,
    sum(hourly.tweets_with_links)::bigint as tweets_with_links,
    sum(hourly.reply_tweets)::bigint as reply_tweets,
    null::double precision as avg_sentiment,
    bool_and(hourly.is_complete) as is_complete,
    bool_and(hourly.is_covered) as is_covered
from (
    select
        date_trunc('day', hours.hour, %(timezone)s) as bucket,
        case when stats.hour is not null then stats.total_tweets when is_known.yes then 0 end as total_tweets,
        case when stats.hour is not null then stats.total_engagement when is_known.yes then 0 end as total_engagement,
        stats.tweets_with_media,
        stats.tweets_with_links,
        stats.reply_tweets,
        coalesce(hours.hour + interval '1 hour' <= state.as_of, false) as is_complete,
        coalesce(coverage.is_covered, false) as is_covered
    from generate_series(%(first_hour)s::timestamptz, %(last_hour)s::timestamptz, interval '1 hour') as hours (hour)
    left join ops.mart_state as state on state.model = 'twitter_zone_stats_hourly'
    left join marts.twitter_zone_stats_hourly as stats on stats.zone_id = %(zone_id)s and hours.hour = stats.hour
    left join ops.zone_hour_coverage as coverage on coverage.zone_id = %(zone_id)s and hours.hour = coverage.hour
    cross join lateral (
        select coalesce(coverage.is_covered and hours.hour <= state.as_of, false) as yes
    ) as is_known
) as hourly
group by hourly.bucket
order by hourly.bucket;

-- name: top_users_by_engagement
select
    top.profile_id,
    top.username,
    top.name,
    top.profile_picture_url,
    top.is_verified,
    top.is_blue_verified,
    top.followers_count,
    top.tweet_count,
    top.total_engagement,
    top.avg_engagement::double precision as avg_engagement,
    top.last_tweet_at
from marts.twitter_top_profiles_by_zone as top
where top.zone_id = %(zone_id)s
order by top.total_engagement desc nulls last, top.profile_id
limit %(limit)s;

-- name: top_users_by_tweet_count
select
    top.profile_id,
    top.username,
    top.name,
    top.profile_picture_url,
    top.is_verified,
    top.is_blue_verified,
    top.followers_count,
    top.tweet_count,
    top.total_engagement,
    top.avg_engagement::double precision as avg_engagement,
    top.last_tweet_at
from marts.twitter_top_profiles_by_zone as top
where top.zone_id = %(zone_id)s
order by top.tweet_count desc, top.profile_id
limit %(limit)s;

-- name: top_users_by_followers
select
    top.profile_id,
    top.username,
    top.name,
    top.profile_picture_url,
    top.is_verified,
    top.is_blue_verified,
    top.followers_count,
    top.tweet_count,
    top.total_engagement,
    top.avg_engagement::double precision as avg_engagement,
    top.last_tweet_at
from marts.twitter_top_profiles_by_zone as top
where top.zone_id = %(zone_id)s
order by top.followers_count desc nulls last, top.profile_id
limit %(limit)s;

-- The same lists over a window of whole hours, summed from the hours of each author.
-- name: top_users_of_window
with sums as (
    select
        hourly.author_profile_id as profile_id,
        sum(hourly.tweet_count)::bigint as tweet_count,
        sum(hourly.total_engagement)::bigint as total_engagement,
        max(hourly.last_tweet_at) as last_tweet_at
    from intermediate.int_zone_author_hourly as hourly
    where hourly.zone_id = %(zone_id)s and hourly.hour >= %(first_hour)s and hourly.hour <= %(last_hour)s
    group by hourly.author_profile_id
)

select
    sums.profile_id,
    profiles.username,
    profiles.name,
    profiles.profile_picture_url,
    profiles.is_verified,
    profiles.is_blue_verified,
    profiles.followers_count,
    sums.tweet_count,
    sums.total_engagement,
    sums.total_engagement::double precision / sums.tweet_count as avg_engagement,
    sums.last_tweet_at
from sums
left join core.twitter_profiles as profiles on sums.profile_id = profiles.twitter_user_id
order by
    case %(order_by)s::text
        when 'engagement' then sums.total_engagement
        when 'tweet_count' then sums.tweet_count
        else profiles.followers_count
    end desc nulls last,
    sums.profile_id
limit %(limit)s;

-- The same lists over a window that a mart keeps.
-- name: top_users_of_kept_window
select
    top.profile_id,
    profiles.username,
    profiles.name,
    profiles.profile_picture_url,
    profiles.is_verified,
    profiles.is_blue_verified,
    profiles.followers_count,
    top.tweet_count,
    top.total_engagement,
    top.avg_engagement::double precision as avg_engagement,
    top.last_tweet_at
from marts.twitter_top_profiles_by_zone_window as top
inner join core.twitter_profiles as profiles on top.profile_id = profiles.twitter_user_id
where top.zone_id = %(zone_id)s and top.time_window = %(time_window)s and profiles.suppressed_at is null
order by
    case %(order_by)s::text
        when 'engagement' then top.total_engagement
        when 'tweet_count' then top.tweet_count
        else profiles.followers_count
    end desc nulls last,
    top.profile_id
limit %(limit)s;

-- name: zone_summary
select
    sum(stats.total_tweets)::bigint as total_tweets,
    sum(stats.total_engagement)::bigint as total_engagement,
    sum(stats.total_views)::bigint as total_views,
    sum(stats.tweets_with_media)::bigint as tweets_with_media,
    sum(stats.tweets_with_links)::bigint as tweets_with_links,
    sum(stats.reply_tweets)::bigint as reply_tweets,
    max(stats.hour) as last_hour
from marts.twitter_zone_stats_hourly as stats
where stats.zone_id = %(zone_id)s and stats.hour >= %(first_hour)s and stats.hour < %(end_hour)s;
