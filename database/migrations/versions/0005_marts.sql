-- What the builders of the marts remember between two builds.

-- The moment of the build before: its window and the present one tell which buckets changed by time alone (T21).
alter table ops.mart_state add column previous_as_of timestamptz;
comment on column ops.mart_state.as_of is
    'The moment that the model was last built for; fixed when a build claims its buckets';
comment on column ops.mart_state.previous_as_of is
    'The moment that the build before was for; NULL makes a build start from scratch';

-- One row per model: a digest of the SQL that its rows were made with. Another digest has every bucket rebuilt.
create table ops.model_definitions (
    model text constraint model_definitions_pkey primary key,
    definition_hash text not null,
    written_at timestamptz not null default now()
);

-- One row per mart: how far its rotating verification has come. A cycle is over when every slice was recounted.
create table ops.mart_verification (
    model text constraint mart_verification_pkey primary key,
    next_slice integer not null default 0,
    cycle_started_at timestamptz,
    cycle_completed_at timestamptz,
    verified_at timestamptz,
    drifted_bucket_count bigint not null default 0,
    constraint mart_verification_slice_is_not_negative check (next_slice >= 0)
);

comment on table ops.model_definitions is 'Digest of the SQL that each dbt model was last built with';
comment on table ops.mart_verification is
    'One row per mart: how far its rotating verification has come, and what it found';

-- The claims of the last build stay until the next one, so that the check after it knows what to recount.
comment on table ops.int_zone_author_hourly__claims is
    'Buckets that the latest build of int_zone_author_hourly rebuilt';
comment on table ops.int_zone_tag_author_hourly__claims is
    'Buckets that the latest build of int_zone_tag_author_hourly rebuilt';
comment on table ops.twitter_zone_stats_hourly__claims is
    'Buckets that the latest build of twitter_zone_stats_hourly rebuilt';
comment on table ops.twitter_top_profiles_by_zone__claims is
    'Buckets that the latest build of twitter_top_profiles_by_zone rebuilt';
comment on table ops.twitter_trending_hashtags__claims is
    'Buckets that the latest build of twitter_trending_hashtags rebuilt';

grant select, insert, update, delete on ops.model_definitions, ops.mart_verification to pipeline;
grant select on ops.mart_verification to api_reader;

-- A build counts its claims before the planner uses them. Before PostgreSQL 17 only an owner may: the build goes on
-- without, with a warning, and the planner goes by the size of the table.
do
$$
begin
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'grant maintain on ops.int_zone_author_hourly__claims, ops.int_zone_tag_author_hourly__claims, '
            'ops.twitter_zone_stats_hourly__claims, ops.twitter_top_profiles_by_zone__claims, '
            'ops.twitter_trending_hashtags__claims to pipeline';
    end if;
end
$$;
