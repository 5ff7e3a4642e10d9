-- Zones, by name. A name is compared as it is written.

-- name: add
insert into core.zones (name, timezone, description)
values (%(name)s, %(timezone)s, %(description)s)
on conflict on constraint zones_name_key do nothing
returning
    zones.id, zones.name, zones.timezone, zones.description, zones.is_active, zones.created_at, 0::bigint as rule_count;

-- name: set_active
update core.zones
set is_active = %(is_active)s
where zones.name = %(name)s
returning zones.id;

-- name: all
select
    zones.id,
    zones.name,
    zones.timezone,
    zones.description,
    zones.is_active,
    zones.created_at,
    (
        select count(*)
        from core.twitter_rules
        where twitter_rules.zone_id = zones.id and twitter_rules.is_active
    ) as rule_count
from core.zones
where %(name)s::text is null or zones.name = %(name)s
order by zones.name, zones.id;

-- name: timezones
select pg_timezone_names.name
from pg_timezone_names
where
    pg_timezone_names.name !~ '^(posix|right)/'
    and pg_timezone_names.name not in ('localtime', 'posixrules', 'Factory');
