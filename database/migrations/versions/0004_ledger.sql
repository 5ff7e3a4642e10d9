-- The ledger. A mark is the key of a bucket whose facts changed: never an amount, so that marking twice is harmless.
-- Marks are only ever appended, in the transaction that changes the facts, with no unique key: a second writer's mark
-- must not be swallowed by one that a builder is about to delete (T16). Each model has a queue of marks of its own, and
-- a table of the claims it is working on, which is empty outside the model's transaction.

create table ops.int_zone_author_hourly__marks (
    zone_id uuid not null,
    hour timestamptz not null,
    author_profile_id bigint not null,
    marked_at timestamptz not null default now()
);

create table ops.int_zone_author_hourly__claims (
    zone_id uuid not null,
    hour timestamptz not null,
    author_profile_id bigint not null,
    constraint int_zone_author_hourly__claims_pkey primary key (zone_id, hour, author_profile_id)
);

create table ops.int_zone_tag_author_hourly__marks (
    zone_id uuid not null,
    hour timestamptz not null,
    author_profile_id bigint not null,
    marked_at timestamptz not null default now()
);

create table ops.int_zone_tag_author_hourly__claims (
    zone_id uuid not null,
    hour timestamptz not null,
    author_profile_id bigint not null,
    constraint int_zone_tag_author_hourly__claims_pkey primary key (zone_id, hour, author_profile_id)
);

create table ops.twitter_zone_stats_hourly__marks (
    zone_id uuid not null,
    hour timestamptz not null,
    marked_at timestamptz not null default now()
);

create table ops.twitter_zone_stats_hourly__claims (
    zone_id uuid not null,
    hour timestamptz not null,
    constraint twitter_zone_stats_hourly__claims_pkey primary key (zone_id, hour)
);

create table ops.twitter_top_profiles_by_zone__marks (
    zone_id uuid not null,
    profile_id bigint not null,
    marked_at timestamptz not null default now()
);

create table ops.twitter_top_profiles_by_zone__claims (
    zone_id uuid not null,
    profile_id bigint not null,
    constraint twitter_top_profiles_by_zone__claims_pkey primary key (zone_id, profile_id)
);

create table ops.twitter_trending_hashtags__marks (
    zone_id uuid not null,
    hashtag text not null,
    marked_at timestamptz not null default now()
);

create table ops.twitter_trending_hashtags__claims (
    zone_id uuid not null,
    hashtag text not null,
    constraint twitter_trending_hashtags__claims_pkey primary key (zone_id, hashtag)
);

-- Profiles whose shown columns changed; the builder of the top profiles turns them into its own buckets.
create table ops.twitter_top_profiles_by_zone__profile_marks (
    profile_id bigint not null,
    marked_at timestamptz not null default now()
);

-- The moment that windows such as "24 h" end at. Exactly one row; a run writes it, the models read it.
create table ops.as_of (
    is_only_row boolean constraint as_of_pkey primary key default true,
    as_of timestamptz not null,
    written_at timestamptz not null default now(),
    constraint as_of_has_one_row check (is_only_row)
);
insert into ops.as_of (as_of) values (now());

-- One row per model that the ledger drives: when it was last built, and for which moment.
create table ops.mart_state (
    model text constraint mart_state_pkey primary key,
    as_of timestamptz not null,
    built_at timestamptz not null,
    claimed_bucket_count bigint not null
);

-- Marks for the tweets whose rows a statement changed, through the zones that collected them.
create function ops.mark_tweets(tweet_ids bigint[]) returns void
    language sql
    begin atomic
    insert into ops.int_zone_author_hourly__marks (zone_id, hour, author_profile_id)
    select distinct
        links.zone_id,
        date_trunc('hour', links.twitter_created_at, 'UTC'),
        links.author_profile_id
    from core.twitter_tweet_zones as links
    where links.tweet_id = any(tweet_ids);
    end;

