-- What was listened to: gaps and covered hours, computed anew from heart-beats, rule periods, outages and budgets.

-- A gap that lasts, or that reaches into the window, is computed from its own beginning.
-- name: begin_of_window
select least(%(since)s::timestamptz, min(gaps.starts_at))
from ops.gaps
where
    gaps.kind in ('service_down', 'rule_inactive')
    and (gaps.ends_at is null or gaps.ends_at >= %(since)s);

-- Before the first heart-beat of all nothing can be told.
-- name: first_beat
select core.snowflake_time(min(deliveries.delivery_id))
from raw.deliveries
where deliveries.source = 'heartbeat';

-- name: renew_gaps
with bounds as (
    select
        %(since)s::timestamptz as since,
        %(until)s::timestamptz as until
),

rule_spans as (
    select
        listening.zone_id,
        range_agg(listening.span) as spans
    from ops.rule_listening(%(until)s) as listening
    group by listening.zone_id
),

service_down as (
    select
        'service_down' as kind,
        null::uuid as zone_id,
        down.span,
        'no heart-beat came through the pipe' as detail
    from bounds
    cross join lateral unnest(
        tstzmultirange(tstzrange(bounds.since, bounds.until)) - ops.pipe_uptime(bounds.since, bounds.until)
    ) as down (span)
),

rule_inactive as (
    select
        'rule_inactive' as kind,
        rule_spans.zone_id,
        silent.span,
        'none of the rules of the zone was active' as detail
    from bounds
    cross join rule_spans
    cross join lateral unnest(
        tstzmultirange(
            tstzrange(greatest(bounds.since, lower(rule_spans.spans)), greatest(bounds.until, lower(rule_spans.spans)))
        ) - rule_spans.spans
    ) as silent (span)
),

over_budget as (
    select
        'limit_reached' as kind,
        null::uuid as zone_id,
        tstzrange(
            coverage.due_on::timestamp at time zone 'UTC', (coverage.due_on + 1)::timestamp at time zone 'UTC'
        ) as span,
        'the spending limit left out ' || sum(coverage.over_budget_count) || ' looks at tweets that were due' as detail
    from ops.engagement_coverage as coverage
    cross join bounds
    where
        coverage.over_budget_count > 0
        and coverage.due_on >= (bounds.since at time zone 'UTC')::date
    group by coverage.due_on
),

found as (
    select
        computed.kind,
        computed.zone_id,
        lower(computed.span) as starts_at,
        case when upper(computed.span) < bounds.until then upper(computed.span) end as ends_at,
        computed.kind <> 'limit_reached' as stops_collection,
        computed.detail
    from (
        select * from service_down
        union all
        select * from rule_inactive
        union all
        select * from over_budget
    ) as computed
    cross join bounds
),

forgotten as (
    delete from ops.gaps
    using bounds
    where
        gaps.source is null
        and gaps.starts_at >= case
            when gaps.kind = 'limit_reached' then date_trunc('day', bounds.since, 'UTC') else bounds.since
        end
        and not exists (
            select from found
            where
                found.kind = gaps.kind
                and found.zone_id is not distinct from gaps.zone_id
                and found.starts_at = gaps.starts_at
        )
)

insert into ops.gaps as known (kind, zone_id, starts_at, ends_at, stops_collection, detail)
select found.kind, found.zone_id, found.starts_at, found.ends_at, found.stops_collection, found.detail
from found
on conflict on constraint gaps_are_told_once do update
set ends_at = excluded.ends_at, detail = excluded.detail
where (known.ends_at, known.detail) is distinct from (excluded.ends_at, excluded.detail);

-- An hour's seconds are those in which a rule was active and its provider answered, while the pipe was open; and those
-- that were collected afterwards.
-- name: renew_coverage
with bounds as (
    select
        date_trunc('hour', %(since)s::timestamptz, 'UTC') as since,
        %(until)s::timestamptz as until
),

