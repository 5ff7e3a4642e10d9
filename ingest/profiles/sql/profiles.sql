-- Which profiles are followed, and what they were seen to be.

-- name: try_lock
select pg_try_advisory_lock(%(key)s);

-- name: unlock
select pg_advisory_unlock(%(key)s);

-- The tops exist only where dbt has built them.
-- name: has_top_profiles
select to_regclass('marts.twitter_top_profiles_by_zone') is not null;

-- Monitored profiles without a snapshot since the latest moment of their grid.
-- name: due_monitored
select profiles.twitter_user_id
from core.twitter_profiles as profiles
where
    profiles.is_monitored
    and not exists (
        select from core.twitter_profile_snapshots as snapshots
        where snapshots.profile_id = profiles.twitter_user_id and snapshots.snapshot_at >= %(due_at)s
    )
    and not exists (
        select from ops.profile_absences as absences
        where absences.profile_id = profiles.twitter_user_id and absences.last_missed_at >= %(due_at)s
    )
order by profiles.twitter_user_id;

-- The most engaged and the most followed profiles of each zone, without a snapshot since the latest moment of theirs.
-- name: due_tops
select distinct tops.profile_id
from core.zones
cross join lateral (
    (
        select engaged.profile_id
        from marts.twitter_top_profiles_by_zone as engaged
        where engaged.zone_id = zones.id
        order by engaged.total_engagement desc nulls last
        limit %(per_zone)s
    )
    union
    (
        select followed.profile_id
        from marts.twitter_top_profiles_by_zone as followed
        where followed.zone_id = zones.id
        order by followed.followers_count desc nulls last
        limit %(per_zone)s
    )
) as tops
where
    zones.is_active
    and exists (select from core.twitter_profiles as profiles where profiles.twitter_user_id = tops.profile_id)
    and not exists (
        select from core.twitter_profile_snapshots as snapshots
        where snapshots.profile_id = tops.profile_id and snapshots.snapshot_at >= %(due_at)s
    )
    and not exists (
        select from ops.profile_absences as absences
        where absences.profile_id = tops.profile_id and absences.last_missed_at >= %(due_at)s
    )
order by tops.profile_id;

-- name: known_absent
select absences.profile_id
from ops.profile_absences as absences
where absences.profile_id = any(%(profile_ids)s::bigint[]);

-- Profiles that were seen a moment ago, beside those that are doubted.
-- name: control_profiles
select profiles.twitter_user_id
from core.twitter_tweet_metrics as metrics
inner join core.twitter_tweets as tweets on metrics.tweet_id = tweets.tweet_id
inner join core.twitter_profiles as profiles on tweets.author_profile_id = profiles.twitter_user_id
where
    metrics.tweet_id >= %(since_id)s
    and profiles.twitter_user_id <> all(%(doubted)s::bigint[])
    and not exists (
        select from ops.profile_absences as absences where absences.profile_id = profiles.twitter_user_id
    )
order by metrics.tweet_id desc
limit %(limit)s;

-- name: insert_snapshots
insert into core.twitter_profile_snapshots (
    profile_id, snapshot_at, followers_count, following_count, tweets_count, favourites_count
)
select
    seen.profile_id, seen.snapshot_at, seen.followers_count, seen.following_count, seen.tweets_count,
    seen.favourites_count
from unnest(
    %(profile_ids)s::bigint[], %(snapshot_at)s::timestamptz[], %(followers)s::bigint[], %(following)s::bigint[],
    %(tweets)s::bigint[], %(favourites)s::bigint[]
) as seen (profile_id, snapshot_at, followers_count, following_count, tweets_count, favourites_count)
inner join core.twitter_profiles as profiles on seen.profile_id = profiles.twitter_user_id
on conflict (profile_id, snapshot_at) do nothing;

-- name: note_absences
insert into ops.profile_absences as absences (profile_id, reason, miss_count, first_missed_at, last_missed_at)
select missing.profile_id, missing.reason, 1, %(observed_at)s, %(observed_at)s
from unnest(%(profile_ids)s::bigint[], %(reasons)s::text[]) as missing (profile_id, reason)
on conflict (profile_id) do update
set
    reason = excluded.reason,
    miss_count = absences.miss_count + 1,
    last_missed_at = excluded.last_missed_at
where absences.last_missed_at < excluded.last_missed_at;

-- name: forget_absences
delete from ops.profile_absences as absences
where absences.profile_id = any(%(profile_ids)s::bigint[]);

-- Followed profiles and how many of them have a snapshot as fresh as their grid asks for.
-- name: freshness
select
    count(*)::bigint as monitored_count,
    count(*) filter (
        where exists (
            select from core.twitter_profile_snapshots as snapshots
            where snapshots.profile_id = profiles.twitter_user_id and snapshots.snapshot_at >= %(due_at)s
        )
    )::bigint as fresh_count,
    count(*) filter (
        where exists (
            select from ops.profile_absences as absences
            where absences.profile_id = profiles.twitter_user_id and absences.last_missed_at >= %(due_at)s
        )
    )::bigint as absent_count
from core.twitter_profiles as profiles
where profiles.is_monitored;

-- name: ids_of_username
select profiles.twitter_user_id
from core.twitter_profiles as profiles
where lower(profiles.username) = lower(%(username)s);
