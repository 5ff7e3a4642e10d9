-- How far retention has come with each partition.

-- name: try_lock
select pg_try_advisory_lock(%(key)s);

-- name: unlock
select pg_advisory_unlock(%(key)s);

-- Waits for the batches that are being written; those that begin later see what is sealed.
-- name: hold_writers_of_facts
select pg_advisory_xact_lock(%(key)s);

-- name: taken_up
select
    archives.table_name,
    archives.suffix,
    archives.lower_id,
    archives.upper_id,
    archives.step,
    archives.keep_until
from ops.partition_archives as archives
order by archives.upper_id, archives.table_name;

-- name: begin
insert into ops.partition_archives as archives (table_name, suffix, lower_id, upper_id, step)
values (%(table)s, %(suffix)s, %(lower)s, %(upper)s, 'detaching')
on conflict (table_name, suffix) do update
set step = 'detaching', begun_at = now(), restored_at = null, keep_until = null;

-- name: note_detached
update ops.partition_archives set step = 'detached', detached_at = now()
where table_name = %(table)s and suffix = %(suffix)s;

-- name: note_archived
update ops.partition_archives
set
    step = 'archived',
    archived_at = now(),
    path = %(path)s,
    row_count = %(row_count)s,
    content_checksum = %(content_checksum)s,
    file_sha256 = %(file_sha256)s,
    file_bytes = %(file_bytes)s
where table_name = %(table)s and suffix = %(suffix)s;

-- name: note_verified
update ops.partition_archives set step = 'verified', verified_at = now()
where table_name = %(table)s and suffix = %(suffix)s;

-- name: note_dropped
update ops.partition_archives set step = 'dropped', dropped_at = now()
where table_name = %(table)s and suffix = %(suffix)s;

-- name: note_restoring
update ops.partition_archives set step = 'restoring'
where table_name = %(table)s and suffix = %(suffix)s;

-- name: note_restored
update ops.partition_archives set step = 'restored', restored_at = now(), keep_until = %(keep_until)s
where table_name = %(table)s and suffix = %(suffix)s;

-- name: seal
-- No mark of its time waits: where tweets are counted at all, its tweets were.
insert into ops.sealed_ranges (lower_id, upper_id, starts_at, ends_at, is_counted)
select
    %(lower)s, %(upper)s, %(starts_at)s, %(ends_at)s,
    (select count(*) > 0 from ops.mart_state as state where state.model = 'int_zone_counted_tweets')
on conflict (lower_id) do nothing;

-- name: is_sealed
select count(*) from ops.sealed_ranges as sealed where sealed.lower_id = %(lower)s;

-- name: unseal
delete from ops.sealed_ranges where sealed_ranges.lower_id = %(lower)s;

-- name: unnormalised
select count(*) from raw.delivery_queue as queue where queue.delivery_id < %(upper)s;

-- The queues of the ledger that know a tweet or an hour: the marks in them say that a bucket is to be built from core.
-- name: queues
select
    columns.table_name::text,
    columns.column_name::text
from information_schema.columns as columns
where
    columns.table_schema = 'ops'
    and columns.table_name like '%%\_\_marks'
    and columns.column_name in ('hour', 'tweet_id')
order by columns.table_name;
