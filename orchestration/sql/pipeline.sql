-- What the assets, checks and sensors of raw and core ask the database.

-- Rows over all partitions as the server's statistics know them: counting a large table for a report would be a scan.
-- name: estimated_row_count
select coalesce(sum(greatest(leaves.reltuples::bigint, statistics.n_live_tup, 0)), 0)::bigint
from pg_partition_tree(%(table)s::regclass) as tree
inner join pg_class as leaves on tree.relid = leaves.oid
left join pg_stat_all_tables as statistics on tree.relid = statistics.relid
where tree.isleaf;

-- How many deliveries wait, for how long the oldest has, and the median time that the latest ones took to core.
-- name: queue_state
select
    (select count(*) from raw.delivery_queue) as waiting_deliveries,
    (
        select extract(epoch from clock_timestamp() - core.snowflake_time(min(queue.delivery_id)))
        from raw.delivery_queue as queue
    ) as oldest_waiting_seconds,
    (
        select
            percentile_cont(0.5) within group (
                order by extract(epoch from latest.normalised_at - core.snowflake_time(latest.delivery_id))
            )
        from (
            select accounting.normalised_at, accounting.delivery_id
            from ops.delivery_accounting as accounting
            where accounting.delivery_id >= core.snowflake_floor(clock_timestamp() - interval '10 minutes')
            order by accounting.delivery_id desc
            limit 1000
        ) as latest
    ) as median_seconds_to_core;

-- How late the latest tweets of each zone came, of the first fifty by name: each is a plot of its own.
-- name: zone_lags
select
    figures.zone,
    figures.lag_seconds
from raw.zone_figures as figures
order by figures.zone
limit 50;

-- Accepted items against what became of them, within one snapshot. Waiting items are those of deliveries in the queue.
-- name: accounting_balance
select
    coalesce(sum(deliveries.item_count), 0)::bigint as accepted,
    coalesce(sum(accounting.normalised_count), 0)::bigint as normalised,
    coalesce(sum(accounting.duplicate_count), 0)::bigint as duplicates,
    coalesce(sum(accounting.control_count), 0)::bigint as controls,
    coalesce(sum(accounting.dead_count), 0)::bigint as dead,
    coalesce(sum(deliveries.item_count) filter (where queue.delivery_id is not null), 0)::bigint as waiting,
    count(*) filter (
        where
            (accounting.delivery_id is null) = (queue.delivery_id is null)
            or accounting.item_count <> deliveries.item_count
            or accounting.normalised_count + accounting.duplicate_count + accounting.control_count
            + accounting.dead_count <> deliveries.item_count
    )::bigint as unbalanced_deliveries,
    min(deliveries.delivery_id) filter (
        where
            (accounting.delivery_id is null) = (queue.delivery_id is null)
            or accounting.item_count <> deliveries.item_count
            or accounting.normalised_count + accounting.duplicate_count + accounting.control_count
            + accounting.dead_count <> deliveries.item_count
    ) as first_unbalanced_delivery
from raw.deliveries
left join ops.delivery_accounting as accounting on deliveries.delivery_id = accounting.delivery_id
left join raw.delivery_queue as queue on deliveries.delivery_id = queue.delivery_id
where deliveries.delivery_id >= core.snowflake_floor(%(since)s);

-- name: open_dead_letters
select report.source, report.stage, report.reason, report.letter_count, report.latest_detail
from raw.dead_letter_report as report
order by report.letter_count desc, report.source, report.reason;

-- Rows without the tweet they belong to, and tweets without their metrics row, among those collected since a moment.
-- name: orphans
select
    (
        select count(*)
        from core.twitter_tweet_zones as links
        where
            links.first_matched_at >= %(since)s
            and not exists (select from core.twitter_tweets as tweets where tweets.tweet_id = links.tweet_id)
    ) as links_without_tweet,
    (
        select count(*)
        from core.twitter_tweets as tweets
        where
            tweets.collected_at >= %(since)s
            and not exists (select from core.twitter_tweet_metrics as metrics where metrics.tweet_id = tweets.tweet_id)
    ) as tweets_without_metrics,
    (
        select count(*)
        from core.twitter_entities as entities
        where
            entities.tweet_id >= core.snowflake_floor(%(since)s)
            and not exists (select from core.twitter_tweets as tweets where tweets.tweet_id = entities.tweet_id)
    ) as entities_without_tweet;

-- Whether a run holds the advisory lock of the one at work, and whether one holds that of the next in line.
-- name: who_is_at_work
select
    coalesce(bool_or(locks.objid = %(at_work)s), false) as is_somebody_at_work,
    coalesce(bool_or(locks.objid = %(next_in_line)s), false) as somebody_waits
from pg_locks as locks
inner join pg_database as databases on locks.database = databases.oid
where
    databases.datname = current_database()
    and locks.locktype = 'advisory'
    and locks.classid = 0
    and locks.objsubid = 1
    and locks.granted;
