-- Erasure: whom and what a request means, what goes, what is rewritten, and looking whether anything is left.

-- name: create_tables
create temp table if not exists erased_tweets (tweet_id bigint primary key);
create temp table if not exists erased_users (user_id bigint primary key);

-- name: empty_tables
with tweets as (
    delete from erased_tweets
)

delete from erased_users;

-- name: profiles_named
select profiles.twitter_user_id
from core.twitter_profiles as profiles
where lower(profiles.username) = lower(%(handle)s);

-- name: handles_of
select profiles.username
from core.twitter_profiles as profiles
where profiles.twitter_user_id = %(user_id)s and profiles.username is not null
union
select names.username
from core.twitter_profile_names as names
where names.profile_id = %(user_id)s and names.username is not null
union
select entities.entity_value
from core.twitter_entities as entities
where entities.entity_type = 'mention' and entities.mentioned_user_id = %(user_id)s;

-- name: choose_user
insert into erased_users (user_id) values (%(user_id)s) on conflict (user_id) do nothing;

-- name: choose_tweet
insert into erased_tweets (tweet_id)
select versions.tweet_id
from core.twitter_tweet_edits as edits
inner join core.twitter_tweet_edits as versions on edits.first_tweet_id = versions.first_tweet_id
where edits.tweet_id = %(tweet_id)s
union
select %(tweet_id)s::bigint
on conflict (tweet_id) do nothing;

-- name: choose_tweets_of_users
insert into erased_tweets (tweet_id)
select tweets.tweet_id
from core.twitter_tweets as tweets
inner join erased_users on tweets.author_profile_id = erased_users.user_id
union
select events.tweet_id
from core.twitter_compliance_events as events
inner join erased_users on events.user_id = erased_users.user_id
on conflict (tweet_id) do nothing;

-- What only this zone collected, and is no other tweet's original; then originals that came along with nothing else.
-- name: choose_tweets_of_zone
insert into erased_tweets (tweet_id)
with only_here as materialized (
    select links.tweet_id
    from core.twitter_tweet_zones as links
    group by links.tweet_id
    having bool_and(links.zone_id = %(zone_id)s)
),

without_link as materialized (
    select tweets.tweet_id
    from core.twitter_tweets as tweets
    where not exists (select from core.twitter_tweet_zones as links where links.tweet_id = tweets.tweet_id)
),

candidates as materialized (
    select only_here.tweet_id from only_here
    union
    select without_link.tweet_id from without_link
),

kept_originals as (
    select unnest(array[tweets.retweeted_tweet_id, tweets.quoted_tweet_id]) as tweet_id
    from core.twitter_tweets as tweets
    where not exists (select from candidates where candidates.tweet_id = tweets.tweet_id)
),

used_here as (
    select unnest(array[tweets.retweeted_tweet_id, tweets.quoted_tweet_id]) as tweet_id
    from only_here
    inner join core.twitter_tweets as tweets on only_here.tweet_id = tweets.tweet_id
)

select candidates.tweet_id
from candidates
where
    not exists (select from kept_originals where kept_originals.tweet_id = candidates.tweet_id)
    and (
        exists (select from only_here where only_here.tweet_id = candidates.tweet_id)
        or exists (select from used_here where used_here.tweet_id = candidates.tweet_id)
    )
on conflict (tweet_id) do nothing;

-- A retweet holds the text of its original.
-- name: choose_retweets
insert into erased_tweets (tweet_id)
select retweets.tweet_id
from erased_tweets
inner join core.twitter_tweets as retweets on erased_tweets.tweet_id = retweets.retweeted_tweet_id
on conflict (tweet_id) do nothing;

-- name: chosen
select
    erased_tweets.tweet_id,
    case when tweets.retweeted_tweet_id is null then tweets.text end as own_text,
    tweets.author_profile_id
from erased_tweets
left join core.twitter_tweets as tweets on erased_tweets.tweet_id = tweets.tweet_id
order by erased_tweets.tweet_id;

