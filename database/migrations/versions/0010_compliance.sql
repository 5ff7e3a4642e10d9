-- What deletions, erasure and dead letters need to remember.

-- A tweet that must not be shown any more keeps its row: it is suppressed, with the reason, since when, and a way back.
-- Links carry the moment too, so that feeds need not look at the tweet. NULL takes no room in a row.
alter table core.twitter_tweets
    add column suppressed_at timestamptz,
    add column suppression_reason text,
    add column purged_at timestamptz,
    add constraint twitter_tweets_suppression_has_a_reason
    check ((suppressed_at is null) = (suppression_reason is null));
comment on column core.twitter_tweets.suppressed_at is
    'Since when the tweet must not be shown or counted; NULL: it may be';
comment on column core.twitter_tweets.suppression_reason is
    'The event that says so: of the tweet, of its original, or of either''s author';
comment on column core.twitter_tweets.purged_at is 'When text and entities were removed; NULL: they are there';

alter table core.twitter_tweet_zones add column suppressed_at timestamptz;
comment on column core.twitter_tweet_zones.suppressed_at is 'That of the tweet';

alter table core.twitter_profiles
    add column suppressed_at timestamptz,
    add column suppression_reason text,
    add column purged_at timestamptz,
    add constraint twitter_profiles_suppression_has_a_reason
    check ((suppressed_at is null) = (suppression_reason is null));
comment on column core.twitter_profiles.suppressed_at is 'Since when the account must not be shown; NULL: it may be';
comment on column core.twitter_profiles.suppression_reason is 'The event that says so';
comment on column core.twitter_profiles.purged_at is 'When what the account says of itself was removed';

-- Feeds read this index alone, as before: what is suppressed is not in it.
drop index core.idx_twitter_tweet_zones_zone_created;
create index idx_twitter_tweet_zones_zone_created on core.twitter_tweet_zones (zone_id, tweet_id)
    where suppressed_at is null;
comment on index core.idx_twitter_tweet_zones_zone_created is
    'A zone''s feed, newest first, at any depth, without what is suppressed';

create index idx_twitter_tweets_suppressed on core.twitter_tweets (suppressed_at) where suppressed_at is not null;
comment on index core.idx_twitter_tweets_suppressed is 'What is suppressed, by reason, and what is to be purged';
create index idx_twitter_profiles_suppressed on core.twitter_profiles (suppressed_at) where suppressed_at is not null;
comment on index core.idx_twitter_profiles_suppressed is 'The same of accounts';

-- A finding of look-ups came with no delivery.
alter table core.twitter_compliance_events alter column delivery_id drop not null;
comment on table core.twitter_compliance_events is
    'One row per notice that a tweet was deleted, dropped, withheld, found absent or restored';

create table core.twitter_profile_compliance_events (
    user_id bigint not null,
    event_type text not null,
    event_at timestamptz not null,
    received_at timestamptz not null,
    delivery_id bigint,
    constraint twitter_profile_compliance_events_pkey primary key (user_id, event_type, event_at)
);
comment on table core.twitter_profile_compliance_events is
    'One row per notice that an account was deleted, suspended, protected, withheld or restored';

-- Each edit of a tweet is a tweet with an id of its own. The chain is named by its first version.
create table core.twitter_tweet_edits (
    tweet_id bigint constraint twitter_tweet_edits_pkey primary key,
    first_tweet_id bigint not null,
    constraint twitter_tweet_edits_begin_with_the_first check (first_tweet_id <= tweet_id)
);
comment on table core.twitter_tweet_edits is 'One row per version of a tweet that was edited, collected or not';
create index idx_twitter_tweet_edits_first on core.twitter_tweet_edits (first_tweet_id);
comment on index core.idx_twitter_tweet_edits_first is 'All versions of a tweet';