outages as (
    select
        gaps.source,
        range_agg(tstzrange(gaps.starts_at, coalesce(gaps.ends_at, 'infinity'))) as spans
    from ops.gaps
    where
        gaps.source is not null
        and gaps.stops_collection
        and coalesce(gaps.ends_at, 'infinity') >= (select bounds.since from bounds)
    group by gaps.source
),

listened as (
    select
        listening.zone_id,
        range_agg(
            tstzmultirange(listening.span) - coalesce(outages.spans, '{}')
        ) * (select ops.pipe_uptime(bounds.since, bounds.until) from bounds) as spans
    from ops.rule_listening(%(until)s) as listening
    left join outages on listening.source = outages.source
    group by listening.zone_id
),

collected as (
    select
        covered.zone_id,
        range_agg(tstzrange(covered.starts_at, covered.ends_at)) as spans
    from ops.covered_spans as covered
    where covered.ends_at > (select bounds.since from bounds)
    group by covered.zone_id
),

begins as (
    select
        listening.zone_id,
        min(lower(listening.span)) as listens_since
    from ops.rule_listening(%(until)s) as listening
    group by listening.zone_id
),

zones as (
    select
        begins.zone_id,
        begins.listens_since,
        coalesce(listened.spans, '{}') + coalesce(collected.spans, '{}') as spans
    from begins
    left join listened on begins.zone_id = listened.zone_id
    left join collected on begins.zone_id = collected.zone_id
),

hours as (
    select
        zones.zone_id,
        hour,
        least(hour + interval '1 hour', bounds.until) as end_at,
        zones.spans * tstzmultirange(tstzrange(hour, least(hour + interval '1 hour', bounds.until))) as spans
    from bounds
    cross join zones
    cross join lateral generate_series(
        greatest(bounds.since, date_trunc('hour', zones.listens_since, 'UTC')), bounds.until, interval '1 hour'
    ) as hour
    where hour < bounds.until
),

measured as (
    select
        hours.zone_id,
        hours.hour,
        extract(epoch from hours.end_at - hours.hour) as elapsed_seconds,
        coalesce((select sum(extract(epoch from upper(span) - lower(span))) from unnest(hours.spans) as span), 0)
            as covered_seconds
    from hours
)

insert into ops.zone_hour_coverage as known (zone_id, hour, is_covered, covered_seconds)
select
    measured.zone_id,
    measured.hour,
    measured.elapsed_seconds - measured.covered_seconds <= 180 and measured.covered_seconds > 0,
    floor(measured.covered_seconds)::integer
from measured
on conflict (zone_id, hour) do update
set is_covered = excluded.is_covered, covered_seconds = excluded.covered_seconds
where (known.is_covered, known.covered_seconds) is distinct from (excluded.is_covered, excluded.covered_seconds);

-- name: add_span
insert into ops.covered_spans (zone_id, starts_at, ends_at, origin)
values (%(zone_id)s, %(starts_at)s, %(ends_at)s, %(origin)s);

-- Hours that were collected afterwards, however long ago: they are covered as far as the spans reach, or as before.
-- name: cover_collected_hours
with spans as (
    select range_agg(tstzrange(covered.starts_at, covered.ends_at)) as spans
    from ops.covered_spans as covered
    where covered.zone_id = %(zone_id)s and covered.ends_at > %(starts_at)s and covered.starts_at < %(ends_at)s
),

measured as (
    select
        hour,
        floor((
            select sum(extract(epoch from upper(span) - lower(span)))
            from unnest(spans.spans * tstzmultirange(tstzrange(hour, hour + interval '1 hour'))) as span
        ))::integer as covered_seconds
    from spans
    cross join lateral generate_series(
        date_trunc('hour', %(starts_at)s::timestamptz, 'UTC'), %(ends_at)s::timestamptz, interval '1 hour'
    ) as hour
)

insert into ops.zone_hour_coverage as known (zone_id, hour, is_covered, covered_seconds)
select
    %(zone_id)s,
    measured.hour,
    3600 - measured.covered_seconds <= 180,
    measured.covered_seconds