-- Words that others wrote as well are theirs.
-- name: texts_of_others
select distinct tweets.text
from core.twitter_tweets as tweets
where
    tweets.text = any(%(texts)s::text[])
    and tweets.tweet_id not in (select erased_tweets.tweet_id from erased_tweets);

-- name: begin_erasure
insert into ops.erasures (kind, subject_hash, reason, requested_by)
values (%(kind)s, %(subject_hash)s, %(reason)s, %(requested_by)s)
returning erasure_id;

-- What began before the block list was committed may be writing what the list names.
-- name: next_transaction
select pg_snapshot_xmax(pg_current_snapshot())::text;

-- name: are_older_ones_over
select pg_snapshot_xmin(pg_current_snapshot()) >= %(transaction)s::text::xid8;

-- name: page_of_deliveries
select
    deliveries.delivery_id,
    deliveries.dictionary_id,
    deliveries.body
from raw.deliveries
where deliveries.delivery_id > %(after)s and deliveries.source <> 'heartbeat'
order by deliveries.delivery_id
limit %(limit)s;

-- name: lock_tweets
select metrics.tweet_id
from erased_tweets
inner join core.twitter_tweet_metrics as metrics on erased_tweets.tweet_id = metrics.tweet_id
order by metrics.tweet_id
for update of metrics;

-- name: delete_links
delete from core.twitter_tweet_zones as links
using erased_tweets where links.tweet_id = erased_tweets.tweet_id;

-- name: delete_zone_links
delete from core.twitter_tweet_zones as links where links.zone_id = %(zone_id)s;

-- name: delete_entities
delete from core.twitter_entities as entities
using erased_tweets where entities.tweet_id = erased_tweets.tweet_id;

-- name: delete_history
delete from core.twitter_engagement_history as history
using erased_tweets where history.tweet_id = erased_tweets.tweet_id;

-- name: delete_metrics
delete from core.twitter_tweet_metrics as metrics
using erased_tweets where metrics.tweet_id = erased_tweets.tweet_id;

-- name: delete_raw_objects
delete from core.twitter_tweet_raw as objects
using erased_tweets where objects.tweet_id = erased_tweets.tweet_id;

-- name: delete_events
delete from core.twitter_compliance_events as events
where
    events.tweet_id in (select erased_tweets.tweet_id from erased_tweets)
    or events.user_id in (select erased_users.user_id from erased_users);

-- name: delete_edits
delete from core.twitter_tweet_edits as edits
where
    edits.tweet_id in (select erased_tweets.tweet_id from erased_tweets)
    or edits.first_tweet_id in (select erased_tweets.tweet_id from erased_tweets);

-- name: delete_absences
delete from ops.tweet_absences as absences
using erased_tweets where absences.tweet_id = erased_tweets.tweet_id;

-- name: delete_tweets
delete from core.twitter_tweets as tweets
using erased_tweets where tweets.tweet_id = erased_tweets.tweet_id;

-- name: delete_profile_events
delete from core.twitter_profile_compliance_events as events
using erased_users where events.user_id = erased_users.user_id;

-- name: delete_profile_snapshots
delete from core.twitter_profile_snapshots as snapshots
using erased_users where snapshots.profile_id = erased_users.user_id;

-- name: delete_profile_absences
delete from ops.profile_absences as absences
using erased_users where absences.profile_id = erased_users.user_id;

-- name: delete_profiles
delete from core.twitter_profiles as profiles
using erased_users where profiles.twitter_user_id = erased_users.user_id;

-- After the profiles, since their deletion leaves marks.
-- name: delete_profile_marks
delete from ops.twitter_top_profiles_by_zone__profile_marks as marks
using erased_users where marks.profile_id = erased_users.user_id;

-- name: delete_audit
delete from ops.audit_log as entries
where
    entries.subject = 'twitter_profiles'
    and entries.subject_id in (select erased_users.user_id::text from erased_users);

-- Last, since deletions leave marks there.
-- name: delete_suppression_marks
delete from ops.suppression_queue as marks
where
    marks.tweet_id in (select erased_tweets.tweet_id from erased_tweets)
    or marks.user_id in (select erased_users.user_id from erased_users);

