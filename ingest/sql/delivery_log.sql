-- The deliveries that were committed, newest first.

-- name: find
select
    log.delivery_id,
    log.received_at,
    log.source,
    log.zone,
    log.item_count,
    log.body_bytes,
    log.normalised_at,
    log.normalised_count,
    log.duplicate_count,
    log.control_count,
    log.dead_count,
    log.outcome,
    log.open_letters
from raw.delivery_log as log
where
    log.delivery_id >= %(from_id)s and log.delivery_id < %(to_id)s
    and (%(source)s::text is null or log.source = %(source)s)
    and (%(outcome)s::text is null or log.outcome = %(outcome)s)
order by log.delivery_id desc
limit %(limit)s;

-- name: of_ids
select
    log.delivery_id,
    log.received_at,
    log.source,
    log.zone,
    log.item_count,
    log.body_bytes,
    log.normalised_at,
    log.normalised_count,
    log.duplicate_count,
    log.control_count,
    log.dead_count,
    log.outcome,
    log.open_letters
from raw.delivery_log as log
where log.delivery_id = any(%(delivery_ids)s::bigint[])
order by log.delivery_id desc;