from measured
where measured.covered_seconds > 0
on conflict (zone_id, hour) do update
set is_covered = excluded.is_covered, covered_seconds = excluded.covered_seconds
where excluded.covered_seconds > known.covered_seconds;

-- The hours of a zone that a replay brought tweets for, as spans, found through the links of its time of receipt.
-- name: hours_of_replay
select
    lower(span),
    upper(span)
from (
    select unnest(range_agg(tstzrange(hours.hour, hours.hour + interval '1 hour'))) as span
    from (
        select distinct date_trunc('hour', links.twitter_created_at, 'UTC') as hour
        from core.twitter_tweet_zones as links
        where
            links.zone_id = %(zone_id)s
            and links.first_matched_at between %(received_from)s and %(received_to)s
    ) as hours
) as found
order by span;

-- name: received_span
select
    core.snowflake_time(min(delivery_id)),
    core.snowflake_time(max(delivery_id)) + interval '1 millisecond'
from unnest(%(delivery_ids)s::bigint[]) as delivery_id;

-- name: zone_id
select zones.id from core.zones where zones.name = %(name)s;

-- What of the latest hours was not covered, and the gaps that say why.
-- name: open_gaps
select
    gaps.kind,
    coalesce(zones.name, gaps.source, 'everything') as subject,
    gaps.starts_at,
    gaps.ends_at,
    gaps.stops_collection,
    gaps.detail
from ops.gaps
left join core.zones on gaps.zone_id = zones.id
where coalesce(gaps.ends_at, 'infinity') >= %(since)s
order by gaps.starts_at, gaps.kind, subject;

-- name: covered_share
select
    zones.name,
    count(*) as hours,
    count(*) filter (where coverage.is_covered) as covered_hours
from ops.zone_hour_coverage as coverage
inner join core.zones on coverage.zone_id = zones.id
where coverage.hour >= %(since)s
group by zones.name
order by zones.name;

-- What of each zone's latest days was missed and not collected since: gaps that concern it, within the time since
-- somebody listens for it. A zone whose rules nobody switched on is left alone unless it is asked for.
-- name: missed
with listening as (
    select
        rules.zone_id,
        min(lower(rules.span)) as listens_since,
        array_agg(distinct rules.source) as sources
    from ops.rule_listening(%(until)s) as rules
    group by rules.zone_id
),

missing as (
    select
        listening.zone_id,
        range_agg(
            tstzrange(gaps.starts_at, greatest(least(coalesce(gaps.ends_at, %(until)s), %(until)s), gaps.starts_at))
            * tstzrange(greatest(listening.listens_since, %(since)s), null)
        ) as spans
    from listening
    cross join ops.gaps
    where
        gaps.stops_collection
        and coalesce(gaps.ends_at, %(until)s) > %(since)s
        and (
            gaps.kind = 'service_down'
            or gaps.source = any(listening.sources)
            or (gaps.zone_id = listening.zone_id and %(with_inactive)s::boolean)
        )
    group by listening.zone_id
),

collected as (
    select
        covered.zone_id,
        range_agg(tstzrange(covered.starts_at, covered.ends_at)) as spans
    from ops.covered_spans as covered
    where covered.ends_at > %(since)s
    group by covered.zone_id
)

select
    zones.id,
    zones.name,
    lower(span),
    upper(span)
from missing
inner join core.zones on missing.zone_id = zones.id
left join collected on missing.zone_id = collected.zone_id
cross join lateral unnest(missing.spans - coalesce(collected.spans, '{}')) as span
where zones.is_active and (%(zone)s::text is null or zones.name = %(zone)s)
order by span desc, zones.name;

-- name: rules_to_ask
select
    rules.tag,
    rules.query,
    rules.external_rule_id
from core.twitter_rules as rules
where rules.zone_id = %(zone_id)s and rules.source = %(source)s and rules.is_active
order by rules.tag;
