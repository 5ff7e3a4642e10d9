-- Rules, by zone and tag.

-- name: holder_of_external_id
select
    zones.name,
    twitter_rules.tag
from core.twitter_rules
inner join core.zones on twitter_rules.zone_id = zones.id
where twitter_rules.source = %(source)s and twitter_rules.external_rule_id = %(external_rule_id)s;

-- name: all
select
    twitter_rules.id,
    zones.name as zone,
    twitter_rules.source,
    twitter_rules.tag,
    twitter_rules.query,
    twitter_rules.interval_seconds,
    twitter_rules.external_rule_id,
    twitter_rules.is_active,
    twitter_rules.last_triggered_at
from core.twitter_rules
inner join core.zones on twitter_rules.zone_id = zones.id
where
    (%(zone_id)s::uuid is null or twitter_rules.zone_id = %(zone_id)s)
    and (%(tag)s::text is null or twitter_rules.tag = %(tag)s)
order by zones.name, twitter_rules.tag;