-- What an event is about, and which events undo one another: of one family the latest counts. Other events are kept
-- and say nothing about being shown.
create function core.suppression_family(event_type text) returns text
    language sql immutable strict parallel safe
    return case event_type
        when 'delete' then 'delete'
        when 'undelete' then 'delete'
        when 'drop' then 'drop'
        when 'undrop' then 'drop'
        when 'withheld' then 'withheld'
        when 'unwithheld' then 'withheld'
        when 'absent' then 'absent'
        when 'user_delete' then 'user_delete'
        when 'user_undelete' then 'user_delete'
        when 'user_suspend' then 'user_suspend'
        when 'user_unsuspend' then 'user_suspend'
        when 'user_protect' then 'user_protect'
        when 'user_unprotect' then 'user_protect'
        when 'user_withheld' then 'user_withheld'
        when 'user_unwithheld' then 'user_withheld'
    end;
comment on function core.suppression_family(text) is
    'Which events undo one another, NULL where one does not bear on being shown; one hides if it is its family';

-- The latest event of each family decides; of two at one instant the one that hides. Of several reasons the oldest.
create function core.suppression_of_profile(subject bigint)
    returns table (suppressed_at timestamptz, suppression_reason text)
    language sql stable
    begin atomic
    select
        latest.event_at,
        latest.event_type
    from (
        select distinct on (core.suppression_family(events.event_type))
            events.event_at,
            events.event_type
        from core.twitter_profile_compliance_events as events
        where events.user_id = subject and core.suppression_family(events.event_type) is not null
        order by
            core.suppression_family(events.event_type),
            events.event_at desc,
            events.event_type = core.suppression_family(events.event_type) desc
    ) as latest
    where latest.event_type = core.suppression_family(latest.event_type)
    order by latest.event_at, latest.event_type
    limit 1;
    end;
comment on function core.suppression_of_profile(bigint) is 'Whether an account may be shown: no row, or since when not';

-- A tweet is hidden by what happened to it, to its original if it is a retweet, to any version of either (deleting one
-- deletes the chain), to the author of either; and by a later version of itself, which is the one that counts.
create function core.suppression_of_tweet(subject bigint)
    returns table (suppressed_at timestamptz, suppression_reason text)
    language sql stable
    begin atomic
    with shown as materialized (
        select
            tweets.tweet_id,
            tweets.author_profile_id,
            tweets.retweeted_tweet_id
        from core.twitter_tweets as tweets
        where tweets.tweet_id = subject
    ),

    concerned as materialized (
        select
            shown.tweet_id,
            shown.author_profile_id
        from shown
        union all
        select
            shown.retweeted_tweet_id,
            original.author_profile_id
        from shown
        left join core.twitter_tweets as original on shown.retweeted_tweet_id = original.tweet_id
        where shown.retweeted_tweet_id is not null
    ),

    versions as materialized (
        select concerned.tweet_id from concerned
        union
        select versions.tweet_id
        from concerned
        inner join core.twitter_tweet_edits as edits on concerned.tweet_id = edits.tweet_id
        inner join core.twitter_tweet_edits as versions on edits.first_tweet_id = versions.first_tweet_id
    ),

    latest as (
        select distinct on (events.tweet_id, core.suppression_family(events.event_type))
            events.tweet_id,
            events.event_at,
            events.event_type
        from versions
        inner join core.twitter_compliance_events as events on versions.tweet_id = events.tweet_id
        where core.suppression_family(events.event_type) is not null
        order by
            events.tweet_id,
            core.suppression_family(events.event_type),
            events.event_at desc,
            events.event_type = core.suppression_family(events.event_type) desc
    ),

    verdicts as (
        select
            latest.event_at,
            latest.event_type
        from latest
        where
            latest.event_type = core.suppression_family(latest.event_type)
            -- What was seen after it was found absent is there.
            and (
                latest.event_type <> 'absent'
                or not exists (
                    select
                    from core.twitter_tweet_metrics as metrics
                    where metrics.tweet_id = latest.tweet_id and metrics.observed_at > latest.event_at
                )
            )
        union all
        select
            of_authors.suppressed_at,
            of_authors.suppression_reason
        from concerned
        cross join lateral core.suppression_of_profile(concerned.author_profile_id) as of_authors
        union all
        select
            core.snowflake_time(min(versions.tweet_id)),
            'edited'
        from shown
        inner join core.twitter_tweet_edits as edits on shown.tweet_id = edits.tweet_id
        inner join core.twitter_tweet_edits as versions on edits.first_tweet_id = versions.first_tweet_id
        where
            versions.tweet_id > shown.tweet_id
            and exists (select from core.twitter_tweets as tweets where tweets.tweet_id = versions.tweet_id)
        having count(*) > 0
    )

    select
        verdicts.event_at,
        verdicts.event_type
    from verdicts
    order by verdicts.event_at, verdicts.event_type
    limit 1;
    end;
