-- What knowing the gaps, and keeping or dropping partitions, needs to remember.

-- Heart-beats are deliveries of a source of their own: the service lands one a minute through its own front door, and
-- only a normalised one counts. So a heart-beat proves the whole pipe, at the price of a row and of this small index.
create index idx_deliveries_heartbeats on raw.deliveries (delivery_id) where source = 'heartbeat';
comment on index raw.idx_deliveries_heartbeats is 'When the pipe was proved to be open';

-- One row per span in which something that collecting needs was missing. Those of kind service_down, rule_inactive and
-- limit_reached follow from other tables and are computed anew for the latest days; an outage of a provider is written
-- down by the trigger below.
create table ops.gaps (
    gap_id bigint generated always as identity constraint gaps_pkey primary key,
    kind text not null,
    source text,
    zone_id uuid constraint gaps_zone_id_fkey references core.zones (id) on delete cascade,
    starts_at timestamptz not null,
    ends_at timestamptz,
    stops_collection boolean not null,
    detail text not null,
    first_seen_at timestamptz not null default now(),
    constraint gaps_kind_is_known check (kind in ('service_down', 'rule_inactive', 'provider_down', 'limit_reached')),
    constraint gaps_end_after_begin check (ends_at >= starts_at),
    constraint gaps_are_told_once unique nulls not distinct (kind, source, zone_id, starts_at)
);
comment on column ops.gaps.zone_id is 'NULL: every zone, or every zone with rules at the source';
comment on column ops.gaps.ends_at is 'NULL while it lasts';
comment on column ops.gaps.stops_collection is
    'Whether tweets may be missing; false where only looks at known tweets were left out';
create index idx_gaps_recent on ops.gaps (kind, starts_at);
comment on index ops.idx_gaps_recent is 'The gaps of the latest days, by kind';

-- One row per span that was collected afterwards, whole: by a replay of an archive, or by asking the provider again.
create table ops.covered_spans (
    span_id bigint generated always as identity constraint covered_spans_pkey primary key,
    zone_id uuid not null constraint covered_spans_zone_id_fkey references core.zones (id) on delete cascade,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    origin text not null,
    noted_at timestamptz not null default now(),
    constraint covered_spans_origin_is_known check (origin in ('replay', 'backfill')),
    constraint covered_spans_end_after_begin check (ends_at > starts_at)
);
create index idx_covered_spans_zone on ops.covered_spans (zone_id, starts_at);
comment on index ops.idx_covered_spans_zone is 'What was collected afterwards for a zone';

-- One row per zone and UTC hour since somebody listens for it: how much of the hour was listened to. An hour counts as
-- covered when at most three minutes of it (of its elapsed part, while it is open) are missing: a restart of the
-- service is no gap. An hour without a row is not covered. Whoever changes a row leaves a mark for
-- twitter_zone_stats_hourly in the same transaction, so that a mart may join this table on (zone_id, hour).
create table ops.zone_hour_coverage (
    zone_id uuid not null constraint zone_hour_coverage_zone_id_fkey references core.zones (id) on delete cascade,
    hour timestamptz not null,
    is_covered boolean not null,
    covered_seconds integer not null,
    constraint zone_hour_coverage_pkey primary key (zone_id, hour),
    constraint zone_hour_coverage_is_part_of_an_hour check (covered_seconds between 0 and 3600)
);
comment on column ops.zone_hour_coverage.covered_seconds is
    'Seconds of the hour in which a rule of the zone was active, its provider answered and the pipe''s heart beat, or '
    'which a replay or a backfill collected afterwards';

create function ops.on_change_of_coverage() returns trigger
    language plpgsql as
$$
begin
    if tg_op = 'DELETE' then
        insert into ops.twitter_zone_stats_hourly__marks (zone_id, hour)
        select changed.zone_id, changed.hour from old_rows as changed;
    else
        insert into ops.twitter_zone_stats_hourly__marks (zone_id, hour)
        select changed.zone_id, changed.hour from new_rows as changed;
    end if;
    return null;
end
$$;

create trigger zone_hour_coverage_mark_insert after insert on ops.zone_hour_coverage
    referencing new table as new_rows for each statement execute function ops.on_change_of_coverage();
create trigger zone_hour_coverage_mark_update after update on ops.zone_hour_coverage
    referencing new table as new_rows for each statement execute function ops.on_change_of_coverage();
