-- How a merged batch becomes rows of core. Statements run in the order of this file, in one transaction.
-- Locks are taken in the same order by every worker, each kind by ascending key: workers wait but never deadlock.

-- name: create_batch_tables
create temp table if not exists batch_profiles (
    twitter_user_id bigint primary key, twitter_created_at timestamptz, first_seen_at timestamptz,
    last_seen_at timestamptz, last_updated_at timestamptz, content_hash bigint, followers_count bigint,
    following_count bigint, tweets_count bigint, media_count bigint, favourites_count bigint, is_verified boolean,
    is_blue_verified boolean, is_automated boolean, can_dm boolean, possibly_sensitive boolean,
    is_protected boolean, username text, name text, profile_picture_url text, cover_picture_url text,
    description text, location text, verified_type text, automated_by text, profile_url text
) on commit delete rows;
create temp table if not exists batch_tweets (
    tweet_id bigint primary key, author_profile_id bigint, conversation_id bigint, in_reply_to_tweet_id bigint,
    in_reply_to_user_id bigint, retweeted_tweet_id bigint, quoted_tweet_id bigint, delivery_id bigint,
    content_hash bigint, twitter_created_at timestamptz, collected_at timestamptz, has_media boolean,
    has_links boolean, has_hashtags boolean, has_mentions boolean, is_reply boolean, is_sanitised boolean,
    text text, lang text, source text, in_reply_to_username text, observed_at timestamptz,
    first_counted_at timestamptz, retweet_count bigint, reply_count bigint, like_count bigint, quote_count bigint,
    view_count bigint, bookmark_count bigint
) on commit delete rows;
create temp table if not exists batch_counters (
    tweet_id bigint, observed_at timestamptz, retweet_count bigint, reply_count bigint, like_count bigint,
    quote_count bigint, view_count bigint, bookmark_count bigint
) on commit delete rows;
create temp table if not exists batch_entities (
    tweet_id bigint, ordinal smallint, entity_type text, start_index integer, end_index integer,
    mentioned_user_id bigint, entity_value text, entity_normalized text, url_host text
) on commit delete rows;
create temp table if not exists batch_history (
    tweet_id bigint, snapshot_at timestamptz, retweet_count bigint, reply_count bigint, like_count bigint,
    quote_count bigint, view_count bigint, bookmark_count bigint
) on commit delete rows;
create temp table if not exists batch_links (
    tweet_id bigint, zone_id uuid, author_profile_id bigint, twitter_created_at timestamptz,
    first_matched_at timestamptz, rule_ids uuid[], primary key (tweet_id, zone_id)
) on commit delete rows;
create temp table if not exists batch_events (
    tweet_id bigint, event_type text, event_at timestamptz, received_at timestamptz, user_id bigint, delivery_id bigint
) on commit delete rows;
create temp table if not exists batch_versions (
    tweet_id bigint primary key, first_tweet_id bigint
) on commit delete rows;
create temp table if not exists batch_letters (
    delivery_id bigint, item_index integer, received_at timestamptz, tweet_id bigint, source text, stage text,
    reason text, detail text, primary key (delivery_id, item_index, reason)
) on commit delete rows;
create temp table if not exists batch_accounting (
    delivery_id bigint, item_count integer, normalised_count integer, duplicate_count integer,
    control_count integer, dead_count integer, parser_version integer
) on commit delete rows;
create temp table if not exists batch_new (tweet_id bigint primary key) on commit delete rows;
create temp table if not exists batch_known (
    tweet_id bigint primary key, observed_at timestamptz, retweet_count bigint, reply_count bigint,
    like_count bigint, quote_count bigint, view_count bigint, bookmark_count bigint
) on commit delete rows;
create temp table if not exists batch_rewritten (tweet_id bigint primary key) on commit delete rows;
create temp table if not exists batch_written (tweet_id bigint primary key) on commit delete rows;
create temp table if not exists batch_changed (tweet_id bigint) on commit delete rows;
create temp table if not exists batch_known_profiles (
    twitter_user_id bigint primary key, username text, name text, profile_picture_url text, is_verified boolean,
    is_blue_verified boolean, followers_count bigint
) on commit delete rows;

