-- One row per dictionary that delivery bodies are compressed with.
-- Trained on synthetic payloads: it holds nobody's text.
create table raw.compression_dictionaries (
    dictionary_id integer constraint compression_dictionaries_pkey primary key,
    source text not null,
    dictionary bytea not null,
    created_at timestamptz not null default now()
);

-- One row per delivery, acknowledged only after this row was committed. The id is a snowflake of its receipt.
-- Body: the exact bytes, zstd-compressed by the service, with the dictionary named (0: none).
create table raw.deliveries (
    delivery_id bigint not null,
    received_at timestamptz not null,
    body_bytes integer not null,
    item_count integer not null,
    dictionary_id integer not null default 0,
    source text not null,
    zone text,
    body bytea not null,
    constraint deliveries_pkey primary key (delivery_id)
) partition by range (delivery_id);
alter table raw.deliveries alter column body set storage external;
comment on column raw.deliveries.item_count is
    'Items that the service counted in the body; 1 for a body that it could not split';
comment on column raw.deliveries.zone is 'Zone that the sender named, where the source has no rules (v1_1)';

-- One row per delivery that waits to be normalised. Deleting it, in the normalising transaction, is the claim.
create table raw.delivery_queue (
    delivery_id bigint constraint delivery_queue_pkey primary key
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- One row per item that could not be normalised, with where and why; its bytes stay in the delivery.
create table raw.dead_letters (
    delivery_id bigint not null,
    item_index integer not null,
    received_at timestamptz not null,
    first_seen_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    resolved_at timestamptz,
    tweet_id bigint,
    attempts integer not null default 1,
    source text not null,
    stage text not null,
    reason text not null,
    detail text not null,
    constraint dead_letters_pkey primary key (delivery_id, item_index, reason)
);
create index idx_dead_letters_open on raw.dead_letters (source, reason, delivery_id) where resolved_at is null;
comment on index raw.idx_dead_letters_open is 'What waits to be looked at or replayed, by reason';

-- One row per source, stage and reason of dead letters that are still open.
create view raw.dead_letter_report as
select
    dead_letters.source,
    dead_letters.stage,
    dead_letters.reason,
    count(*) as letter_count,
    min(dead_letters.first_seen_at) as first_seen_at,
    max(dead_letters.last_seen_at) as last_seen_at,
    (array_agg(dead_letters.detail order by dead_letters.delivery_id desc))[1] as latest_detail
from raw.dead_letters
where dead_letters.resolved_at is null
group by dead_letters.source, dead_letters.stage, dead_letters.reason;

-- One row per delivery that was normalised: what became of each of its items. The five counts add up to item_count.
create table ops.delivery_accounting (
    delivery_id bigint not null,
    normalised_at timestamptz not null default clock_timestamp(),
    item_count integer not null,
    normalised_count integer not null,
    duplicate_count integer not null,
    control_count integer not null,
    dead_count integer not null,
    parser_version integer not null,
    constraint delivery_accounting_pkey primary key (delivery_id)
) partition by range (delivery_id);

comment on table raw.compression_dictionaries is 'One row per dictionary that delivery bodies are compressed with';
comment on table raw.deliveries is 'One row per acknowledged delivery, byte for byte';
comment on table raw.delivery_queue is 'One row per delivery that waits to be normalised';
comment on table raw.dead_letters is 'One row per item that could not be normalised, with where and why';
comment on view raw.dead_letter_report is 'Open dead letters by source, stage and reason';
comment on table ops.delivery_accounting is 'One row per normalised delivery: what became of each of its items';

grant insert on raw.deliveries, raw.delivery_queue to ingest_writer;
grant select, insert on raw.compression_dictionaries to ingest_writer;
grant select, insert, update, delete on all tables in schema raw to pipeline;
grant select, insert, update, delete on ops.delivery_accounting to pipeline;
grant select on raw.deliveries, raw.compression_dictionaries to api_reader;