-- What is left of a letter says that there was one. Its item is gone: there is nothing to replay.
-- name: empty_letters
update raw.dead_letters as letters
set tweet_id = null, detail = 'erased', resolved_at = coalesce(letters.resolved_at, now())
where letters.tweet_id in (select erased_tweets.tweet_id from erased_tweets);

-- Letters about other items of a rewritten delivery stay open, without naming anybody.
-- name: rewrite_letters
update raw.dead_letters as letters
set detail = 'erased'
where letters.delivery_id = any(%(rewritten)s::bigint[]) and letters.detail ~* %(pattern)s;

-- What others wrote about the erased, or as an answer to them.
-- name: tweets_of_others
select
    tweets.tweet_id,
    tweets.text,
    tweets.in_reply_to_username
from core.twitter_tweets as tweets
where
    (%(pattern)s::text is not null and tweets.text ~* %(pattern)s::text)
    or lower(tweets.in_reply_to_username) = any(%(handles)s::text[])
    or tweets.in_reply_to_user_id in (select erased_users.user_id from erased_users)
    or tweets.in_reply_to_tweet_id in (select erased_tweets.tweet_id from erased_tweets)
    or tweets.quoted_tweet_id in (select erased_tweets.tweet_id from erased_tweets)
    or tweets.conversation_id in (select erased_tweets.tweet_id from erased_tweets);

-- name: rewrite_tweets_of_others
update core.twitter_tweets as tweets
set
    text = others.text,
    in_reply_to_username = others.in_reply_to_username,
    in_reply_to_user_id = case
        when not exists (select from erased_users where erased_users.user_id = tweets.in_reply_to_user_id)
            then tweets.in_reply_to_user_id
    end,
    in_reply_to_tweet_id = case
        when not exists (select from erased_tweets where erased_tweets.tweet_id = tweets.in_reply_to_tweet_id)
            then tweets.in_reply_to_tweet_id
    end,
    quoted_tweet_id = case
        when not exists (select from erased_tweets where erased_tweets.tweet_id = tweets.quoted_tweet_id)
            then tweets.quoted_tweet_id
    end,
    conversation_id = case
        when not exists (select from erased_tweets where erased_tweets.tweet_id = tweets.conversation_id)
            then tweets.conversation_id
    end,
    updated_at = now()
from unnest(%(tweet_ids)s::bigint[], %(texts)s::text[], %(usernames)s::text[])
    as others (tweet_id, text, in_reply_to_username)
where tweets.tweet_id = others.tweet_id;

-- name: entities_of_others
select
    entities.tweet_id,
    entities.ordinal,
    entities.entity_type,
    entities.entity_value
from core.twitter_entities as entities
where
    entities.mentioned_user_id in (select erased_users.user_id from erased_users)
    or (entities.entity_type = 'mention' and lower(entities.entity_value) = any(%(handles)s::text[]))
    or (%(pattern)s::text is not null and entities.entity_type = 'url' and entities.entity_value ~* %(pattern)s::text);

-- name: rewrite_entities_of_others
update core.twitter_entities as entities
set
    entity_value = others.entity_value,
    entity_normalized = others.entity_normalized,
    mentioned_user_id = null
from unnest(
    %(tweet_ids)s::bigint[], %(ordinals)s::smallint[], %(values)s::text[], %(normalized)s::text[]
) as others (tweet_id, ordinal, entity_value, entity_normalized)
where entities.tweet_id = others.tweet_id and entities.ordinal = others.ordinal;

-- name: profiles_of_others
select
    profiles.twitter_user_id,
    profiles.description
from core.twitter_profiles as profiles
where %(pattern)s::text is not null and profiles.description ~* %(pattern)s::text;

-- name: rewrite_profile_of_others
update core.twitter_profiles as profiles
set description = %(description)s, updated_at = now()
where profiles.twitter_user_id = %(user_id)s;

