-- What the further marts need: queues, claims and grants.

create table ops.int_zone_top_tweets_hourly__marks (
    zone_id uuid not null,
    hour timestamptz not null,
    marked_at timestamptz not null default now()
);

create table ops.int_zone_top_tweets_hourly__claims (
    zone_id uuid not null,
    hour timestamptz not null,
    constraint int_zone_top_tweets_hourly__claims_pkey primary key (zone_id, hour)
);

create table ops.twitter_top_engaged_tweets__marks (
    zone_id uuid not null,
    day date not null,
    marked_at timestamptz not null default now()
);

create table ops.twitter_top_engaged_tweets__claims (
    zone_id uuid not null,
    day date not null,
    constraint twitter_top_engaged_tweets__claims_pkey primary key (zone_id, day)
);

comment on table ops.int_zone_top_tweets_hourly__marks is 'Buckets of int_zone_top_tweets_hourly whose facts changed';
comment on table ops.int_zone_top_tweets_hourly__claims is
    'Buckets that the latest build of int_zone_top_tweets_hourly rebuilt';
comment on table ops.twitter_top_engaged_tweets__marks is 'Buckets of twitter_top_engaged_tweets whose facts changed';
comment on table ops.twitter_top_engaged_tweets__claims is
    'Buckets that the latest build of twitter_top_engaged_tweets rebuilt';

grant select, insert, update, delete on
    ops.int_zone_top_tweets_hourly__marks, ops.int_zone_top_tweets_hourly__claims,
    ops.twitter_top_engaged_tweets__marks, ops.twitter_top_engaged_tweets__claims
to pipeline;

-- As in 0005: a build counts its claims before the planner uses them.
do
$$
begin
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'grant maintain on ops.int_zone_top_tweets_hourly__claims, ops.twitter_top_engaged_tweets__claims '
            'to pipeline';
    end if;
end
$$;


-- Days of a zone's own time zone, and windows of the top profiles.

create table ops.twitter_zone_stats_daily__marks (
    zone_id uuid not null,
    hour timestamptz not null,
    marked_at timestamptz not null default now()
);

create table ops.twitter_zone_stats_daily__claims (
    zone_id uuid not null,
    day date not null,
    constraint twitter_zone_stats_daily__claims_pkey primary key (zone_id, day)
);

-- Zones whose time zone changed; the builder of the daily statistics turns them into its own marks.
create table ops.twitter_zone_stats_daily__zone_marks (
    zone_id uuid not null,
    marked_at timestamptz not null default now()
);

create table ops.twitter_top_profiles_by_zone_window__marks (
    zone_id uuid not null,
    profile_id bigint not null,
    marked_at timestamptz not null default now()
);

create table ops.twitter_top_profiles_by_zone_window__claims (
    zone_id uuid not null,
    profile_id bigint not null,
    constraint twitter_top_profiles_by_zone_window__claims_pkey primary key (zone_id, profile_id)
);

create function ops.on_change_of_timezone() returns trigger
    language plpgsql as
$$
begin
    insert into ops.twitter_zone_stats_daily__zone_marks (zone_id) values (new.id);
    return null;
end
$$;

create trigger zones_mark_timezone after update on core.zones
    for each row when (old.timezone is distinct from new.timezone) execute function ops.on_change_of_timezone();

-- The first instant of a local day. Where a clock is put back over midnight, 00:00 comes twice: the day begins with the
-- first, while PostgreSQL reads the local time as the second. Where it is put forward over midnight, the day begins
-- later.
create function core.local_day_start(day date, timezone text) returns timestamptz
    language sql stable strict parallel safe
    return case
        when (((day::timestamp at time zone timezone) - interval '1 hour') at time zone timezone)::date = day
            then (day::timestamp at time zone timezone) - interval '1 hour'
        else day::timestamp at time zone timezone
    end;
comment on function core.local_day_start(date, text) is 'The first instant of a day in a time zone';

comment on table ops.twitter_zone_stats_daily__marks is
    'Hours of twitter_zone_stats_hourly that changed: the local days they lie in are to be rebuilt';
comment on table ops.twitter_zone_stats_daily__claims is
    'Buckets that the latest build of twitter_zone_stats_daily rebuilt';
comment on table ops.twitter_zone_stats_daily__zone_marks is 'Zones whose time zone changed';
comment on table ops.twitter_top_profiles_by_zone_window__marks is
    'Buckets of twitter_top_profiles_by_zone_window whose facts changed';
comment on table ops.twitter_top_profiles_by_zone_window__claims is
    'Buckets that the latest build of twitter_top_profiles_by_zone_window rebuilt';

grant select, insert, update, delete on
    ops.twitter_zone_stats_daily__marks, ops.twitter_zone_stats_daily__claims,
    ops.twitter_zone_stats_daily__zone_marks,
    ops.twitter_top_profiles_by_zone_window__marks, ops.twitter_top_profiles_by_zone_window__claims
to pipeline;

do
$$
begin
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'grant maintain on ops.twitter_zone_stats_daily__claims, '
            'ops.twitter_top_profiles_by_zone_window__claims to pipeline';
    end if;
end
$$;


-- Trending hashtags, mentions and link hosts, in windows.

create table ops.int_zone_entity_author_hourly__marks (
    zone_id uuid not null,
    hour timestamptz not null,
    author_profile_id bigint not null,
    marked_at timestamptz not null default now()
);

create table ops.int_zone_entity_author_hourly__claims (
    zone_id uuid not null,
    hour timestamptz not null,
    author_profile_id bigint not null,
    constraint int_zone_entity_author_hourly__claims_pkey primary key (zone_id, hour, author_profile_id)
);

create table ops.twitter_trending_entities__marks (
    zone_id uuid not null,
    entity_type text not null,
    entity_value text not null,
    marked_at timestamptz not null default now()
);

create table ops.twitter_trending_entities__claims (
    zone_id uuid not null,
    entity_type text not null,
    entity_value text not null,
    constraint twitter_trending_entities__claims_pkey primary key (zone_id, entity_type, entity_value)
);

comment on table ops.int_zone_entity_author_hourly__marks is
    'Buckets of int_zone_entity_author_hourly whose facts changed';
comment on table ops.int_zone_entity_author_hourly__claims is
    'Buckets that the latest build of int_zone_entity_author_hourly rebuilt';
comment on table ops.twitter_trending_entities__marks is 'Buckets of twitter_trending_entities whose facts changed';
comment on table ops.twitter_trending_entities__claims is
    'Buckets that the latest build of twitter_trending_entities rebuilt';

grant select, insert, update, delete on
    ops.int_zone_entity_author_hourly__marks, ops.int_zone_entity_author_hourly__claims,
    ops.twitter_trending_entities__marks, ops.twitter_trending_entities__claims
to pipeline;

do
$$
begin
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'grant maintain on ops.int_zone_entity_author_hourly__claims, '
            'ops.twitter_trending_entities__claims to pipeline';
    end if;
end
$$;
