-- How the front door writes, and what it must find before it says that it is ready.

-- One statement is one transaction is one round trip. The queue row, the body and the notification commit together.
-- name: land
with landed as (
    insert into raw.deliveries (
        delivery_id, received_at, source, zone, item_count, body_bytes, dictionary_id, body
    )
    select *
    from unnest(
        %(delivery_ids)b::bigint[],
        %(received_at)b::timestamptz[],
        %(sources)b::text[],
        %(zones)b::text[],
        %(item_counts)b::integer[],
        %(body_bytes)b::integer[],
        %(dictionary_ids)b::integer[],
        %(bodies)b::bytea[]
    )
),

queued as (
    insert into raw.delivery_queue (delivery_id)
    select * from unnest(%(delivery_ids)b::bigint[])
)

select pg_notify('deliveries', '');

-- name: dictionaries
select
    compression_dictionaries.dictionary_id,
    compression_dictionaries.source,
    compression_dictionaries.dictionary
from raw.compression_dictionaries
order by compression_dictionaries.dictionary_id;

-- The bounds of the partitions of raw.deliveries, as PostgreSQL writes them: FOR VALUES FROM ('…') TO ('…').
-- name: partition_bounds
select pg_get_expr(children.relpartbound, children.oid)
from pg_inherits
inner join pg_class as children on pg_inherits.inhrelid = children.oid
where pg_inherits.inhparent = to_regclass('raw.deliveries');

-- name: is_writable
select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off';

-- name: queue_figures
select
    figures.waiting_deliveries,
    figures.oldest_waiting_seconds,
    figures.normalised_items,
    figures.duplicate_items,
    figures.control_items,
    figures.dead_items
from raw.queue_figures as figures;

-- name: zone_figures
select
    figures.zone,
    figures.lag_seconds,
    figures.newest_tweet_age_seconds
from raw.zone_figures as figures
order by figures.zone;
