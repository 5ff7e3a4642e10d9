-- name: all
select
    zones.id as zone_id,
    zones.name,
    zones.description,
    zones.timezone,
    zones.is_active,
    zones.created_at,
    zones.updated_at
from core.zones as zones
order by zones.name;

-- name: one
select
    zones.id as zone_id,
    zones.name,
    zones.description,
    zones.timezone,
    zones.is_active,
    zones.created_at,
    zones.updated_at
from core.zones as zones
where zones.id::text = %(name_or_id)s or zones.name = %(name_or_id)s
order by zones.name = %(name_or_id)s desc
limit 1;

-- name: timezone_exists
select exists(select from pg_timezone_names where pg_timezone_names.name = %(timezone)s) as does;

-- The rules of a zone, or one rule.
-- name: rules
select
    rules.id as rule_id,
    rules.zone_id,
    rules.source,
    rules.tag,
    rules.query,
    rules.interval_seconds::double precision as interval_seconds,
    rules.external_rule_id,
    rules.is_active,
    rules.last_triggered_at,
    rules.created_by,
    rules.created_at,
    rules.updated_at
from core.twitter_rules as rules
where rules.zone_id = %(zone_id)s or rules.id = %(rule_id)s
order by rules.tag;

-- name: audit_log
select
    log.changed_at,
    log.actor,
    log.action,
    log.subject,
    log.subject_id,
    log.old_values,
    log.new_values
from ops.audit_log as log
order by log.audit_id desc
limit %(limit)s;