-- The planner cannot know that a join from a small batch touches one partition a row: it would read whole tables.
-- name: plan_for_a_batch
set local enable_hashjoin = off;
set local enable_mergejoin = off;
set local jit = off;
set local ledger.marks = 'explicit'; -- noqa: PRS

-- name: insert_new_profiles
insert into core.twitter_profiles (
    twitter_user_id, twitter_created_at, first_seen_at, last_seen_at, last_updated_at, content_hash,
    followers_count, following_count, tweets_count, media_count, favourites_count, is_verified,
    is_blue_verified, is_automated, can_dm, possibly_sensitive, is_protected, username, name,
    profile_picture_url, cover_picture_url, description, location, verified_type, automated_by, profile_url
)
select
    batch.twitter_user_id, batch.twitter_created_at, batch.first_seen_at, batch.last_seen_at,
    batch.last_updated_at, batch.content_hash, batch.followers_count, batch.following_count,
    batch.tweets_count, batch.media_count, batch.favourites_count, batch.is_verified, batch.is_blue_verified,
    batch.is_automated, batch.can_dm, batch.possibly_sensitive, batch.is_protected, batch.username, batch.name,
    batch.profile_picture_url, batch.cover_picture_url, batch.description, batch.location, batch.verified_type,
    batch.automated_by, batch.profile_url
from batch_profiles as batch
order by batch.twitter_user_id
on conflict (twitter_user_id) do nothing;

-- Whoever inserts a tweet's metrics row has the tweet to himself until he commits. Returns those tweets.
-- name: insert_new_metrics
with inserted as (
    insert into core.twitter_tweet_metrics (
        tweet_id, observed_at, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count
    )
    select
        batch.tweet_id, batch.observed_at, batch.retweet_count, batch.reply_count, batch.like_count,
        batch.quote_count, batch.view_count, batch.bookmark_count
    from batch_counters as batch
    order by batch.tweet_id
    on conflict (tweet_id) do nothing
    returning tweet_id
),

noted as (
    insert into batch_new (tweet_id)
    select inserted.tweet_id from inserted
)

select inserted.tweet_id from inserted;

-- Rows of new tweets go to their tables directly, without a temporary one and a search for conflicts: a fifth more
-- tweets a second.
-- name: copy_new_tweets
copy core.twitter_tweets (
    tweet_id, author_profile_id, conversation_id, in_reply_to_tweet_id, in_reply_to_user_id, retweeted_tweet_id,
    quoted_tweet_id, delivery_id, content_hash, twitter_created_at, collected_at, has_media, has_links, has_hashtags,
    has_mentions, is_reply, is_sanitised, text, lang, source, in_reply_to_username
) from stdin (format binary);

-- name: copy_new_entities
copy core.twitter_entities (
    tweet_id, ordinal, entity_type, start_index, end_index, mentioned_user_id, entity_value, entity_normalized, url_host
) from stdin (format binary);

-- name: copy_new_history
copy core.twitter_engagement_history (
    tweet_id, snapshot_at, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count
) from stdin (format binary);

-- name: copy_new_links
copy core.twitter_tweet_zones (
    tweet_id, zone_id, author_profile_id, twitter_created_at, first_matched_at, rule_ids
) from stdin (format binary);

-- name: copy_marks
copy ops.int_zone_counted_tweets__marks (tweet_id) from stdin (format binary);

-- Whoever holds the lock on a tweet's metrics row may change anything about the tweet.
-- name: lock_known_tweets
insert into batch_known
select
    metrics.tweet_id, metrics.observed_at, metrics.retweet_count, metrics.reply_count, metrics.like_count,
    metrics.quote_count, metrics.view_count, metrics.bookmark_count
from batch_tweets as batch
inner join core.twitter_tweet_metrics as metrics on batch.tweet_id = metrics.tweet_id
where batch.tweet_id not in (select batch_new.tweet_id from batch_new)
order by metrics.tweet_id
for update of metrics;

