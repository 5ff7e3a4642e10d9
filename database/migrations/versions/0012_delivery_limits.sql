-- What the front door shows of itself: figures for its metrics, and a log of deliveries that one can search.

-- One row: what waits to be normalised, and what became of the items of the last five minutes (the newest 20,000
-- deliveries of them). Numbers alone, so that the role of the front door may read it.
create view raw.queue_figures as
with latest as (
    select
        accounting.normalised_count,
        accounting.duplicate_count,
        accounting.control_count,
        accounting.dead_count
    from ops.delivery_accounting as accounting
    where accounting.delivery_id >= core.snowflake_floor(clock_timestamp() - interval '5 minutes')
    order by accounting.delivery_id desc
    limit 20000
),

waiting as (
    select
        count(*) as waiting_deliveries,
        min(queue.delivery_id) as oldest_delivery_id
    from raw.delivery_queue as queue
)

select
    waiting.waiting_deliveries,
    coalesce(
        extract(epoch from clock_timestamp() - core.snowflake_time(waiting.oldest_delivery_id))::double precision, 0
    ) as oldest_waiting_seconds,
    (select coalesce(sum(latest.normalised_count), 0)::bigint from latest) as normalised_items,
    (select coalesce(sum(latest.duplicate_count), 0)::bigint from latest) as duplicate_items,
    (select coalesce(sum(latest.control_count), 0)::bigint from latest) as control_items,
    (select coalesce(sum(latest.dead_count), 0)::bigint from latest) as dead_items
from waiting;
comment on view raw.queue_figures is
    'One row: deliveries that wait, and what became of the items received in the last five minutes';

-- One row per active zone that has tweets: how late its latest 20 tweets came, and how old the newest is.
create view raw.zone_figures as
select
    zones.name as zone,
    latest.lag_seconds,
    latest.newest_tweet_age_seconds
from core.zones as zones
cross join lateral (
    select
        percentile_cont(0.5) within group (
            order by extract(epoch from newest.first_matched_at - newest.twitter_created_at)::double precision
        ) as lag_seconds,
        extract(epoch from clock_timestamp() - max(newest.twitter_created_at))::double precision
            as newest_tweet_age_seconds
    from (
        select
            links.first_matched_at,
            links.twitter_created_at
        from core.twitter_tweet_zones as links
        where links.zone_id = zones.id and links.suppressed_at is null
        order by links.tweet_id desc
        limit 20
    ) as newest
    having count(*) > 0
) as latest
where zones.is_active;
comment on view raw.zone_figures is 'One row per active zone: how late its latest tweets came, how old the newest is';

grant select on raw.queue_figures, raw.zone_figures to ingest_writer, pipeline;

-- One row per delivery, with what became of it. Read by id or by a span of ids: `python -m ingest deliveries`.
create view raw.delivery_log as
select
    deliveries.delivery_id,
    deliveries.received_at,
    deliveries.source,
    deliveries.zone,
    deliveries.item_count,
    deliveries.body_bytes,
    accounting.normalised_at,
    accounting.normalised_count,
    accounting.duplicate_count,
    accounting.control_count,
    accounting.dead_count,
    letters.reasons as open_letters,
    case
        when queue.delivery_id is not null then 'waiting'
        when accounting.delivery_id is null then 'unaccounted'
        when accounting.dead_count > 0 then 'dead'
        when accounting.normalised_count > 0 then 'normalised'
        when accounting.duplicate_count > 0 then 'duplicate'
        else 'control'
    end as outcome
from raw.deliveries
left join raw.delivery_queue as queue on deliveries.delivery_id = queue.delivery_id
left join ops.delivery_accounting as accounting on deliveries.delivery_id = accounting.delivery_id
left join lateral (
    select string_agg(distinct dead_letters.reason, ', ' order by dead_letters.reason) as reasons
    from raw.dead_letters
    where dead_letters.delivery_id = deliveries.delivery_id and dead_letters.resolved_at is null
) as letters on true;
comment on view raw.delivery_log is 'One row per delivery: when it came, from whom, what became of it';
comment on column raw.delivery_log.outcome is
    'waiting, normalised, duplicate, control; dead if any item is; unaccounted if nobody can say';

grant select on raw.delivery_log to pipeline;
