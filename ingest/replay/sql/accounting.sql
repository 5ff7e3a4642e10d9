-- What became of deliveries that have been normalised; those that still wait are not among the rows.
-- name: of_deliveries
select
    accounting.delivery_id,
    accounting.item_count,
    accounting.normalised_count,
    accounting.duplicate_count,
    accounting.control_count,
    accounting.dead_count
from ops.delivery_accounting as accounting
where accounting.delivery_id = any(%(delivery_ids)s)