-- name: insert_new_tweets
with inserted as (
    insert into core.twitter_tweets (
        tweet_id, author_profile_id, conversation_id, in_reply_to_tweet_id, in_reply_to_user_id,
        retweeted_tweet_id, quoted_tweet_id, delivery_id, content_hash, twitter_created_at, collected_at,
        has_media, has_links, has_hashtags, has_mentions, is_reply, is_sanitised, text, lang, source,
        in_reply_to_username
    )
    select
        batch.tweet_id, batch.author_profile_id, batch.conversation_id, batch.in_reply_to_tweet_id,
        batch.in_reply_to_user_id, batch.retweeted_tweet_id, batch.quoted_tweet_id, batch.delivery_id,
        batch.content_hash, batch.twitter_created_at, batch.collected_at, batch.has_media, batch.has_links,
        batch.has_hashtags, batch.has_mentions, batch.is_reply, batch.is_sanitised, batch.text, batch.lang,
        batch.source, batch.in_reply_to_username
    from batch_tweets as batch
    order by batch.tweet_id
    on conflict (tweet_id) do nothing
    returning tweet_id
)

insert into batch_written (tweet_id)
select inserted.tweet_id from inserted;

-- The newest observation's content counts; within one instant the larger hash. After a change of the parser the
-- content of the same observation is replaced (authoritative), and that of the same delivery even where a look-up has
-- counted since: look-ups bring no content.
-- name: rewrite_changed_tweets
with rewritten as (
    update core.twitter_tweets as tweets
    set
        conversation_id = batch.conversation_id,
        in_reply_to_tweet_id = batch.in_reply_to_tweet_id,
        in_reply_to_user_id = batch.in_reply_to_user_id,
        retweeted_tweet_id = batch.retweeted_tweet_id,
        quoted_tweet_id = batch.quoted_tweet_id,
        delivery_id = batch.delivery_id,
        content_hash = batch.content_hash,
        has_media = batch.has_media,
        has_links = batch.has_links,
        has_hashtags = batch.has_hashtags,
        has_mentions = batch.has_mentions,
        is_reply = batch.is_reply,
        is_sanitised = batch.is_sanitised,
        text = batch.text,
        lang = batch.lang,
        source = batch.source,
        in_reply_to_username = batch.in_reply_to_username,
        purged_at = null,
        updated_at = now()
    from batch_tweets as batch
    inner join batch_known as known on batch.tweet_id = known.tweet_id
    where
        tweets.tweet_id = batch.tweet_id
        and tweets.content_hash <> batch.content_hash
        -- What was purged is filled again only once it may be shown.
        and (tweets.purged_at is null or tweets.suppressed_at is null)
        and (
            batch.observed_at > known.observed_at
            or (
                batch.observed_at = known.observed_at
                and (%(authoritative)s::boolean or batch.content_hash > tweets.content_hash)
            )
            or (%(authoritative)s::boolean and batch.delivery_id = tweets.delivery_id)
        )
    returning tweets.tweet_id
),

changed as (
    insert into batch_changed (tweet_id)
    select rewritten.tweet_id from rewritten
)

insert into batch_rewritten (tweet_id)
select rewritten.tweet_id from rewritten;

-- name: delete_rewritten_entities
delete from core.twitter_entities as entities
using batch_rewritten
where entities.tweet_id = batch_rewritten.tweet_id;

-- name: insert_entities
insert into core.twitter_entities (
    tweet_id, ordinal, entity_type, start_index, end_index, mentioned_user_id, entity_value, entity_normalized,
    url_host
)
select
    batch.tweet_id, batch.ordinal, batch.entity_type, batch.start_index, batch.end_index,
    batch.mentioned_user_id, batch.entity_value, batch.entity_normalized, batch.url_host
from batch_entities as batch
where
    batch.tweet_id in (select batch_written.tweet_id from batch_written)
    or batch.tweet_id in (select batch_rewritten.tweet_id from batch_rewritten)
on conflict (tweet_id, ordinal) do nothing;

-- name: insert_history
insert into core.twitter_engagement_history as history (
    tweet_id, snapshot_at, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count
)
select
    batch.tweet_id, batch.snapshot_at, batch.retweet_count, batch.reply_count, batch.like_count,
    batch.quote_count, batch.view_count, batch.bookmark_count
