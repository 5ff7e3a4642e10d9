-- How deliveries are taken from the queue, and found again.

-- Claims are deletions: a worker that dies gives its deliveries back. At most so many deliveries and, beyond the first
-- one, so many items and bytes: memory stays bounded whatever the backlog.
-- name: claim
with candidates as materialized (
    select queue.delivery_id
    from raw.delivery_queue as queue
    order by queue.delivery_id
    limit %(deliveries)s
    for update skip locked
),

sized as (
    select
        candidates.delivery_id,
        sum(deliveries.item_count) over by_age - deliveries.item_count as items_before,
        sum(deliveries.body_bytes::bigint) over by_age - deliveries.body_bytes as bytes_before
    from candidates
    inner join raw.deliveries on candidates.delivery_id = deliveries.delivery_id
    window by_age as (order by candidates.delivery_id)
),

claimed as (
    delete from raw.delivery_queue as queue
    using sized
    where
        queue.delivery_id = sized.delivery_id
        and sized.items_before < %(items)s
        and sized.bytes_before < %(bytes)s
    returning queue.delivery_id
)

select
    deliveries.delivery_id,
    deliveries.received_at,
    deliveries.item_count,
    deliveries.source,
    deliveries.zone,
    deliveries.dictionary_id,
    deliveries.body
from claimed
inner join raw.deliveries on claimed.delivery_id = deliveries.delivery_id
order by deliveries.delivery_id;

-- name: by_ids
select
    deliveries.delivery_id,
    deliveries.received_at,
    deliveries.item_count,
    deliveries.source,
    deliveries.zone,
    deliveries.dictionary_id,
    deliveries.body
from raw.deliveries
where deliveries.delivery_id = any(%(delivery_ids)s)
order by deliveries.delivery_id;

-- Deliveries of a period that were normalised before, a page at a time.
-- name: page_of_period
select deliveries.delivery_id
from raw.deliveries
inner join ops.delivery_accounting as accounting on deliveries.delivery_id = accounting.delivery_id
where
    deliveries.delivery_id > %(after)s
    and deliveries.delivery_id < %(end)s
order by deliveries.delivery_id
limit %(limit)s;

-- name: waiting
select count(*) from raw.delivery_queue;

-- name: dictionaries
select compression_dictionaries.dictionary_id, compression_dictionaries.dictionary
from raw.compression_dictionaries;

-- name: zones
select zones.id, zones.name from core.zones;

-- name: rules
select rules.id, rules.zone_id, rules.source, rules.tag, rules.external_rule_id
from core.twitter_rules as rules;

-- name: share_writing
select pg_advisory_xact_lock_shared(%(key)s);

-- name: sealed
select sealed.lower_id, sealed.upper_id from ops.sealed_ranges as sealed;
