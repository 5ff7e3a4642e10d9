-- Our rules, what was last known of them at the provider, and the periods in which they delivered.

-- name: try_lock
select pg_try_advisory_lock(%(key)s);

-- name: unlock
select pg_advisory_unlock(%(key)s);

-- name: own_rules
select
    rules.id,
    zones.name,
    rules.tag,
    rules.query,
    rules.interval_seconds::float8,
    rules.external_rule_id,
    rules.is_active and zones.is_active as is_active
from core.twitter_rules as rules
inner join core.zones on rules.zone_id = zones.id
where rules.source = %(source)s
order by zones.name, rules.tag;

-- name: open_periods
select periods.rule_id
from core.twitter_rule_periods as periods
where periods.source = %(source)s and periods.active_to is null;

-- Every id under which a rule of ours ever delivered, that of deleted rules included.
-- name: managed_ids
select distinct periods.external_rule_id
from core.twitter_rule_periods as periods
where periods.source = %(source)s;

-- name: close_periods_of_deleted_rules
update core.twitter_rule_periods as periods
set active_to = %(now)s
where
    periods.source = %(source)s
    and periods.active_to is null
    and not exists (select from core.twitter_rules as rules where rules.id = periods.rule_id);

-- name: set_external_id
update core.twitter_rules as rules
set external_rule_id = %(external_rule_id)s
where rules.id = %(rule_id)s;

-- name: open_period
insert into core.twitter_rule_periods (
    rule_id, active_from, confirmed_at, zone_id, source, external_rule_id, query, interval_seconds
)
select
    rules.id, %(now)s, %(now)s, rules.zone_id, rules.source, %(external_rule_id)s, %(query)s, %(interval_seconds)s
from core.twitter_rules as rules
where rules.id = %(rule_id)s
on conflict do nothing;

-- name: confirm_period
update core.twitter_rule_periods as periods
set confirmed_at = %(now)s
where periods.rule_id = %(rule_id)s and periods.active_to is null;

-- What we ended, ended now. What the provider ended, ended at some time after it was last seen to be active.
-- name: close_period
update core.twitter_rule_periods as periods
set active_to = case when %(is_ours)s::boolean then %(now)s::timestamptz else periods.confirmed_at end
where periods.rule_id = %(rule_id)s and periods.active_to is null;

-- Handles that an account gave up, with what it is called now. Somebody else may carry the old handle by now.
-- name: renamed_handles
select
    lower(former.username) as handle,
    former.profile_id,
    profiles.username as present_username,
    former.valid_to
from core.twitter_profile_names as former
inner join core.twitter_profiles as profiles on former.profile_id = profiles.twitter_user_id
where
    lower(former.username) = any(%(handles)s::text[])
    and lower(profiles.username) <> lower(former.username)
    and not exists (
        select from core.twitter_profile_names as later
        where
            lower(later.username) = lower(former.username)
            and later.valid_to > former.valid_to
    )
order by handle, former.valid_to desc;