from batch_history as batch
on conflict (tweet_id, snapshot_at) do update
set
    retweet_count = case when %(authoritative)s::boolean then excluded.retweet_count else greatest(history.retweet_count, excluded.retweet_count) end,
    reply_count = case when %(authoritative)s::boolean then excluded.reply_count else greatest(history.reply_count, excluded.reply_count) end,
    like_count = case when %(authoritative)s::boolean then excluded.like_count else greatest(history.like_count, excluded.like_count) end,
    quote_count = case when %(authoritative)s::boolean then excluded.quote_count else greatest(history.quote_count, excluded.quote_count) end,
    view_count = case when %(authoritative)s::boolean then excluded.view_count else greatest(history.view_count, excluded.view_count) end,
    bookmark_count = case when %(authoritative)s::boolean then excluded.bookmark_count else greatest(history.bookmark_count, excluded.bookmark_count) end
where
    (history.retweet_count, history.reply_count, history.like_count, history.quote_count, history.view_count, history.bookmark_count)
    is distinct from
    (excluded.retweet_count, excluded.reply_count, excluded.like_count, excluded.quote_count, excluded.view_count, excluded.bookmark_count);

-- What a changed parser no longer reads from an observation was never observed.
-- name: delete_withdrawn_history
delete from core.twitter_engagement_history as history
using batch_tweets as batch
where
    history.tweet_id = batch.tweet_id
    and history.snapshot_at = batch.observed_at
    and not exists (
        select from batch_history
        where batch_history.tweet_id = batch.tweet_id and batch_history.snapshot_at = batch.observed_at
    );

-- Counters newer than all that was known: each known one replaces the one before.
-- name: update_newer_metrics
with updated as (
    update core.twitter_tweet_metrics as metrics
    set
        observed_at = batch.observed_at,
        retweet_count = coalesce(batch.retweet_count, metrics.retweet_count),
        reply_count = coalesce(batch.reply_count, metrics.reply_count),
        like_count = coalesce(batch.like_count, metrics.like_count),
        quote_count = coalesce(batch.quote_count, metrics.quote_count),
        view_count = coalesce(batch.view_count, metrics.view_count),
        bookmark_count = coalesce(batch.bookmark_count, metrics.bookmark_count)
    from batch_tweets as batch
    inner join batch_known as known on batch.tweet_id = known.tweet_id
    where
        metrics.tweet_id = known.tweet_id
        and batch.observed_at > known.observed_at
        and (batch.first_counted_at is null or batch.first_counted_at > known.observed_at)
        and not %(authoritative)s::boolean
    returning
        metrics.tweet_id,
        (metrics.retweet_count, metrics.reply_count, metrics.like_count, metrics.quote_count, metrics.view_count, metrics.bookmark_count)
        is distinct from
        (known.retweet_count, known.reply_count, known.like_count, known.quote_count, known.view_count, known.bookmark_count)
            as is_changed
),

noted as (
    insert into batch_changed (tweet_id)
    select updated.tweet_id from updated
    where updated.is_changed
)

select
    count(*) as newer,
    count(*) filter (where updated.is_changed) as changed
from updated;

-- Counters that arrived out of order: each is the newest known one of the whole history.
-- name: recount_older_metrics
with latest as (
    select
        known.tweet_id,
        greatest(batch.observed_at, known.observed_at) as observed_at,
        (array_agg(history.retweet_count order by history.snapshot_at desc) filter (where history.retweet_count is not null))[1] as retweet_count,
        (array_agg(history.reply_count order by history.snapshot_at desc) filter (where history.reply_count is not null))[1] as reply_count,
        (array_agg(history.like_count order by history.snapshot_at desc) filter (where history.like_count is not null))[1] as like_count,
        (array_agg(history.quote_count order by history.snapshot_at desc) filter (where history.quote_count is not null))[1] as quote_count,
        (array_agg(history.view_count order by history.snapshot_at desc) filter (where history.view_count is not null))[1] as view_count,
        (array_agg(history.bookmark_count order by history.snapshot_at desc) filter (where history.bookmark_count is not null))[1] as bookmark_count
    from batch_known as known
    inner join batch_tweets as batch on known.tweet_id = batch.tweet_id
    left join core.twitter_engagement_history as history on known.tweet_id = history.tweet_id
    where batch.first_counted_at <= known.observed_at or %(authoritative)s::boolean
    group by known.tweet_id, batch.observed_at, known.observed_at
),