-- A verification reads its notes in one snapshot, and deletes what it read: nobody else may delete there meanwhile.
-- name: wait_for_verification
select pg_advisory_xact_lock(hashtextextended('verify.' || %(mart)s, 0));

-- name: zone_named
select
    zones.id,
    zones.name
from core.zones
where zones.name = %(zone)s;

-- name: profiles_without_tweets
insert into erased_users (user_id)
select profiles.twitter_user_id
from core.twitter_profiles as profiles
where
    not profiles.is_monitored
    and profiles.twitter_user_id = any(%(authors)s::bigint[])
    and not exists (
        select from core.twitter_tweets as tweets where tweets.author_profile_id = profiles.twitter_user_id
    )
on conflict (user_id) do nothing;

-- Before the first build there is no such table.
-- name: is_anything_counted
select to_regclass('intermediate.int_zone_counted_tweets') is not null;

-- Retention has taken their tweets, and other zones counted them: they stay as those zones know them.
-- name: spare_profiles_of_sealed_months
delete from erased_users
where exists (
    select
    from intermediate.int_zone_counted_tweets as counted
    where
        counted.author_profile_id = erased_users.user_id
        and counted.zone_id <> %(zone_id)s
        and ops.is_sealed_tweet(counted.tweet_id)
);

-- Of sealed months, what was counted is all that is left; the marts follow as they follow any change. Elsewhere the
-- builds count the tweets anew.
-- name: delete_sealed_counts
delete from intermediate.int_zone_counted_tweets as counted
where
    (
        counted.zone_id = %(zone_id)s
        or counted.author_profile_id in (select erased_users.user_id from erased_users)
        or counted.tweet_id in (select erased_tweets.tweet_id from erased_tweets)
    )
    and ops.is_sealed_tweet(counted.tweet_id);

-- name: forget_sealed_mentions
update intermediate.int_zone_counted_tweets as counted
set
    mentions = array(
        select named.mention
        from unnest(counted.mentions) with ordinality as named (mention, place)
        where named.mention <> all(%(mentions)s)
        order by named.place
    )
where counted.mentions && %(mentions)s and ops.is_sealed_tweet(counted.tweet_id);

-- name: delete_rules_of_zone
delete from core.twitter_rules as rules where rules.zone_id = %(zone_id)s;

-- name: delete_periods_of_zone
delete from core.twitter_rule_periods as periods where periods.zone_id = %(zone_id)s;

-- name: delete_zone
delete from core.zones where zones.id = %(zone_id)s;

-- name: rules_that_name
select
    zones.name,
    rules.tag
from core.twitter_rules as rules
inner join core.zones on rules.zone_id = zones.id
where rules.query ~* %(pattern)s;

-- name: note_erased
update ops.erasures set erased_at = clock_timestamp(), removed = %(removed)s where erasures.erasure_id = %(erasure_id)s;

-- name: note_certificate
update ops.erasures
set
    searched = %(searched)s,
    findings = %(findings)s,
    certified_at = case when jsonb_array_length(%(findings)s::jsonb) = 0 then clock_timestamp() end
where erasures.erasure_id = %(erasure_id)s;

-- Every column of every table that can hold an id or a text, whichever schema a later migration puts it in.
-- name: columns
select
    namespaces.nspname::text as schema_name,
    tables.relname::text as table_name,
    attributes.attname::text as column_name,
    types.typname::text as type_name
from pg_attribute as attributes
inner join pg_class as tables on attributes.attrelid = tables.oid
inner join pg_namespace as namespaces on tables.relnamespace = namespaces.oid
inner join pg_type as types on attributes.atttypid = types.oid
where
    namespaces.nspname in ('raw', 'core', 'ops', 'intermediate', 'marts')
    and tables.relkind in ('r', 'p')
    and not tables.relispartition
    and attributes.attnum > 0
    and not attributes.attisdropped
    and types.typname in ('int8', '_int8', 'text', '_text', 'varchar', 'json', 'jsonb', 'uuid')
order by namespaces.nspname, tables.relname, attributes.attname;
