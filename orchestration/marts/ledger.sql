-- name: set_as_of
-- The moment that windows end at and hours are complete by; without one given, the present. A given one is held for an
-- hour, and a build that respects that keeps it.
update ops.as_of as present
set
    as_of = case
        when %(as_of)s::timestamptz is not null then %(as_of)s::timestamptz
        when %(unless_held)s and present.held_until > now() then present.as_of
        else now()
    end,
    held_until = case
        when %(as_of)s::timestamptz is not null then now() + interval '1 hour'
        when %(unless_held)s and present.held_until > now() then present.held_until
    end,
    written_at = now()
returning present.as_of;

-- name: waiting
select
    waiting.model,
    waiting.mark_count
from (
    select 'int_zone_counted_tweets' as model, count(*) as mark_count from ops.int_zone_counted_tweets__marks
    union all
    select 'int_zone_author_hourly', count(*) from ops.int_zone_author_hourly__marks
    union all
    select 'int_zone_hourly', count(*) from ops.int_zone_hourly__marks
    union all
    select 'int_zone_tag_author_hourly', count(*) from ops.int_zone_tag_author_hourly__marks
    union all
    select 'int_zone_tag_author_window', count(*) from ops.int_zone_tag_author_window__marks
    union all
    select 'twitter_zone_stats_hourly', count(*) from ops.twitter_zone_stats_hourly__marks
    union all
    select 'twitter_top_profiles_by_zone', count(*) from ops.twitter_top_profiles_by_zone__marks
    union all
    select 'twitter_trending_hashtags', count(*) from ops.twitter_trending_hashtags__marks
    union all
    select 'int_zone_top_tweets_hourly', count(*) from ops.int_zone_top_tweets_hourly__marks
    union all
    select 'twitter_top_engaged_tweets', count(*) from ops.twitter_top_engaged_tweets__marks
    union all
    select 'twitter_zone_stats_daily', count(*) from ops.twitter_zone_stats_daily__marks
    union all
    select 'twitter_top_profiles_by_zone_window', count(*) from ops.twitter_top_profiles_by_zone_window__marks
    union all
    select 'int_zone_entity_author_hourly', count(*) from ops.int_zone_entity_author_hourly__marks
    union all
    select 'twitter_trending_entities', count(*) from ops.twitter_trending_entities__marks
) as waiting
where waiting.model = any(%(models)s);

-- name: builds
-- What the latest build of each model did. Rows are those that the statistics count; exact within one vacuum. A crash
-- of the server empties its counters: then the planner's figure is the better one.
select
    state.model,
    state.as_of,
    state.claimed_bucket_count,
    greatest(tables.reltuples::bigint, pg_stat_get_live_tuples(tables.oid), 0) as row_count
from ops.mart_state as state
inner join pg_class as tables on state.model = tables.relname
where tables.relnamespace in ('intermediate'::regnamespace, 'marts'::regnamespace);

-- name: unknown_zones
select given.name
from unnest(%(zones)s::text[]) as given (name)
where not exists (select 1 from core.zones where zones.name = given.name);

-- name: mark_buckets
-- Every author's hour of the chosen days (UTC) that has tweets or a row, and its tweets: those are counted anew, then
-- it is summed anew; all other buckets follow from these. Counts only, if dry.
with chosen_zones as (
    select zones.id
    from core.zones
    where cardinality(%(zones)s::text[]) = 0 or zones.name = any(%(zones)s::text[])
),

tweets as (
    select
        links.tweet_id,
        links.zone_id,
        date_trunc('hour', tweets.twitter_created_at, 'UTC') as hour,
        tweets.author_profile_id
    from core.twitter_tweets as tweets
    inner join core.twitter_tweet_zones as links on tweets.tweet_id = links.tweet_id
    inner join chosen_zones on links.zone_id = chosen_zones.id
    where
        tweets.tweet_id >= core.first_tweet_id_of(%(start)s)
        and tweets.tweet_id < core.end_tweet_id_of(%(end)s)
        and tweets.twitter_created_at >= %(start)s
        and tweets.twitter_created_at < %(end)s
    union
    select
        counted.tweet_id,
        counted.zone_id,
        counted.hour,
        counted.author_profile_id
    from intermediate.int_zone_counted_tweets as counted
    inner join chosen_zones on counted.zone_id = chosen_zones.id
    where
        counted.tweet_id >= core.first_tweet_id_of(%(start)s)
        and counted.tweet_id < core.end_tweet_id_of(%(end)s)
        and counted.hour >= %(start)s
        and counted.hour < %(end)s
),

marked_tweets as (
    insert into ops.int_zone_counted_tweets__marks (tweet_id)
    select distinct tweets.tweet_id
    from tweets
    where not %(dry_run)s
),

chosen as (
    select
        tweets.zone_id,
        tweets.hour,
        tweets.author_profile_id
    from tweets
    union
    select
        built.zone_id,
        built.hour,
        built.author_profile_id
    from intermediate.int_zone_author_hourly as built
    inner join chosen_zones on built.zone_id = chosen_zones.id
    where built.hour >= %(start)s and built.hour < %(end)s
),

marked as (
    insert into ops.int_zone_author_hourly__marks (zone_id, hour, author_profile_id)
    select
        chosen.zone_id,
        chosen.hour,
        chosen.author_profile_id
    from chosen
    where not %(dry_run)s
),

-- What is known of hours without tweets: who listened to them.
silent_hours as (
    insert into ops.twitter_zone_stats_hourly__marks (zone_id, hour)
    select
        coverage.zone_id,
        coverage.hour
    from ops.zone_hour_coverage as coverage
    inner join chosen_zones on coverage.zone_id = chosen_zones.id
    where coverage.hour >= %(start)s and coverage.hour < %(end)s and not %(dry_run)s
)

select count(*) from chosen;