updated as (
    update core.twitter_tweet_metrics as metrics
    set
        observed_at = latest.observed_at,
        retweet_count = latest.retweet_count,
        reply_count = latest.reply_count,
        like_count = latest.like_count,
        quote_count = latest.quote_count,
        view_count = latest.view_count,
        bookmark_count = latest.bookmark_count
    from latest
    inner join batch_known as known on latest.tweet_id = known.tweet_id
    where
        metrics.tweet_id = latest.tweet_id
        and (metrics.observed_at, metrics.retweet_count, metrics.reply_count, metrics.like_count, metrics.quote_count, metrics.view_count, metrics.bookmark_count)
        is distinct from
        (latest.observed_at, latest.retweet_count, latest.reply_count, latest.like_count, latest.quote_count, latest.view_count, latest.bookmark_count)
    returning
        metrics.tweet_id,
        (metrics.retweet_count, metrics.reply_count, metrics.like_count, metrics.quote_count, metrics.view_count, metrics.bookmark_count)
        is distinct from
        (known.retweet_count, known.reply_count, known.like_count, known.quote_count, known.view_count, known.bookmark_count)
            as is_changed
)

insert into batch_changed (tweet_id)
select updated.tweet_id from updated
where updated.is_changed;

-- Returns the links that were there before: what brought only those is a duplicate.
-- name: insert_new_links
with inserted as (
    insert into core.twitter_tweet_zones (
        tweet_id, zone_id, author_profile_id, twitter_created_at, first_matched_at, rule_ids, suppressed_at
    )
    select
        batch.tweet_id, batch.zone_id, tweets.author_profile_id, tweets.twitter_created_at,
        batch.first_matched_at, batch.rule_ids, tweets.suppressed_at
    from batch_links as batch
    inner join core.twitter_tweets as tweets on batch.tweet_id = tweets.tweet_id
    order by batch.tweet_id, batch.zone_id
    on conflict (tweet_id, zone_id) do nothing
    returning tweet_id, zone_id
),

marked as (
    insert into ops.int_zone_counted_tweets__marks (tweet_id)
    select distinct inserted.tweet_id
    from inserted
)

select batch.tweet_id, batch.zone_id from batch_links as batch
except
select inserted.tweet_id, inserted.zone_id from inserted;

-- name: extend_known_links
update core.twitter_tweet_zones as links
set
    first_matched_at = least(links.first_matched_at, batch.first_matched_at),
    rule_ids = array(
        select unnest(links.rule_ids)
        union
        select unnest(batch.rule_ids)
        order by 1
    )
from batch_known as known
inner join batch_links as batch on known.tweet_id = batch.tweet_id
where
    links.tweet_id = batch.tweet_id
    and links.zone_id = batch.zone_id
    and (links.first_matched_at > batch.first_matched_at or not links.rule_ids @> batch.rule_ids);

-- name: mark_changed_tweets
insert into ops.int_zone_counted_tweets__marks (tweet_id)
select distinct changed.tweet_id
from batch_changed as changed
where exists (select 1 from core.twitter_tweet_zones as links where links.tweet_id = changed.tweet_id);

-- A tweet whose event came first, and one that was found absent and is seen again: whether it may be shown is decided
-- after this transaction (ingest/compliance/suppress.py). Each branch costs nothing while its table is empty.
-- name: queue_arrivals
insert into ops.suppression_queue (tweet_id)
with arrived as materialized (
    select
        tweets.tweet_id,
        tweets.retweeted_tweet_id,
        tweets.author_profile_id
    from (select batch_new.tweet_id from batch_new union select batch_written.tweet_id from batch_written) as written
    inner join core.twitter_tweets as tweets on written.tweet_id = tweets.tweet_id
)

select arrived.tweet_id
from arrived
inner join core.twitter_compliance_events as events on arrived.tweet_id = events.tweet_id
where (select exists (select from core.twitter_compliance_events))
union
select arrived.tweet_id
from arrived
inner join core.twitter_compliance_events as events on arrived.retweeted_tweet_id = events.tweet_id
where (select exists (select from core.twitter_compliance_events))
union
select arrived.tweet_id
from arrived
inner join core.twitter_profile_compliance_events as events on arrived.author_profile_id = events.user_id
where (select exists (select from core.twitter_profile_compliance_events))
union
select arrived.tweet_id
from arrived
inner join core.twitter_tweets as originals on arrived.retweeted_tweet_id = originals.tweet_id
inner join core.twitter_profile_compliance_events as events on originals.author_profile_id = events.user_id
where (select exists (select from core.twitter_profile_compliance_events))
union
select arrived.tweet_id
from arrived
inner join core.twitter_tweet_edits as edits on edits.tweet_id in (arrived.tweet_id, arrived.retweeted_tweet_id)
where (select exists (select from core.twitter_tweet_edits))
union
select known.tweet_id
from batch_known as known
inner join core.twitter_tweets as tweets on known.tweet_id = tweets.tweet_id
where tweets.suppression_reason = 'absent';