comment on function core.suppression_of_tweet(bigint) is
    'Whether a tweet may be shown: no row, or since when not, and why';

-- Whose suppression may have changed. Whoever writes an event leaves a mark in the same transaction, by trigger; the
-- normaliser leaves one for a tweet that arrives after its event. See ingest/compliance/suppress.py.
create table ops.suppression_queue (
    mark_id bigint generated always as identity constraint suppression_queue_pkey primary key,
    tweet_id bigint,
    user_id bigint,
    settles_after xid8,
    constraint suppression_queue_names_one check (num_nonnulls(tweet_id, user_id) = 1)
)
with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
comment on table ops.suppression_queue is 'One row per tweet or account whose suppression is to be decided again';
comment on column ops.suppression_queue.settles_after is
    'NULL: not looked at yet. Else: looked at while these transactions ran, to be looked at again once they ended';

-- One row: when anything was last suppressed or shown again. It is part of the version of what readers cache.
create table ops.suppression_state (
    is_only_row boolean constraint suppression_state_pkey primary key default true,
    changed_at timestamptz not null default clock_timestamp(),
    constraint suppression_state_has_one_row check (is_only_row)
);
comment on table ops.suppression_state is 'When anything was last suppressed, shown again or erased (one row)';
insert into ops.suppression_state default values;

create function ops.on_tweet_notices() returns trigger
    language plpgsql as
$$
begin
    insert into ops.suppression_queue (tweet_id)
    select distinct changed.tweet_id from changed_rows as changed;
    return null;
end
$$;

create function ops.on_profile_notices() returns trigger
    language plpgsql as
$$
begin
    insert into ops.suppression_queue (user_id)
    select distinct changed.user_id from changed_rows as changed;
    return null;
end
$$;

-- Notices come and go; the normaliser's updates change only when and whence one was received.
create trigger twitter_compliance_events_queue_insert after insert on core.twitter_compliance_events
    referencing new table as changed_rows for each statement execute function ops.on_tweet_notices();
create trigger twitter_compliance_events_queue_delete after delete on core.twitter_compliance_events
    referencing old table as changed_rows for each statement execute function ops.on_tweet_notices();
create trigger twitter_tweet_edits_queue_insert after insert on core.twitter_tweet_edits
    referencing new table as changed_rows for each statement execute function ops.on_tweet_notices();
create trigger twitter_tweet_edits_queue_delete after delete on core.twitter_tweet_edits
    referencing old table as changed_rows for each statement execute function ops.on_tweet_notices();
create trigger twitter_profile_compliance_events_queue_insert after insert on core.twitter_profile_compliance_events
    referencing new table as changed_rows for each statement execute function ops.on_profile_notices();
create trigger twitter_profile_compliance_events_queue_delete after delete on core.twitter_profile_compliance_events
    referencing old table as changed_rows for each statement execute function ops.on_profile_notices();

-- The zone links carry the author, the time and the suppression of their tweet: a change of the tweet is carried over.
create or replace function ops.on_update_of_tweets() returns trigger
    language plpgsql as
$$
begin
    if ops.marks_are_explicit() then
        return null;
    end if;
    update core.twitter_tweet_zones as links
    set
        author_profile_id = changed.author_profile_id,
        twitter_created_at = changed.twitter_created_at,
        suppressed_at = changed.suppressed_at
    from new_rows as changed
    where
        links.tweet_id = changed.tweet_id
        and (links.author_profile_id, links.twitter_created_at, links.suppressed_at)
        is distinct from (changed.author_profile_id, changed.twitter_created_at, changed.suppressed_at);
    perform ops.mark_tweets(array(
        select changed.tweet_id from new_rows as changed
        union
        select changed.tweet_id from old_rows as changed
    ));
    return null;
end
$$;