-- The pipeline writes its own marks, and says so with: set local ledger.marks = 'explicit'.
create function ops.marks_are_explicit() returns boolean
    language sql stable
    return coalesce(current_setting('ledger.marks', true), '') = 'explicit';

create function ops.on_change_of_tweet_rows() returns trigger
    language plpgsql as
$$
begin
    if ops.marks_are_explicit() then
        return null;
    end if;
    if tg_op = 'INSERT' then
        perform ops.mark_tweets(array(select distinct changed.tweet_id from new_rows as changed));
    elsif tg_op = 'DELETE' then
        perform ops.mark_tweets(array(select distinct changed.tweet_id from old_rows as changed));
    else
        perform ops.mark_tweets(array(
            select changed.tweet_id from new_rows as changed
            union
            select changed.tweet_id from old_rows as changed
        ));
    end if;
    return null;
end
$$;

-- The zone links carry the author and the time of their tweet: a correction of the tweet is carried over.
create function ops.on_update_of_tweets() returns trigger
    language plpgsql as
$$
begin
    if ops.marks_are_explicit() then
        return null;
    end if;
    update core.twitter_tweet_zones as links
    set author_profile_id = changed.author_profile_id, twitter_created_at = changed.twitter_created_at
    from new_rows as changed
    where
        links.tweet_id = changed.tweet_id
        and (links.author_profile_id, links.twitter_created_at)
        is distinct from (changed.author_profile_id, changed.twitter_created_at);
    perform ops.mark_tweets(array(
        select changed.tweet_id from new_rows as changed
        union
        select changed.tweet_id from old_rows as changed
    ));
    return null;
end
$$;

create function ops.on_change_of_links() returns trigger
    language plpgsql as
$$
begin
    if ops.marks_are_explicit() then
        return null;
    end if;
    if tg_op in ('INSERT', 'UPDATE') then
        insert into ops.int_zone_author_hourly__marks (zone_id, hour, author_profile_id)
        select distinct
            links.zone_id, date_trunc('hour', links.twitter_created_at, 'UTC'), links.author_profile_id
        from new_rows as links;
    end if;
    if tg_op in ('DELETE', 'UPDATE') then
        insert into ops.int_zone_author_hourly__marks (zone_id, hour, author_profile_id)
        select distinct
            links.zone_id, date_trunc('hour', links.twitter_created_at, 'UTC'), links.author_profile_id
        from old_rows as links;
    end if;
    return null;
end
$$;

create function ops.on_update_of_profiles() returns trigger
    language plpgsql as
$$
begin
    if ops.marks_are_explicit() then
        return null;
    end if;
    insert into ops.twitter_top_profiles_by_zone__profile_marks (profile_id)
    select new_rows.twitter_user_id from new_rows
    union
    select old_rows.twitter_user_id from old_rows;
    return null;
end
$$;

create function ops.refuse_truncate() returns trigger
    language plpgsql as
$$
begin
    raise exception 'truncate of %.% is refused: the ledger cannot see which buckets it empties',
        tg_table_schema, tg_table_name
        using hint = 'Use delete, which leaves a mark for every bucket it touches.';
end
$$;


create trigger twitter_tweets_mark_insert after insert on core.twitter_tweets
    referencing new table as new_rows for each statement execute function ops.on_change_of_tweet_rows();
create trigger twitter_tweets_mark_update after update on core.twitter_tweets
    referencing old table as old_rows new table as new_rows
    for each statement execute function ops.on_update_of_tweets();
create trigger twitter_tweets_mark_delete after delete on core.twitter_tweets
    referencing old table as old_rows for each statement execute function ops.on_change_of_tweet_rows();

create trigger twitter_tweet_metrics_mark_insert after insert on core.twitter_tweet_metrics
    referencing new table as new_rows for each statement execute function ops.on_change_of_tweet_rows();
create trigger twitter_tweet_metrics_mark_update after update on core.twitter_tweet_metrics
    referencing old table as old_rows new table as new_rows
    for each statement execute function ops.on_change_of_tweet_rows();