-- name: insert_events
insert into core.twitter_compliance_events as events (
    tweet_id, event_type, event_at, received_at, user_id, delivery_id
)
select batch.tweet_id, batch.event_type, batch.event_at, batch.received_at, batch.user_id, batch.delivery_id
from batch_events as batch
where batch.tweet_id is not null
order by batch.tweet_id, batch.event_type, batch.event_at
on conflict (tweet_id, event_type, event_at) do update
set
    received_at = least(events.received_at, excluded.received_at),
    delivery_id = least(events.delivery_id, excluded.delivery_id),
    user_id = greatest(events.user_id, excluded.user_id)
where
    events.delivery_id > excluded.delivery_id
    or (events.user_id is null and excluded.user_id is not null);

-- name: insert_profile_events
insert into core.twitter_profile_compliance_events as events (
    user_id, event_type, event_at, received_at, delivery_id
)
select batch.user_id, batch.event_type, batch.event_at, batch.received_at, batch.delivery_id
from batch_events as batch
where batch.tweet_id is null
order by batch.user_id, batch.event_type, batch.event_at
on conflict (user_id, event_type, event_at) do update
set
    received_at = least(events.received_at, excluded.received_at),
    delivery_id = least(events.delivery_id, excluded.delivery_id)
where events.delivery_id > excluded.delivery_id;

-- name: insert_versions
insert into core.twitter_tweet_edits as edits (tweet_id, first_tweet_id)
select batch.tweet_id, batch.first_tweet_id
from batch_versions as batch
order by batch.tweet_id
on conflict (tweet_id) do update
set first_tweet_id = excluded.first_tweet_id
where edits.first_tweet_id > excluded.first_tweet_id;

-- name: insert_letters
insert into raw.dead_letters as letters (
    delivery_id, item_index, received_at, tweet_id, source, stage, reason, detail
)
select
    batch.delivery_id, batch.item_index, batch.received_at, batch.tweet_id, batch.source, batch.stage,
    batch.reason, batch.detail
from batch_letters as batch
order by batch.delivery_id, batch.item_index, batch.reason
on conflict (delivery_id, item_index, reason) do update
set attempts = letters.attempts + 1, last_seen_at = now(), detail = excluded.detail, resolved_at = null;

-- name: resolve_letters
update raw.dead_letters as letters
set resolved_at = now()
from batch_accounting as batch
where
    letters.delivery_id = batch.delivery_id
    and letters.resolved_at is null
    and not exists (
        select from batch_letters as again
        where
            again.delivery_id = letters.delivery_id
            and again.item_index = letters.item_index
            and again.reason = letters.reason
    );

-- A delivery that is read again finds its own links: what was no duplicate the first time is none now.
-- A delivery that is read again keeps the credit for what it brought the first time: its items are no duplicates of
-- themselves.
-- name: account
insert into ops.delivery_accounting as accounting (
    delivery_id, item_count, normalised_count, duplicate_count, control_count, dead_count, parser_version
)
select
    batch.delivery_id, batch.item_count, batch.normalised_count, batch.duplicate_count, batch.control_count,
    batch.dead_count, batch.parser_version
from batch_accounting as batch
on conflict (delivery_id) do update
set
    normalised_at = clock_timestamp(),
    item_count = excluded.item_count,
    normalised_count = least(
        accounting.normalised_count + excluded.normalised_count, excluded.normalised_count + excluded.duplicate_count
    ),
    duplicate_count = greatest(excluded.duplicate_count - accounting.normalised_count, 0),
    control_count = excluded.control_count,
    dead_count = excluded.dead_count,
    parser_version = excluded.parser_version;

