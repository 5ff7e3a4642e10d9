-- Which tweets are due, what was observed of them, and what became of what was due.

-- name: try_lock
select pg_try_advisory_lock(%(key)s);

-- name: unlock
select pg_advisory_unlock(%(key)s);

-- name: settled_through
select progress.settled_through from ops.engagement_progress as progress;

-- name: begin_progress
insert into ops.engagement_progress (settled_through)
values (%(settled_through)s)
on conflict (is_only_row) do nothing;

-- name: advance_progress
update ops.engagement_progress
set settled_through = %(settled_through)s, settled_at = now()
where settled_through < %(settled_through)s;

-- The collected tweets of a range of ids, with when they were observed and found absent since a moment. Retweets are
-- left out: their counts are copies of their original's. Both bounds are given for each table, so that only the
-- partitions that hold the range are planned, and of them only the range is read.
-- name: candidates
select
    links.tweet_id,
    min(links.first_matched_at) as first_matched_at,
    (
        select array_agg(history.snapshot_at order by history.snapshot_at)
        from core.twitter_engagement_history as history
        where history.tweet_id = links.tweet_id and history.snapshot_at > %(after)s
    ) as observed_at,
    (
        select absences.last_missed_at
        from ops.tweet_absences as absences
        where absences.tweet_id = links.tweet_id and absences.last_missed_at > %(after)s
    ) as absent_at
from core.twitter_tweet_zones as links
inner join core.twitter_tweets as tweets on links.tweet_id = tweets.tweet_id
where
    links.tweet_id >= %(lower)s and links.tweet_id < %(upper)s
    and tweets.tweet_id >= %(lower)s and tweets.tweet_id < %(upper)s
    and tweets.retweeted_tweet_id is null
    -- What was deleted does not come back; what was suspended or protected may, and is asked for.
    and (tweets.suppression_reason is null or tweets.suppression_reason not in ('delete', 'user_delete'))
group by links.tweet_id
order by links.tweet_id;

-- How fast tweets gain engagement, per hour, between their latest two observations; NULL while there is one only.
-- name: velocities
select
    asked.tweet_id,
    (
        select
            (max(latest.total) filter (where latest.place = 1) - max(latest.total) filter (where latest.place = 2))
            / nullif(extract(epoch from max(latest.snapshot_at) - min(latest.snapshot_at)) / 3600, 0)
        from (
            select
                history.snapshot_at,
                coalesce(history.retweet_count, 0) + coalesce(history.reply_count, 0)
                + coalesce(history.like_count, 0) + coalesce(history.quote_count, 0) as total,
                row_number() over (order by history.snapshot_at desc) as place
            from core.twitter_engagement_history as history
            where history.tweet_id = asked.tweet_id
            order by history.snapshot_at desc
            limit 2
        ) as latest
    )::float8 as velocity_per_hour
from unnest(%(tweet_ids)s::bigint[]) as asked (tweet_id);

-- name: known_absent
select absences.tweet_id
from ops.tweet_absences as absences
where absences.tweet_id = any(%(tweet_ids)s::bigint[]);

-- Tweets that were on show a moment ago, beside those that are doubted: if they are missing too, the answer is wrong.
-- name: control_tweets
select metrics.tweet_id
from core.twitter_tweet_metrics as metrics
inner join core.twitter_tweet_zones as links on metrics.tweet_id = links.tweet_id
where
    metrics.tweet_id >= %(since_id)s
    and metrics.tweet_id <> all(%(doubted)s::bigint[])
    and not exists (select from ops.tweet_absences as absences where absences.tweet_id = metrics.tweet_id)
order by metrics.tweet_id desc
limit %(limit)s;

-- name: copy_latest
copy batch_tweets (
    tweet_id, observed_at, first_counted_at, retweet_count, reply_count, like_count, quote_count, view_count,
    bookmark_count
) from stdin (format binary); -- noqa: PRS

-- name: copy_history
copy batch_history (
    tweet_id, snapshot_at, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count
) from stdin (format binary); -- noqa: PRS

-- Where a tweet was observed once, that is its latest observation.
-- name: take_single_observations
insert into batch_tweets (
    tweet_id, observed_at, first_counted_at, retweet_count, reply_count, like_count, quote_count, view_count,
    bookmark_count
)
select
    batch.tweet_id, batch.snapshot_at, batch.snapshot_at, batch.retweet_count, batch.reply_count, batch.like_count,
    batch.quote_count, batch.view_count, batch.bookmark_count
from batch_history as batch
where batch.tweet_id <> all(%(observed_again)s::bigint[]);

-- What is not in core (any more) is not written: it may have been erased while it was being looked up.
-- name: forget_unknown_observations
delete from batch_history as batch
where not exists (select from batch_known as known where known.tweet_id = batch.tweet_id);

-- The batch tables of the normaliser were borrowed; whoever uses them next in this transaction finds them empty.
-- name: return_batch_tables
with
tweets as (delete from batch_tweets),
history as (delete from batch_history),
known as (delete from batch_known)
delete from batch_changed;

-- name: note_absences
insert into ops.tweet_absences as absences (tweet_id, reason, miss_count, first_missed_at, last_missed_at)
select missing.tweet_id, missing.reason, 1, %(observed_at)s, %(observed_at)s
from unnest(%(tweet_ids)s::bigint[], %(reasons)s::text[]) as missing (tweet_id, reason)
on conflict (tweet_id) do update
set
    reason = excluded.reason,
    miss_count = absences.miss_count + 1,
    last_missed_at = excluded.last_missed_at
where absences.last_missed_at < excluded.last_missed_at;

-- name: forget_absences
delete from ops.tweet_absences as absences
where absences.tweet_id = any(%(tweet_ids)s::bigint[]);

-- A tweet that was found absent and is shown again: whether it may be shown here is decided anew.
-- name: queue_returned
insert into ops.suppression_queue (tweet_id)
select tweets.tweet_id
from core.twitter_tweets as tweets
where tweets.tweet_id = any(%(tweet_ids)s::bigint[]) and tweets.suppression_reason = 'absent';

-- name: add_coverage
insert into ops.engagement_coverage as coverage (
    due_on, tier, due_count, taken_count, absent_count, missed_count, over_budget_count
)
values (
    %(due_on)s, %(tier)s, %(due_count)s, %(taken_count)s, %(absent_count)s, %(missed_count)s, %(over_budget_count)s
)
on conflict (due_on, tier) do update
set
    due_count = coverage.due_count + excluded.due_count,
    taken_count = coverage.taken_count + excluded.taken_count,
    absent_count = coverage.absent_count + excluded.absent_count,
    missed_count = coverage.missed_count + excluded.missed_count,
    over_budget_count = coverage.over_budget_count + excluded.over_budget_count;

-- name: coverage_since
select
    coverage.tier,
    sum(coverage.due_count)::bigint as due_count,
    sum(coverage.taken_count)::bigint as taken_count,
    sum(coverage.absent_count)::bigint as absent_count,
    sum(coverage.missed_count)::bigint as missed_count,
    sum(coverage.over_budget_count)::bigint as over_budget_count
from ops.engagement_coverage as coverage
where coverage.due_on >= %(since)s
group by coverage.tier
order by coverage.tier;