create trigger twitter_tweet_metrics_mark_delete after delete on core.twitter_tweet_metrics
    referencing old table as old_rows for each statement execute function ops.on_change_of_tweet_rows();

create trigger twitter_entities_mark_insert after insert on core.twitter_entities
    referencing new table as new_rows for each statement execute function ops.on_change_of_tweet_rows();
create trigger twitter_entities_mark_update after update on core.twitter_entities
    referencing old table as old_rows new table as new_rows
    for each statement execute function ops.on_change_of_tweet_rows();
create trigger twitter_entities_mark_delete after delete on core.twitter_entities
    referencing old table as old_rows for each statement execute function ops.on_change_of_tweet_rows();

create trigger twitter_tweet_zones_mark_insert after insert on core.twitter_tweet_zones
    referencing new table as new_rows for each statement execute function ops.on_change_of_links();
create trigger twitter_tweet_zones_mark_update after update on core.twitter_tweet_zones
    referencing old table as old_rows new table as new_rows
    for each statement execute function ops.on_change_of_links();
create trigger twitter_tweet_zones_mark_delete after delete on core.twitter_tweet_zones
    referencing old table as old_rows for each statement execute function ops.on_change_of_links();

create trigger twitter_profiles_mark_update after update on core.twitter_profiles
    referencing old table as old_rows new table as new_rows
    for each statement execute function ops.on_update_of_profiles();

create trigger twitter_tweets_refuse_truncate before truncate on core.twitter_tweets
    for each statement execute function ops.refuse_truncate();
create trigger twitter_tweet_zones_refuse_truncate before truncate on core.twitter_tweet_zones
    for each statement execute function ops.refuse_truncate();
create trigger twitter_tweet_metrics_refuse_truncate before truncate on core.twitter_tweet_metrics
    for each statement execute function ops.refuse_truncate();
create trigger twitter_entities_refuse_truncate before truncate on core.twitter_entities
    for each statement execute function ops.refuse_truncate();

comment on table ops.int_zone_author_hourly__marks is
    'Buckets of int_zone_author_hourly whose facts changed, appended by whoever changed them';
comment on table ops.int_zone_author_hourly__claims is
    'Buckets that int_zone_author_hourly is rebuilding; empty outside its transaction';
comment on table ops.int_zone_tag_author_hourly__marks is
    'Buckets of int_zone_tag_author_hourly whose facts changed, appended by whoever changed them';
comment on table ops.int_zone_tag_author_hourly__claims is
    'Buckets that int_zone_tag_author_hourly is rebuilding; empty outside its transaction';
comment on table ops.twitter_zone_stats_hourly__marks is
    'Buckets of twitter_zone_stats_hourly whose facts changed, appended by whoever changed them';
comment on table ops.twitter_zone_stats_hourly__claims is
    'Buckets that twitter_zone_stats_hourly is rebuilding; empty outside its transaction';
comment on table ops.twitter_top_profiles_by_zone__marks is
    'Buckets of twitter_top_profiles_by_zone whose facts changed, appended by whoever changed them';
comment on table ops.twitter_top_profiles_by_zone__claims is
    'Buckets that twitter_top_profiles_by_zone is rebuilding; empty outside its transaction';
comment on table ops.twitter_trending_hashtags__marks is
    'Buckets of twitter_trending_hashtags whose facts changed, appended by whoever changed them';
comment on table ops.twitter_trending_hashtags__claims is
    'Buckets that twitter_trending_hashtags is rebuilding; empty outside its transaction';
comment on table ops.twitter_top_profiles_by_zone__profile_marks is 'Profiles whose shown columns changed';
comment on table ops.as_of is 'The moment that windows such as 24 h end at (one row)';
comment on table ops.mart_state is
    'One row per model that the ledger drives: when it was last built, and for which moment';

grant select, insert, update, delete on all tables in schema ops to pipeline;
revoke all on ops.schema_version from pipeline;
grant select on ops.as_of, ops.mart_state, ops.delivery_accounting to api_reader;
