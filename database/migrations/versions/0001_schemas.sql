-- Schemas and who may look into them. The four roles exist already (database/roles.py).
create schema raw;
create schema core;
create schema marts;
create schema staging;
create schema intermediate;

comment on schema raw is 'Deliveries as they arrived, byte for byte, and what could not be read in them';
comment on schema core is 'The normalised facts: profiles, tweets, zone links, entities, engagement';
comment on schema ops is 'How the pipeline runs: ledger of changes, accounting, state';
comment on schema staging is 'dbt: one view for each table that the models read';
comment on schema intermediate is 'dbt: small tables at a fine grain, from which the marts are summed';
comment on schema marts is 'What BI tools and applications read';

revoke create on schema public from public;

grant usage on schema raw to ingest_writer;
grant usage on schema raw, core, ops, marts to pipeline;
grant usage, create on schema staging, intermediate, marts to pipeline;
grant usage on schema marts to bi_reader;
grant usage on schema raw, core, ops, marts, intermediate to api_reader;

-- A person or a tool that reads may not hold the database up, or write by mistake.
alter role bi_reader set default_transaction_read_only = on;
alter role bi_reader set statement_timeout = '60s';
alter role api_reader set default_transaction_read_only = on;
alter role api_reader set statement_timeout = '15s';
alter role ingest_writer set statement_timeout = '15s';
alter role pipeline set idle_in_transaction_session_timeout = '10min';

-- The smallest snowflake id of the millisecond that holds a moment (database/snowflake.py says the same in Python).
create function core.snowflake_floor(moment timestamptz) returns bigint
    language sql immutable strict parallel safe
    return greatest(
        0, floor(extract(epoch from moment) * 1000)::bigint - 1288834974657
    ) << 22;

comment on function core.snowflake_floor(timestamptz) is
    'Smallest snowflake id of the millisecond that holds a moment; 0 before November 2010';

-- The time that a snowflake id holds. Tweet ids below 29700859247 were counted, not clocked: they hold none.
create function core.snowflake_time(snowflake bigint) returns timestamptz
    language sql immutable strict parallel safe
    return timestamptz '1970-01-01 00:00:00+00'
        + ((snowflake >> 22) + 1288834974657) * interval '1 millisecond';

comment on function core.snowflake_time(bigint) is 'The time that a snowflake id holds, exact to the millisecond';

-- Bounds of the tweet ids that can lie in an hour. Tweets older than the clocked ids, the last of which were given in
-- the first days of November 2010, all share the range below; the reader compares twitter_created_at as well.
create function core.first_tweet_id_of(moment timestamptz) returns bigint
    language sql immutable strict parallel safe
    return case when moment < timestamptz '2010-11-06 00:00:00+00' then 0 else core.snowflake_floor(moment) end;

create function core.end_tweet_id_of(moment timestamptz) returns bigint
    language sql immutable strict parallel safe
    return core.snowflake_floor(greatest(moment, timestamptz '2010-11-06 00:00:00+00'));

comment on function core.first_tweet_id_of(timestamptz) is
    'Smallest tweet id that can have been posted at or after a moment';
comment on function core.end_tweet_id_of(timestamptz) is
    'Smallest tweet id that cannot have been posted before a moment';

create function core.touch_updated_at() returns trigger
    language plpgsql as
$$
begin
    new.updated_at := now();
    return new;
end
$$;