-- name: note_rule_triggers
with locked as (
    select rules.id, triggered.received_at
    from unnest(%(rule_ids)s::uuid[], %(received_at)s::timestamptz[]) as triggered (rule_id, received_at)
    inner join core.twitter_rules as rules on triggered.rule_id = rules.id
    where rules.last_triggered_at is null or rules.last_triggered_at < triggered.received_at
    order by rules.id
    for no key update of rules
)

update core.twitter_rules as rules
set last_triggered_at = locked.received_at
from locked
where rules.id = locked.id;

-- Profiles are locked last and for the shortest time: the busiest accounts are in every worker's batch. Not their keys:
-- those every worker shares that inserted a tweet of theirs, and two that did would wait for each other.
-- name: lock_known_profiles
insert into batch_known_profiles
select
    profiles.twitter_user_id, profiles.username, profiles.name, profiles.profile_picture_url, profiles.is_verified,
    profiles.is_blue_verified, profiles.followers_count
from batch_profiles as batch
inner join core.twitter_profiles as profiles on batch.twitter_user_id = profiles.twitter_user_id
where
    (batch.last_updated_at, batch.content_hash) > (profiles.last_updated_at, profiles.content_hash)
    or (%(authoritative)s::boolean and batch.last_updated_at = profiles.last_updated_at)
    or batch.first_seen_at < profiles.first_seen_at
    or batch.last_seen_at > profiles.last_seen_at
order by profiles.twitter_user_id
for no key update of profiles;

-- name: update_newer_profiles
with updated as (
    update core.twitter_profiles as profiles
    set
        first_seen_at = least(profiles.first_seen_at, batch.first_seen_at),
        last_seen_at = greatest(profiles.last_seen_at, batch.last_seen_at),
        twitter_created_at = batch.twitter_created_at,
        last_updated_at = batch.last_updated_at,
        content_hash = batch.content_hash,
        followers_count = batch.followers_count,
        following_count = batch.following_count,
        tweets_count = batch.tweets_count,
        media_count = batch.media_count,
        favourites_count = batch.favourites_count,
        is_verified = batch.is_verified,
        is_blue_verified = batch.is_blue_verified,
        is_automated = batch.is_automated,
        can_dm = batch.can_dm,
        possibly_sensitive = batch.possibly_sensitive,
        is_protected = batch.is_protected,
        username = batch.username,
        name = batch.name,
        profile_picture_url = batch.profile_picture_url,
        cover_picture_url = batch.cover_picture_url,
        description = batch.description,
        location = batch.location,
        verified_type = batch.verified_type,
        automated_by = batch.automated_by,
        profile_url = batch.profile_url,
        purged_at = null,
        updated_at = now()
    from batch_known_profiles as known
    inner join batch_profiles as batch on known.twitter_user_id = batch.twitter_user_id
    where
        profiles.twitter_user_id = known.twitter_user_id
        -- What was purged is filled again only once it may be shown.
        and (profiles.purged_at is null or profiles.suppressed_at is null)
        and (
            (batch.last_updated_at, batch.content_hash) > (profiles.last_updated_at, profiles.content_hash)
            or (
                %(authoritative)s::boolean
                and batch.last_updated_at = profiles.last_updated_at
                and batch.content_hash <> profiles.content_hash
            )
        )
    returning
        profiles.twitter_user_id,
        (profiles.username, profiles.name, profiles.profile_picture_url, profiles.is_verified, profiles.is_blue_verified, profiles.followers_count)
        is distinct from
        (known.username, known.name, known.profile_picture_url, known.is_verified, known.is_blue_verified, known.followers_count)
            as is_changed
)

insert into ops.twitter_top_profiles_by_zone__profile_marks (profile_id)
select updated.twitter_user_id from updated
where updated.is_changed;

-- name: widen_seen_spans
update core.twitter_profiles as profiles
set
    first_seen_at = least(profiles.first_seen_at, batch.first_seen_at),
    last_seen_at = greatest(profiles.last_seen_at, batch.last_seen_at)
from batch_known_profiles as known
inner join batch_profiles as batch on known.twitter_user_id = batch.twitter_user_id
where
    profiles.twitter_user_id = known.twitter_user_id
    and (batch.first_seen_at < profiles.first_seen_at or batch.last_seen_at > profiles.last_seen_at);