grant select, insert, update, delete on
core.twitter_profile_compliance_events, core.twitter_tweet_edits, ops.suppression_queue, ops.suppression_state
to pipeline;
grant select on
core.twitter_profile_compliance_events, core.twitter_tweet_edits, ops.suppression_state
to api_reader;

-- The row of a tweet as people read it: what is suppressed is not among them.
create or replace view core.twitter_tweets_with_metrics as
select
    tweets.tweet_id,
    tweets.tweet_id::text as tweet_id_text,
    tweets.author_profile_id,
    tweets.author_profile_id::text as author_profile_id_text,
    tweets.conversation_id,
    tweets.text,
    tweets.lang,
    tweets.source,
    tweets.twitter_created_at,
    tweets.collected_at,
    metrics.retweet_count,
    metrics.reply_count,
    metrics.like_count,
    metrics.quote_count,
    metrics.view_count,
    metrics.bookmark_count,
    metrics.total_engagement,
    metrics.observed_at,
    tweets.has_media,
    tweets.has_links,
    tweets.has_hashtags,
    tweets.has_mentions,
    tweets.is_reply,
    tweets.in_reply_to_tweet_id,
    tweets.in_reply_to_user_id,
    tweets.in_reply_to_username,
    tweets.retweeted_tweet_id,
    tweets.quoted_tweet_id,
    'https://x.com/i/status/' || tweets.tweet_id as tweet_url,
    'https://twitter.com/i/status/' || tweets.tweet_id as twitter_url,
    tweets.delivery_id,
    tweets.is_sanitised,
    tweets.is_processed,
    tweets.sentiment_score,
    tweets.created_at,
    tweets.updated_at
from core.twitter_tweets as tweets
left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
where tweets.suppressed_at is null;
comment on view core.twitter_tweets_with_metrics is
    'A tweet that may be shown, with its latest counters and its ids as text';

-- Erasure. Who was erased is remembered as keyed hashes only: they keep what is delivered later from coming back, and
-- name nobody. The key never leaves this table.
create table ops.erasure_key (
    is_only_row boolean constraint erasure_key_pkey primary key default true,
    secret bytea not null,
    constraint erasure_key_has_one_row check (is_only_row)
);
comment on table ops.erasure_key is 'The secret that the block list is hashed with (one row)';
insert into ops.erasure_key (secret)
values (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

create table ops.erased_keys (
    kind text not null,
    key_hash bytea not null,
    erased_at timestamptz not null default now(),
    constraint erased_keys_pkey primary key (kind, key_hash),
    constraint erased_keys_kind_is_known check (kind in ('user', 'tweet', 'handle'))
);
comment on table ops.erased_keys is
    'The block list: one row per account, tweet or handle that was erased, as a keyed hash';

create table ops.erasures (
    erasure_id bigint generated always as identity constraint erasures_pkey primary key,
    kind text not null,
    subject_hash bytea not null,
    reason text not null,
    requested_by text not null,
    requested_at timestamptz not null default now(),
    erased_at timestamptz,
    certified_at timestamptz,
    removed jsonb not null default '{}',
    searched jsonb not null default '{}',
    findings jsonb not null default '[]',
    constraint erasures_kind_is_known check (kind in ('author', 'tweet', 'zone'))
);
comment on table ops.erasures is
    'One row per erasure: what was removed, and the certificate that nothing was found afterwards';
comment on column ops.erasures.subject_hash is 'Keyed hash of whom or what it was about';
comment on column ops.erasures.searched is 'Where the certificate looked, with the number of rows or files';
comment on column ops.erasures.certified_at is
    'When a search of every place found nothing; NULL: not yet, see findings';

create table ops.delivery_rewrites (
    delivery_id bigint not null,
    rewritten_at timestamptz not null default clock_timestamp(),
    reason text not null,
    body_sha256 bytea not null,
    constraint delivery_rewrites_pkey primary key (delivery_id, rewritten_at)
);
comment on table ops.delivery_rewrites is
    'One row per time that a delivery was rewritten without what had to be erased';
comment on column ops.delivery_rewrites.body_sha256 is 'Of the body as it is now, decompressed';

grant select on ops.erasure_key, ops.erased_keys to pipeline;
grant select, insert, update, delete on ops.delivery_rewrites to pipeline;
grant select on ops.erasures to pipeline, api_reader;
