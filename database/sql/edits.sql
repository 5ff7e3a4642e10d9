-- What people edit by hand. Each statement returns the id of what it changed, nothing where nothing was changed.

-- name: insert_zone
insert into core.zones (name, timezone, description)
values (%(name)s, %(timezone)s, %(description)s)
on conflict on constraint zones_name_key do nothing
returning zones.id;

-- name: update_zone
update core.zones
set
    description = coalesce(%(description)s, zones.description),
    timezone = coalesce(%(timezone)s, zones.timezone),
    is_active = coalesce(%(is_active)s, zones.is_active)
where zones.id = %(zone_id)s
returning zones.id;

-- name: insert_rule
insert into core.twitter_rules (zone_id, source, tag, query, interval_seconds, external_rule_id, created_by)
values (
    %(zone_id)s, %(source)s, %(tag)s, %(query)s, %(interval_seconds)s, %(external_rule_id)s, %(created_by)s
)
on conflict on constraint twitter_rules_zone_id_tag_key do nothing
returning twitter_rules.id;

-- name: update_rule
update core.twitter_rules
set
    query = coalesce(%(query)s, twitter_rules.query),
    interval_seconds = coalesce(%(interval_seconds)s, twitter_rules.interval_seconds),
    is_active = coalesce(%(is_active)s, twitter_rules.is_active)
where twitter_rules.id = %(rule_id)s
returning twitter_rules.id;

-- name: set_monitored
update core.twitter_profiles
set is_monitored = %(is_monitored)s, updated_at = now()
where
    twitter_profiles.twitter_user_id = any(%(profile_ids)s::bigint[])
    and twitter_profiles.is_monitored <> %(is_monitored)s
returning twitter_profiles.twitter_user_id;

-- name: act_as
select set_config('audit.actor', %(actor)s, true);