create trigger zone_hour_coverage_mark_delete after delete on ops.zone_hour_coverage
    referencing old table as old_rows for each statement execute function ops.on_change_of_coverage();

-- When the pipe was open: between two normalised heart-beats that are at most two and a half minutes apart (one is due
-- each minute), and from the latest one until then.
create function ops.pipe_uptime(window_start timestamptz, window_end timestamptz) returns tstzmultirange
    language sql stable
    begin atomic
    with bounds as (
        select
            window_start as start_at,
            window_end as end_at,
            core.snowflake_floor(window_start - interval '150 seconds') as first_delivery_id,
            core.snowflake_floor(window_end) as last_delivery_id
    ),

    beats as (
        select deliveries.received_at as beat_at
        from raw.deliveries
        inner join ops.delivery_accounting as accounting on deliveries.delivery_id = accounting.delivery_id
        where
            deliveries.source = 'heartbeat'
            and deliveries.delivery_id >= (select bounds.first_delivery_id from bounds)
            and deliveries.delivery_id <= (select bounds.last_delivery_id from bounds)
        union all
        select bounds.end_at from bounds
    ),

    pairs as (
        select
            beats.beat_at,
            lead(beats.beat_at) over (order by beats.beat_at) as next_beat_at
        from beats
    ),

    uptime as (
        select
            range_agg(tstzrange(pairs.beat_at, pairs.next_beat_at)) filter (
                where pairs.next_beat_at - pairs.beat_at <= interval '150 seconds'
            ) as spans
        from pairs
    )

    select coalesce(uptime.spans, '{}') * tstzmultirange(tstzrange(bounds.start_at, bounds.end_at))
    from uptime
    cross join bounds;
    end;

-- When each rule delivered: what the provider's list of rules said, and for a rule that no list ever held (nobody gave
-- us a key to ask), since it was made.
create function ops.rule_listening(window_end timestamptz) returns table (
    zone_id uuid, source text, span tstzrange
)
    language sql stable
    begin atomic
    with bounds as (
        select window_end as end_at
    )

    select
        periods.zone_id,
        periods.source,
        tstzrange(periods.active_from, least(periods.active_to, bounds.end_at))
    from core.twitter_rule_periods as periods
    cross join bounds
    where periods.active_from < bounds.end_at
    union all
    select
        rules.zone_id,
        rules.source,
        tstzrange(rules.created_at, bounds.end_at)
    from core.twitter_rules as rules
    inner join core.zones on rules.zone_id = zones.id
    cross join bounds
    where
        rules.is_active
        and zones.is_active
        and rules.created_at < bounds.end_at
        and not exists (select from core.twitter_rule_periods as periods where periods.rule_id = rules.id);
    end;

-- A provider that fails twice in a row is out of order. It stopped to answer at some time after its last answer: the
-- gap begins there, but at most an hour before the first failure, since nobody may have asked for long.
alter table ops.provider_health add column stops_collection boolean not null default true;
comment on column ops.provider_health.stops_collection is
    'Whether the latest failure may concern deliveries too; a refused key concerns our own questions alone';

create function ops.keep_outages() returns trigger
    language plpgsql as
$$
begin
    if new.failing_since is null then
        update ops.gaps
        set ends_at = greatest(new.last_success_at, gaps.starts_at)
        where gaps.kind in ('provider_down', 'limit_reached') and gaps.source = new.source and gaps.ends_at is null;
    elsif new.failure_count >= 2 and old.failure_count < 2 then
        insert into ops.gaps (kind, source, starts_at, stops_collection, detail)
        values (
            case when new.last_failure like '%HTTP 402%' then 'limit_reached' else 'provider_down' end,
            new.source,
            greatest(new.last_success_at, new.failing_since - interval '1 hour'),
            new.stops_collection,
            new.last_failure
        )
        on conflict on constraint gaps_are_told_once do nothing;
    end if;
    return null;
end
$$;

create trigger provider_health_keep_outages after update on ops.provider_health
    for each row when (
        (old.failing_since, old.failure_count) is distinct from (new.failing_since, new.failure_count)
    ) execute function ops.keep_outages();

comment on table ops.gaps is 'One row per span in which something that collecting needs was missing';
comment on table ops.covered_spans is 'One row per span that a replay or a backfill collected afterwards';
comment on table ops.zone_hour_coverage is
    'One row per zone and UTC hour: whether, and for how long, somebody listened; no row means that nobody did';
