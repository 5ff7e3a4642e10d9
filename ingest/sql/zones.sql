-- Zones, by name. A name is compared as it is written.

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
