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

-- name: insert
insert into core.zones (name, description, timezone)
values (%(name)s, %(description)s, %(timezone)s)
on conflict (name) do nothing
returning id as zone_id, name, description, timezone, is_active, created_at, updated_at;

-- name: update
update core.zones as zones
set
    description = coalesce(%(description)s, zones.description),
    timezone = coalesce(%(timezone)s, zones.timezone),
    is_active = coalesce(%(is_active)s, zones.is_active)
where zones.id = %(zone_id)s
returning
    zones.id as zone_id, zones.name, zones.description, zones.timezone, zones.is_active, zones.created_at,
    zones.updated_at;

-- name: timezone_exists
select exists(select from pg_timezone_names where pg_timezone_names.name = %(timezone)s) as does;

-- name: rules_of
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
where rules.zone_id = %(zone_id)s
order by rules.tag;

-- name: insert_rule
insert into core.twitter_rules (zone_id, source, tag, query, interval_seconds, created_by)
values (%(zone_id)s, %(source)s, %(tag)s, %(query)s, %(interval_seconds)s, %(actor)s)
on conflict (zone_id, tag) do nothing
returning
    id as rule_id, zone_id, source, tag, query, interval_seconds::double precision as interval_seconds,
    external_rule_id, is_active, last_triggered_at, created_by, created_at, updated_at;

-- name: update_rule
update core.twitter_rules as rules
set
    query = coalesce(%(query)s, rules.query),
    interval_seconds = coalesce(%(interval_seconds)s, rules.interval_seconds),
    is_active = coalesce(%(is_active)s, rules.is_active)
where rules.id = %(rule_id)s
returning
    rules.id as rule_id, rules.zone_id, rules.source, rules.tag, rules.query,
    rules.interval_seconds::double precision as interval_seconds, rules.external_rule_id, rules.is_active,
    rules.last_triggered_at, rules.created_by, rules.created_at, rules.updated_at;

-- name: act_as
select set_config('audit.actor', %(actor)s, true) as actor;

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
