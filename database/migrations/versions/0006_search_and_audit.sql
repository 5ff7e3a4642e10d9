-- Search in scripts without spaces, and a record of who changed what people change by hand.

-- A script written without spaces is one long word to the parser; every two letters of it are indexed instead.
create function core.bigrams(words text) returns text[]
    language sql immutable strict parallel safe
    return (
        select coalesce(array_agg(distinct substr(run.letters, place, 2)), '{}')
        from (
            select (
                regexp_matches(words, '[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+', 'g')
            )[1] as letters
        ) as run
        cross join lateral generate_series(1, greatest(length(run.letters) - 1, 1)) as place
    );
comment on function core.bigrams(text) is
    'Every two adjoining letters of the runs of Japanese, Chinese, Korean and Thai script in a text';

create function core.search_vector(words text) returns tsvector
    language sql immutable strict parallel safe
    return case
        when words ~ '[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f]'
            then to_tsvector('pg_catalog.simple', words) || array_to_tsvector(core.bigrams(words))
        else to_tsvector('pg_catalog.simple', words)
    end;
comment on function core.search_vector(text) is
    'What a tweet is searched by: its words, and pairs of letters where a script has no spaces';

drop index core.idx_twitter_tweets_text_search;
create index idx_twitter_tweets_text_search on core.twitter_tweets using gin (core.search_vector(text));
comment on index core.idx_twitter_tweets_text_search is 'Full-text search in every language';

-- One row per change of a zone, of a rule or of a profile's monitoring, whichever program made it.
create table ops.audit_log (
    audit_id bigint generated always as identity constraint audit_log_pkey primary key,
    changed_at timestamptz not null default clock_timestamp(),
    actor text not null,
    action text not null,
    subject text not null,
    subject_id text not null,
    old_values jsonb,
    new_values jsonb,
    constraint audit_log_action_is_known check (action in ('insert', 'update', 'delete'))
);
comment on table ops.audit_log is 'One row per change of a zone, a rule or a profile''s monitoring, by whoever made it';
comment on column ops.audit_log.actor is 'The setting audit.actor of the transaction, else the role of the session';

-- Writers name themselves with: set local audit.actor = '…'. The trigger's argument is the key's column.
create function ops.on_change_by_people() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as
$$
declare
    before jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    after jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
begin
    insert into ops.audit_log (actor, action, subject, subject_id, old_values, new_values)
    values (
        coalesce(nullif(current_setting('audit.actor', true), ''), session_user),
        lower(tg_op),
        tg_table_name,
        coalesce(after, before) ->> tg_argv[0],
        before,
        after
    );
    return null;
end
$$;

-- A profile's row changes with every tweet: only what the person changed is kept of it.
create function ops.on_change_of_monitoring() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as
$$
begin
    insert into ops.audit_log (actor, action, subject, subject_id, old_values, new_values)
    values (
        coalesce(nullif(current_setting('audit.actor', true), ''), session_user),
        'update',
        tg_table_name,
        new.twitter_user_id::text,
        jsonb_build_object('is_monitored', old.is_monitored),
        jsonb_build_object('is_monitored', new.is_monitored)
    );
    return null;
end
$$;

create trigger zones_audit_insert_delete after insert or delete on core.zones
    for each row execute function ops.on_change_by_people('id');
create trigger zones_audit_update after update on core.zones
    for each row when (
        (old.name, old.description, old.timezone, old.is_active, old.settings)
        is distinct from (new.name, new.description, new.timezone, new.is_active, new.settings)
    ) execute function ops.on_change_by_people('id');
create trigger twitter_rules_audit_insert_delete after insert or delete on core.twitter_rules
    for each row execute function ops.on_change_by_people('id');
-- The normaliser notes when a rule triggered, the synchronising job the provider's id: neither is a person's change.
create trigger twitter_rules_audit_update after update on core.twitter_rules
    for each row when (
        (
            old.zone_id, old.source, old.tag, old.query, old.query_type, old.query_builder_config, old.interval_seconds,
            old.is_active
        )
        is distinct from
        (
            new.zone_id, new.source, new.tag, new.query, new.query_type, new.query_builder_config, new.interval_seconds,
            new.is_active
        )
    ) execute function ops.on_change_by_people('id');
create trigger twitter_profiles_audit_monitoring after update of is_monitored on core.twitter_profiles
    for each row when (old.is_monitored is distinct from new.is_monitored)
    execute function ops.on_change_of_monitoring();

revoke all on function ops.on_change_by_people(), ops.on_change_of_monitoring() from public;
grant select on ops.audit_log to pipeline, api_reader;