comment on function ops.rule_listening(timestamptz) is 'When each zone''s rules delivered, until a moment';
comment on function ops.pipe_uptime(timestamptz, timestamptz) is 'When the pipe''s heart beat, within a span of time';

grant select, insert, update, delete on ops.gaps, ops.covered_spans, ops.zone_hour_coverage to pipeline;
grant select on ops.gaps, ops.covered_spans, ops.zone_hour_coverage to api_reader;

-- Retention. A month of core that is about to leave is sealed first: its buckets stay as they are, are not claimed, not
-- recounted and not rebuilt (T31), and what arrives for it later becomes a dead letter (T32).

-- One row per range of tweet ids whose partitions are gone or about to go.
create table ops.sealed_ranges (
    lower_id bigint constraint sealed_ranges_pkey primary key,
    upper_id bigint not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    sealed_at timestamptz not null default now(),
    constraint sealed_ranges_end_after_begin check (upper_id > lower_id and ends_at > starts_at)
);
comment on column ops.sealed_ranges.starts_at is 'Of the buckets: the first hour that is sealed';
comment on column ops.sealed_ranges.ends_at is 'Of the buckets: the first hour that is not';

create function ops.is_sealed(bucket timestamptz) returns boolean
    language sql stable parallel safe
    return exists (
        select from ops.sealed_ranges as sealed
        where bucket >= sealed.starts_at and bucket < sealed.ends_at
    );
comment on function ops.is_sealed(timestamptz) is
    'Whether the bucket that begins at a moment rests on tweets that retention has taken';

-- A day counts as sealed if it reaches into a sealed range in any time zone: local days begin up to 14 h from UTC's.
create function ops.is_sealed_day(bucket date) returns boolean
    language sql stable parallel safe
    return exists (
        select from ops.sealed_ranges as sealed
        where
            (bucket - 1)::timestamp at time zone 'UTC' < sealed.ends_at
            and (bucket + 2)::timestamp at time zone 'UTC' > sealed.starts_at
    );
comment on function ops.is_sealed_day(date) is
    'Whether a day, whatever time zone it is of, rests on tweets that retention has taken';

-- One row per partition that retention has taken up: how far it has come. Each step is written down once it is done, so
-- that a run that dies is resumed by the next one.
create table ops.partition_archives (
    table_name text not null,
    suffix text not null,
    lower_id bigint not null,
    upper_id bigint not null,
    step text not null,
    path text,
    row_count bigint,
    content_checksum text,
    file_sha256 text,
    file_bytes bigint,
    begun_at timestamptz not null default now(),
    detached_at timestamptz,
    archived_at timestamptz,
    verified_at timestamptz,
    dropped_at timestamptz,
    restored_at timestamptz,
    keep_until timestamptz,
    constraint partition_archives_pkey primary key (table_name, suffix),
    constraint partition_archives_step_is_known check (
        step in ('detaching', 'detached', 'archived', 'verified', 'dropped', 'restoring', 'restored')
    )
);
comment on column ops.partition_archives.path is 'The Parquet file, relative to the archive''s directory';
comment on column ops.partition_archives.content_checksum is
    'Sum over all rows of the first 60 bits of the MD5 of their text: the same rows in any order have the same sum';
comment on column ops.partition_archives.keep_until is 'A restored partition is not taken up again before';

comment on table ops.sealed_ranges is 'One row per range of tweet ids whose partitions are gone or about to go';
comment on table ops.partition_archives is 'One row per partition that retention has taken up, and how far it has come';

grant select on ops.sealed_ranges, ops.partition_archives to pipeline, api_reader;
grant execute on function ops.is_sealed(timestamptz), ops.is_sealed_day(date) to pipeline, api_reader;

-- One row per incident: one message goes out when it opens and one when it is over, however long it lasts.
create table ops.incidents (
    incident_id bigint generated always as identity constraint incidents_pkey primary key,
    subject text not null,
    title text not null,
    detail text not null,
    opened_at timestamptz not null,
    told_at timestamptz,
    recovered_at timestamptz,
    recovery_told_at timestamptz
);
comment on column ops.incidents.subject is 'What is affected, by kind: run:…, check:…, stale:…, budget:…';
create unique index idx_incidents_open on ops.incidents (subject) where recovered_at is null;
comment on index ops.idx_incidents_open is 'A subject has at most one open incident';

comment on table ops.incidents is 'One row per incident: what went wrong, since when, and when people were told';

grant select, insert, update, delete on ops.incidents to pipeline;
grant select on ops.incidents to api_reader;
