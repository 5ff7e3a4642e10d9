-- The schema that the migrations make from nothing, without the monthly partitions, which follow the clock.
-- Made by: python -m database.schema_dump

CREATE SCHEMA core;

COMMENT ON SCHEMA core IS 'The normalised facts: profiles, tweets, zone links, entities, engagement';

CREATE SCHEMA intermediate;

COMMENT ON SCHEMA intermediate IS 'dbt: small tables at a fine grain, from which the marts are summed';

CREATE SCHEMA marts;

COMMENT ON SCHEMA marts IS 'What BI tools and applications read';

CREATE SCHEMA ops;

COMMENT ON SCHEMA ops IS 'How the pipeline runs: ledger of changes, accounting, state';

CREATE SCHEMA raw;

COMMENT ON SCHEMA raw IS 'Deliveries as they arrived, byte for byte, and what could not be read in them';

CREATE SCHEMA staging;

COMMENT ON SCHEMA staging IS 'dbt: one view for each table that the models read';

CREATE FUNCTION core.bigrams(words text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (SELECT COALESCE(array_agg(DISTINCT substr(run.letters, place.place, 2)), '{}'::text[]) AS "coalesce" FROM ((SELECT (regexp_matches(bigrams.words, '[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+'::text, 'g'::text))[1] AS letters) run CROSS JOIN LATERAL generate_series(1, GREATEST((length(run.letters) - 1), 1)) place(place)));

COMMENT ON FUNCTION core.bigrams(words text) IS 'Every two adjoining letters of the runs of Japanese, Chinese, Korean and Thai script in a text';

CREATE FUNCTION core.snowflake_floor(moment timestamp with time zone) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (GREATEST((0)::bigint, ((floor((EXTRACT(epoch FROM moment) * (1000)::numeric)))::bigint - '1288834974657'::bigint)) << 22);

COMMENT ON FUNCTION core.snowflake_floor(moment timestamp with time zone) IS 'Smallest snowflake id of the millisecond that holds a moment; 0 before November 2010';

CREATE FUNCTION core.end_tweet_id_of(moment timestamp with time zone) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN core.snowflake_floor(GREATEST(moment, '2010-11-06 00:00:00+00'::timestamp with time zone));

COMMENT ON FUNCTION core.end_tweet_id_of(moment timestamp with time zone) IS 'Smallest tweet id that cannot have been posted before a moment';

CREATE FUNCTION core.first_tweet_id_of(moment timestamp with time zone) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN (moment < '2010-11-06 00:00:00+00'::timestamp with time zone) THEN (0)::bigint ELSE core.snowflake_floor(moment) END;

COMMENT ON FUNCTION core.first_tweet_id_of(moment timestamp with time zone) IS 'Smallest tweet id that can have been posted at or after a moment';

CREATE FUNCTION core.keep_former_name() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    insert into core.twitter_profile_names (profile_id, valid_to, valid_from, username, name)
    select
        old.twitter_user_id,
        new.last_updated_at,
        coalesce(max(former.valid_to), old.first_seen_at),
        old.username,
        old.name
    from core.twitter_profile_names as former
    where former.profile_id = old.twitter_user_id
    on conflict (profile_id, valid_to) do nothing;
    return null;
end
$$;

CREATE FUNCTION core.search_vector(words text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN (words ~ '[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f]'::text) THEN (to_tsvector('simple'::regconfig, words) || array_to_tsvector(core.bigrams(words))) ELSE to_tsvector('simple'::regconfig, words) END;

COMMENT ON FUNCTION core.search_vector(words text) IS 'What a tweet is searched by: its words, and pairs of letters where a script has no spaces';

CREATE FUNCTION core.snowflake_time(snowflake bigint) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN ('1970-01-01 00:00:00+00'::timestamp with time zone + ((((snowflake >> 22) + '1288834974657'::bigint))::double precision * '00:00:00.001'::interval));

COMMENT ON FUNCTION core.snowflake_time(snowflake bigint) IS 'The time that a snowflake id holds, exact to the millisecond';

CREATE FUNCTION core.touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.updated_at := now();
    return new;
end
$$;

CREATE TABLE core.twitter_tweet_zones (
    tweet_id bigint NOT NULL,
    zone_id uuid NOT NULL,
    author_profile_id bigint NOT NULL,
    twitter_created_at timestamp with time zone NOT NULL,
    first_matched_at timestamp with time zone NOT NULL,
    rule_ids uuid[] DEFAULT '{}'::uuid[] NOT NULL
)
PARTITION BY RANGE (tweet_id);

COMMENT ON TABLE core.twitter_tweet_zones IS 'One row per tweet and zone that collected it';

CREATE TABLE ops.int_zone_author_hourly__marks (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    author_profile_id bigint NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.int_zone_author_hourly__marks IS 'Buckets of int_zone_author_hourly whose facts changed, appended by whoever changed them';

CREATE FUNCTION ops.mark_tweets(tweet_ids bigint[]) RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
 INSERT INTO ops.int_zone_author_hourly__marks (zone_id, hour, author_profile_id)  SELECT DISTINCT links.zone_id,
             date_trunc('hour'::text, links.twitter_created_at, 'UTC'::text) AS date_trunc,
             links.author_profile_id
            FROM core.twitter_tweet_zones links
           WHERE (links.tweet_id = ANY (mark_tweets.tweet_ids));
END;

CREATE FUNCTION ops.marks_are_explicit() RETURNS boolean
    LANGUAGE sql STABLE
    RETURN (COALESCE(current_setting('ledger.marks'::text, true), ''::text) = 'explicit'::text);

CREATE FUNCTION ops.on_change_by_people() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION ops.on_change_of_links() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION ops.on_change_of_monitoring() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION ops.on_change_of_tweet_rows() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION ops.on_update_of_profiles() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION ops.on_update_of_tweets() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION ops.refuse_truncate() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'truncate of %.% is refused: the ledger cannot see which buckets it empties',
        tg_table_schema, tg_table_name
        using hint = 'Use delete, which leaves a mark for every bucket it touches.';
end
$$;

CREATE TABLE core.twitter_compliance_events (
    tweet_id bigint NOT NULL,
    event_type text NOT NULL,
    event_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    user_id bigint,
    delivery_id bigint NOT NULL
);

COMMENT ON TABLE core.twitter_compliance_events IS 'One row per notice that a tweet was deleted, withheld or restored';

CREATE TABLE core.twitter_engagement_history (
    tweet_id bigint NOT NULL,
    snapshot_at timestamp with time zone NOT NULL,
    retweet_count bigint,
    reply_count bigint,
    like_count bigint,
    quote_count bigint,
    view_count bigint,
    bookmark_count bigint
)
PARTITION BY RANGE (tweet_id);

COMMENT ON TABLE core.twitter_engagement_history IS 'One row per tweet and observation of its counters';

CREATE VIEW core.twitter_engagement_history_with_deltas AS
 SELECT tweet_id,
    snapshot_at,
    retweet_count,
    reply_count,
    like_count,
    quote_count,
    view_count,
    bookmark_count,
    total_engagement,
    (retweet_count - lag(retweet_count) OVER by_time) AS delta_retweets,
    (reply_count - lag(reply_count) OVER by_time) AS delta_replies,
    (like_count - lag(like_count) OVER by_time) AS delta_likes,
    (quote_count - lag(quote_count) OVER by_time) AS delta_quotes,
    (view_count - lag(view_count) OVER by_time) AS delta_views,
    (((total_engagement - lag(total_engagement) OVER by_time))::numeric / NULLIF((EXTRACT(epoch FROM (snapshot_at - lag(snapshot_at) OVER by_time)) / (3600)::numeric), (0)::numeric)) AS engagement_velocity
   FROM ( SELECT history.tweet_id,
            history.snapshot_at,
            history.retweet_count,
            history.reply_count,
            history.like_count,
            history.quote_count,
            history.view_count,
            history.bookmark_count,
                CASE
                    WHEN (COALESCE(history.retweet_count, history.reply_count, history.like_count, history.quote_count) IS NOT NULL) THEN (((COALESCE(history.retweet_count, (0)::bigint) + COALESCE(history.reply_count, (0)::bigint)) + COALESCE(history.like_count, (0)::bigint)) + COALESCE(history.quote_count, (0)::bigint))
                    ELSE NULL::bigint
                END AS total_engagement
           FROM core.twitter_engagement_history history) totals
  WINDOW by_time AS (PARTITION BY tweet_id ORDER BY snapshot_at);

COMMENT ON VIEW core.twitter_engagement_history_with_deltas IS 'Observations with the change since the one before';

COMMENT ON COLUMN core.twitter_engagement_history_with_deltas.engagement_velocity IS 'Change of the total engagement per hour since the observation before; may be negative; NULL when unknown';

CREATE TABLE core.twitter_entities (
    tweet_id bigint NOT NULL,
    ordinal smallint NOT NULL,
    entity_type text NOT NULL,
    start_index integer,
    end_index integer,
    mentioned_user_id bigint,
    entity_value text NOT NULL,
    entity_normalized text NOT NULL,
    url_host text,
    CONSTRAINT twitter_entities_type_is_known CHECK ((entity_type = ANY (ARRAY['hashtag'::text, 'mention'::text, 'url'::text])))
)
PARTITION BY RANGE (tweet_id);

COMMENT ON TABLE core.twitter_entities IS 'One row per hashtag, mention or link in a tweet, at its position';

CREATE TABLE core.twitter_profile_names (
    profile_id bigint NOT NULL,
    valid_to timestamp with time zone NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    username text,
    name text
);

COMMENT ON TABLE core.twitter_profile_names IS 'One row per handle and name that an account no longer carries';

CREATE TABLE core.twitter_profiles (
    twitter_user_id bigint NOT NULL,
    twitter_created_at timestamp with time zone,
    first_seen_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    last_updated_at timestamp with time zone NOT NULL,
    content_hash bigint NOT NULL,
    followers_count bigint,
    following_count bigint,
    tweets_count bigint,
    media_count bigint,
    favourites_count bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    is_verified boolean,
    is_blue_verified boolean,
    is_automated boolean,
    can_dm boolean,
    possibly_sensitive boolean,
    is_protected boolean,
    is_monitored boolean DEFAULT false NOT NULL,
    username text,
    name text,
    profile_picture_url text,
    cover_picture_url text,
    description text,
    location text,
    verified_type text,
    automated_by text,
    profile_url text,
    CONSTRAINT twitter_profiles_id_is_positive CHECK ((twitter_user_id > 0))
)
WITH (fillfactor='80');

COMMENT ON TABLE core.twitter_profiles IS 'One row per account, as last observed; no username means that only the id is known';

CREATE VIEW core.twitter_profile_name_history AS
 SELECT former.profile_id,
    former.valid_from,
    former.valid_to,
    former.username,
    former.name
   FROM core.twitter_profile_names former
UNION ALL
 SELECT profiles.twitter_user_id AS profile_id,
    COALESCE(( SELECT max(former.valid_to) AS max
           FROM core.twitter_profile_names former
          WHERE (former.profile_id = profiles.twitter_user_id)), profiles.first_seen_at) AS valid_from,
    NULL::timestamp with time zone AS valid_to,
    profiles.username,
    profiles.name
   FROM core.twitter_profiles profiles
  WHERE ((profiles.username IS NOT NULL) OR (profiles.name IS NOT NULL));

COMMENT ON VIEW core.twitter_profile_name_history IS 'Every handle and name of an account with the period it was seen in';

CREATE TABLE core.twitter_profile_snapshots (
    profile_id bigint NOT NULL,
    snapshot_at timestamp with time zone NOT NULL,
    followers_count bigint,
    following_count bigint,
    tweets_count bigint,
    favourites_count bigint
);

COMMENT ON TABLE core.twitter_profile_snapshots IS 'One row per profile and observation taken to follow its evolution';

CREATE VIEW core.twitter_profile_snapshots_with_deltas AS
 SELECT profile_id,
    snapshot_at,
    followers_count,
    following_count,
    tweets_count,
    favourites_count,
    (followers_count - lag(followers_count) OVER by_time) AS delta_followers,
    (following_count - lag(following_count) OVER by_time) AS delta_following,
    (tweets_count - lag(tweets_count) OVER by_time) AS delta_tweets,
    (((followers_count - lag(followers_count) OVER by_time))::numeric / NULLIF((EXTRACT(epoch FROM (snapshot_at - lag(snapshot_at) OVER by_time)) / (86400)::numeric), (0)::numeric)) AS followers_growth_rate
   FROM core.twitter_profile_snapshots snapshots
  WINDOW by_time AS (PARTITION BY profile_id ORDER BY snapshot_at);

COMMENT ON VIEW core.twitter_profile_snapshots_with_deltas IS 'Profile snapshots with the change since the one before';

COMMENT ON COLUMN core.twitter_profile_snapshots_with_deltas.followers_growth_rate IS 'Followers gained per day since the snapshot before; may be negative; NULL when unknown';

CREATE TABLE core.twitter_rule_periods (
    rule_id uuid NOT NULL,
    active_from timestamp with time zone NOT NULL,
    active_to timestamp with time zone,
    confirmed_at timestamp with time zone NOT NULL,
    zone_id uuid NOT NULL,
    source text NOT NULL,
    external_rule_id text NOT NULL,
    query text NOT NULL,
    interval_seconds numeric,
    CONSTRAINT twitter_rule_periods_end_after_begin CHECK ((active_to >= active_from))
);

COMMENT ON TABLE core.twitter_rule_periods IS 'One row per period in which a rule delivered';

COMMENT ON COLUMN core.twitter_rule_periods.active_to IS 'NULL while it is active';

COMMENT ON COLUMN core.twitter_rule_periods.confirmed_at IS 'When the provider last said that it is active: a rule found inactive later was active until here at least';

CREATE TABLE core.twitter_rules (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    zone_id uuid NOT NULL,
    source text DEFAULT 'twitterapi_io'::text NOT NULL,
    tag text NOT NULL,
    query text NOT NULL,
    query_type text DEFAULT 'simple'::text NOT NULL,
    query_builder_config jsonb,
    interval_seconds numeric DEFAULT 60 NOT NULL,
    external_rule_id text,
    is_active boolean DEFAULT true NOT NULL,
    last_triggered_at timestamp with time zone,
    created_by text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT twitter_rules_interval_is_offered CHECK (((interval_seconds >= 0.05) AND (interval_seconds <= (86400)::numeric))),
    CONSTRAINT twitter_rules_query_is_not_blank CHECK ((btrim(query) <> ''::text)),
    CONSTRAINT twitter_rules_query_type_is_known CHECK ((query_type = ANY (ARRAY['simple'::text, 'builder'::text]))),
    CONSTRAINT twitter_rules_tag_length CHECK (((length(tag) >= 1) AND (length(tag) <= 255)))
);

COMMENT ON TABLE core.twitter_rules IS 'One row per rule: what the provider is asked to deliver, and for which zone';

CREATE TABLE core.twitter_tweet_metrics (
    tweet_id bigint NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    retweet_count bigint,
    reply_count bigint,
    like_count bigint,
    quote_count bigint,
    view_count bigint,
    bookmark_count bigint,
    total_engagement bigint GENERATED ALWAYS AS (
CASE
    WHEN (COALESCE(retweet_count, reply_count, like_count, quote_count) IS NOT NULL) THEN (((COALESCE(retweet_count, (0)::bigint) + COALESCE(reply_count, (0)::bigint)) + COALESCE(like_count, (0)::bigint)) + COALESCE(quote_count, (0)::bigint))
    ELSE NULL::bigint
END) STORED,
    CONSTRAINT twitter_tweet_metrics_counts_are_not_negative CHECK ((LEAST(retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count) >= 0))
)
PARTITION BY RANGE (tweet_id);

COMMENT ON TABLE core.twitter_tweet_metrics IS 'One row per tweet: the latest known counters, NULL where unknown';

CREATE TABLE core.twitter_tweet_raw (
    tweet_id bigint NOT NULL,
    raw_data jsonb NOT NULL
)
PARTITION BY RANGE (tweet_id);

COMMENT ON TABLE core.twitter_tweet_raw IS 'One row per tweet whose JSON is kept for SQL (optional)';

CREATE TABLE core.twitter_tweets (
    tweet_id bigint NOT NULL,
    author_profile_id bigint NOT NULL,
    conversation_id bigint,
    in_reply_to_tweet_id bigint,
    in_reply_to_user_id bigint,
    retweeted_tweet_id bigint,
    quoted_tweet_id bigint,
    delivery_id bigint NOT NULL,
    content_hash bigint NOT NULL,
    twitter_created_at timestamp with time zone NOT NULL,
    collected_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    has_media boolean NOT NULL,
    has_links boolean NOT NULL,
    has_hashtags boolean NOT NULL,
    has_mentions boolean NOT NULL,
    is_reply boolean NOT NULL,
    is_sanitised boolean DEFAULT false NOT NULL,
    is_processed boolean DEFAULT false NOT NULL,
    sentiment_score numeric,
    text text NOT NULL,
    lang text,
    source text,
    in_reply_to_username text,
    CONSTRAINT twitter_tweets_sentiment_is_a_score CHECK (((sentiment_score >= ('-1'::integer)::numeric) AND (sentiment_score <= (1)::numeric)))
)
PARTITION BY RANGE (tweet_id);

COMMENT ON TABLE core.twitter_tweets IS 'One row per tweet, delivered by a rule or embedded in a retweet or a quote';

CREATE VIEW core.twitter_tweets_with_metrics AS
 SELECT tweets.tweet_id,
    (tweets.tweet_id)::text AS tweet_id_text,
    tweets.author_profile_id,
    (tweets.author_profile_id)::text AS author_profile_id_text,
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
    ('https://x.com/i/status/'::text || tweets.tweet_id) AS tweet_url,
    ('https://twitter.com/i/status/'::text || tweets.tweet_id) AS twitter_url,
    tweets.delivery_id,
    tweets.is_sanitised,
    tweets.is_processed,
    tweets.sentiment_score,
    tweets.created_at,
    tweets.updated_at
   FROM (core.twitter_tweets tweets
     LEFT JOIN core.twitter_tweet_metrics metrics ON ((tweets.tweet_id = metrics.tweet_id)));

COMMENT ON VIEW core.twitter_tweets_with_metrics IS 'A tweet with its latest counters and its ids as text';

CREATE TABLE core.zones (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    description text,
    timezone text DEFAULT 'UTC'::text NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT zones_name_is_not_blank CHECK ((btrim(name) <> ''::text))
);

COMMENT ON TABLE core.zones IS 'One row per zone: a topic area that rules collect tweets for';

CREATE TABLE ops.as_of (
    is_only_row boolean DEFAULT true NOT NULL,
    as_of timestamp with time zone NOT NULL,
    written_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT as_of_has_one_row CHECK (is_only_row)
);

COMMENT ON TABLE ops.as_of IS 'The moment that windows such as 24 h end at (one row)';

CREATE TABLE ops.audit_log (
    audit_id bigint NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    subject_id text NOT NULL,
    old_values jsonb,
    new_values jsonb,
    CONSTRAINT audit_log_action_is_known CHECK ((action = ANY (ARRAY['insert'::text, 'update'::text, 'delete'::text])))
);

COMMENT ON TABLE ops.audit_log IS 'One row per change of a zone, a rule or a profile''s monitoring, by whoever made it';

COMMENT ON COLUMN ops.audit_log.actor IS 'The setting audit.actor of the transaction, else the role of the session';

ALTER TABLE ops.audit_log ALTER COLUMN audit_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ops.audit_log_audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ops.delivery_accounting (
    delivery_id bigint NOT NULL,
    normalised_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    item_count integer NOT NULL,
    normalised_count integer NOT NULL,
    duplicate_count integer NOT NULL,
    control_count integer NOT NULL,
    dead_count integer NOT NULL,
    parser_version integer NOT NULL
)
PARTITION BY RANGE (delivery_id);

COMMENT ON TABLE ops.delivery_accounting IS 'One row per normalised delivery: what became of each of its items';

CREATE TABLE ops.engagement_coverage (
    due_on date NOT NULL,
    tier text NOT NULL,
    due_count bigint NOT NULL,
    taken_count bigint NOT NULL,
    absent_count bigint NOT NULL,
    missed_count bigint NOT NULL,
    over_budget_count bigint NOT NULL,
    CONSTRAINT engagement_coverage_adds_up CHECK ((due_count = ((taken_count + absent_count) + missed_count))),
    CONSTRAINT engagement_coverage_knows_why CHECK (((over_budget_count >= 0) AND (over_budget_count <= missed_count)))
);

COMMENT ON TABLE ops.engagement_coverage IS 'What became of the due snapshots of each UTC day and tier';

COMMENT ON COLUMN ops.engagement_coverage.taken_count IS 'Due snapshots with an observation before the next one was due';

COMMENT ON COLUMN ops.engagement_coverage.absent_count IS 'The provider answered, and does not show the tweet';

COMMENT ON COLUMN ops.engagement_coverage.missed_count IS 'Nobody asked, or the provider failed';

COMMENT ON COLUMN ops.engagement_coverage.over_budget_count IS 'Those of the missed that the spending limit left out';

CREATE TABLE ops.engagement_progress (
    is_only_row boolean DEFAULT true NOT NULL,
    settled_through timestamp with time zone NOT NULL,
    settled_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT engagement_progress_has_one_row CHECK (is_only_row)
);

COMMENT ON TABLE ops.engagement_progress IS 'Up to when every due snapshot was taken or counted as missed (one row)';

CREATE TABLE ops.int_zone_author_hourly__claims (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    author_profile_id bigint NOT NULL
);

COMMENT ON TABLE ops.int_zone_author_hourly__claims IS 'Buckets that the latest build of int_zone_author_hourly rebuilt';

CREATE TABLE ops.int_zone_tag_author_hourly__claims (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    author_profile_id bigint NOT NULL
);

COMMENT ON TABLE ops.int_zone_tag_author_hourly__claims IS 'Buckets that the latest build of int_zone_tag_author_hourly rebuilt';

CREATE TABLE ops.int_zone_tag_author_hourly__marks (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    author_profile_id bigint NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.int_zone_tag_author_hourly__marks IS 'Buckets of int_zone_tag_author_hourly whose facts changed, appended by whoever changed them';

CREATE TABLE ops.mart_state (
    model text NOT NULL,
    as_of timestamp with time zone NOT NULL,
    built_at timestamp with time zone NOT NULL,
    claimed_bucket_count bigint NOT NULL,
    previous_as_of timestamp with time zone
);

COMMENT ON TABLE ops.mart_state IS 'One row per model that the ledger drives: when it was last built, and for which moment';

COMMENT ON COLUMN ops.mart_state.as_of IS 'The moment that the model was last built for; fixed when a build claims its buckets';

COMMENT ON COLUMN ops.mart_state.previous_as_of IS 'The moment that the build before was for; NULL makes a build start from scratch';

CREATE TABLE ops.mart_verification (
    model text NOT NULL,
    next_slice integer DEFAULT 0 NOT NULL,
    cycle_started_at timestamp with time zone,
    cycle_completed_at timestamp with time zone,
    verified_at timestamp with time zone,
    drifted_bucket_count bigint DEFAULT 0 NOT NULL,
    CONSTRAINT mart_verification_slice_is_not_negative CHECK ((next_slice >= 0))
);

COMMENT ON TABLE ops.mart_verification IS 'One row per mart: how far its rotating verification has come, and what it found';

CREATE TABLE ops.model_definitions (
    model text NOT NULL,
    definition_hash text NOT NULL,
    written_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.model_definitions IS 'Digest of the SQL that each dbt model was last built with';

CREATE TABLE ops.profile_absences (
    profile_id bigint NOT NULL,
    reason text NOT NULL,
    miss_count integer NOT NULL,
    first_missed_at timestamp with time zone NOT NULL,
    last_missed_at timestamp with time zone NOT NULL,
    CONSTRAINT profile_absences_were_missed CHECK ((miss_count > 0))
);

COMMENT ON TABLE ops.profile_absences IS 'One row per account that the latest look-up did not show';

CREATE TABLE ops.provider_budget (
    source text NOT NULL,
    period text NOT NULL,
    starts_on date NOT NULL,
    credit_limit bigint,
    spent_credits bigint DEFAULT 0 NOT NULL,
    call_count bigint DEFAULT 0 NOT NULL,
    CONSTRAINT provider_budget_period_is_known CHECK ((period = ANY (ARRAY['day'::text, 'month'::text])))
);

COMMENT ON TABLE ops.provider_budget IS 'What the calls to each source cost, by UTC day and month';

COMMENT ON COLUMN ops.provider_budget.credit_limit IS 'NULL: without limit';

CREATE TABLE ops.provider_health (
    source text NOT NULL,
    last_success_at timestamp with time zone,
    failing_since timestamp with time zone,
    last_failure_at timestamp with time zone,
    failure_count integer DEFAULT 0 NOT NULL,
    last_failure text
);

COMMENT ON TABLE ops.provider_health IS 'One row per source: since when it has been failing, if it is';

COMMENT ON COLUMN ops.provider_health.failing_since IS 'First failure since the latest answer; NULL while it answers';

CREATE TABLE ops.tweet_absences (
    tweet_id bigint NOT NULL,
    reason text NOT NULL,
    miss_count integer NOT NULL,
    first_missed_at timestamp with time zone NOT NULL,
    last_missed_at timestamp with time zone NOT NULL,
    CONSTRAINT tweet_absences_were_missed CHECK ((miss_count > 0))
);

COMMENT ON TABLE ops.tweet_absences IS 'One row per tweet that the latest look-up did not show';

COMMENT ON COLUMN ops.tweet_absences.reason IS 'absent: merely not shown; else what the provider says, for instance suspended';

COMMENT ON COLUMN ops.tweet_absences.miss_count IS 'Consecutive look-ups without it; the row goes when it is shown again';

CREATE TABLE ops.twitter_top_profiles_by_zone__claims (
    zone_id uuid NOT NULL,
    profile_id bigint NOT NULL
);

COMMENT ON TABLE ops.twitter_top_profiles_by_zone__claims IS 'Buckets that the latest build of twitter_top_profiles_by_zone rebuilt';

CREATE TABLE ops.twitter_top_profiles_by_zone__marks (
    zone_id uuid NOT NULL,
    profile_id bigint NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.twitter_top_profiles_by_zone__marks IS 'Buckets of twitter_top_profiles_by_zone whose facts changed, appended by whoever changed them';

CREATE TABLE ops.twitter_top_profiles_by_zone__profile_marks (
    profile_id bigint NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.twitter_top_profiles_by_zone__profile_marks IS 'Profiles whose shown columns changed';

CREATE TABLE ops.twitter_trending_hashtags__claims (
    zone_id uuid NOT NULL,
    hashtag text NOT NULL
);

COMMENT ON TABLE ops.twitter_trending_hashtags__claims IS 'Buckets that the latest build of twitter_trending_hashtags rebuilt';

CREATE TABLE ops.twitter_trending_hashtags__marks (
    zone_id uuid NOT NULL,
    hashtag text NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.twitter_trending_hashtags__marks IS 'Buckets of twitter_trending_hashtags whose facts changed, appended by whoever changed them';

CREATE TABLE ops.twitter_zone_stats_hourly__claims (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL
);

COMMENT ON TABLE ops.twitter_zone_stats_hourly__claims IS 'Buckets that the latest build of twitter_zone_stats_hourly rebuilt';

CREATE TABLE ops.twitter_zone_stats_hourly__marks (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.twitter_zone_stats_hourly__marks IS 'Buckets of twitter_zone_stats_hourly whose facts changed, appended by whoever changed them';

CREATE TABLE raw.compression_dictionaries (
    dictionary_id integer NOT NULL,
    source text NOT NULL,
    dictionary bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE raw.compression_dictionaries IS 'One row per dictionary that delivery bodies are compressed with';

CREATE TABLE raw.dead_letters (
    delivery_id bigint NOT NULL,
    item_index integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    resolved_at timestamp with time zone,
    tweet_id bigint,
    attempts integer DEFAULT 1 NOT NULL,
    source text NOT NULL,
    stage text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL
);

COMMENT ON TABLE raw.dead_letters IS 'One row per item that could not be normalised, with where and why';

CREATE VIEW raw.dead_letter_report AS
 SELECT source,
    stage,
    reason,
    count(*) AS letter_count,
    min(first_seen_at) AS first_seen_at,
    max(last_seen_at) AS last_seen_at,
    (array_agg(detail ORDER BY delivery_id DESC))[1] AS latest_detail
   FROM raw.dead_letters
  WHERE (resolved_at IS NULL)
  GROUP BY source, stage, reason;

COMMENT ON VIEW raw.dead_letter_report IS 'Open dead letters by source, stage and reason';

CREATE TABLE raw.deliveries (
    delivery_id bigint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    body_bytes integer NOT NULL,
    item_count integer NOT NULL,
    dictionary_id integer DEFAULT 0 NOT NULL,
    source text NOT NULL,
    zone text,
    body bytea NOT NULL
)
PARTITION BY RANGE (delivery_id);
ALTER TABLE ONLY raw.deliveries ALTER COLUMN body SET STORAGE EXTERNAL;

COMMENT ON TABLE raw.deliveries IS 'One row per acknowledged delivery, byte for byte';

COMMENT ON COLUMN raw.deliveries.item_count IS 'Items that the service counted in the body; 1 for a body that it could not split';

COMMENT ON COLUMN raw.deliveries.zone IS 'Zone that the sender named, where the source has no rules (v1_1)';

CREATE TABLE raw.delivery_queue (
    delivery_id bigint NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000');

COMMENT ON TABLE raw.delivery_queue IS 'One row per delivery that waits to be normalised';

ALTER TABLE ONLY core.twitter_compliance_events
    ADD CONSTRAINT twitter_compliance_events_pkey PRIMARY KEY (tweet_id, event_type, event_at);

ALTER TABLE ONLY core.twitter_engagement_history
    ADD CONSTRAINT twitter_engagement_history_pkey PRIMARY KEY (tweet_id, snapshot_at);

ALTER TABLE ONLY core.twitter_entities
    ADD CONSTRAINT twitter_entities_pkey PRIMARY KEY (tweet_id, ordinal);

ALTER TABLE ONLY core.twitter_profile_names
    ADD CONSTRAINT twitter_profile_names_pkey PRIMARY KEY (profile_id, valid_to);

ALTER TABLE ONLY core.twitter_profile_snapshots
    ADD CONSTRAINT twitter_profile_snapshots_pkey PRIMARY KEY (profile_id, snapshot_at);

ALTER TABLE ONLY core.twitter_profiles
    ADD CONSTRAINT twitter_profiles_pkey PRIMARY KEY (twitter_user_id);

ALTER TABLE ONLY core.twitter_rule_periods
    ADD CONSTRAINT twitter_rule_periods_pkey PRIMARY KEY (rule_id, active_from);

ALTER TABLE ONLY core.twitter_rules
    ADD CONSTRAINT twitter_rules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY core.twitter_rules
    ADD CONSTRAINT twitter_rules_zone_id_tag_key UNIQUE (zone_id, tag);

ALTER TABLE ONLY core.twitter_tweet_metrics
    ADD CONSTRAINT twitter_tweet_metrics_pkey PRIMARY KEY (tweet_id);

ALTER TABLE ONLY core.twitter_tweet_raw
    ADD CONSTRAINT twitter_tweet_raw_pkey PRIMARY KEY (tweet_id);

ALTER TABLE ONLY core.twitter_tweet_zones
    ADD CONSTRAINT twitter_tweet_zones_pkey PRIMARY KEY (tweet_id, zone_id);

ALTER TABLE ONLY core.twitter_tweets
    ADD CONSTRAINT twitter_tweets_pkey PRIMARY KEY (tweet_id);

ALTER TABLE ONLY core.zones
    ADD CONSTRAINT zones_name_key UNIQUE (name);

ALTER TABLE ONLY core.zones
    ADD CONSTRAINT zones_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ops.as_of
    ADD CONSTRAINT as_of_pkey PRIMARY KEY (is_only_row);

ALTER TABLE ONLY ops.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (audit_id);

ALTER TABLE ONLY ops.delivery_accounting
    ADD CONSTRAINT delivery_accounting_pkey PRIMARY KEY (delivery_id);

ALTER TABLE ONLY ops.engagement_coverage
    ADD CONSTRAINT engagement_coverage_pkey PRIMARY KEY (due_on, tier);

ALTER TABLE ONLY ops.engagement_progress
    ADD CONSTRAINT engagement_progress_pkey PRIMARY KEY (is_only_row);

ALTER TABLE ONLY ops.int_zone_author_hourly__claims
    ADD CONSTRAINT int_zone_author_hourly__claims_pkey PRIMARY KEY (zone_id, hour, author_profile_id);

ALTER TABLE ONLY ops.int_zone_tag_author_hourly__claims
    ADD CONSTRAINT int_zone_tag_author_hourly__claims_pkey PRIMARY KEY (zone_id, hour, author_profile_id);

ALTER TABLE ONLY ops.mart_state
    ADD CONSTRAINT mart_state_pkey PRIMARY KEY (model);

ALTER TABLE ONLY ops.mart_verification
    ADD CONSTRAINT mart_verification_pkey PRIMARY KEY (model);

ALTER TABLE ONLY ops.model_definitions
    ADD CONSTRAINT model_definitions_pkey PRIMARY KEY (model);

ALTER TABLE ONLY ops.profile_absences
    ADD CONSTRAINT profile_absences_pkey PRIMARY KEY (profile_id);

ALTER TABLE ONLY ops.provider_budget
    ADD CONSTRAINT provider_budget_pkey PRIMARY KEY (source, period, starts_on);

ALTER TABLE ONLY ops.provider_health
    ADD CONSTRAINT provider_health_pkey PRIMARY KEY (source);

ALTER TABLE ONLY ops.tweet_absences
    ADD CONSTRAINT tweet_absences_pkey PRIMARY KEY (tweet_id);

ALTER TABLE ONLY ops.twitter_top_profiles_by_zone__claims
    ADD CONSTRAINT twitter_top_profiles_by_zone__claims_pkey PRIMARY KEY (zone_id, profile_id);

ALTER TABLE ONLY ops.twitter_trending_hashtags__claims
    ADD CONSTRAINT twitter_trending_hashtags__claims_pkey PRIMARY KEY (zone_id, hashtag);

ALTER TABLE ONLY ops.twitter_zone_stats_hourly__claims
    ADD CONSTRAINT twitter_zone_stats_hourly__claims_pkey PRIMARY KEY (zone_id, hour);

ALTER TABLE ONLY raw.compression_dictionaries
    ADD CONSTRAINT compression_dictionaries_pkey PRIMARY KEY (dictionary_id);

ALTER TABLE ONLY raw.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (delivery_id, item_index, reason);

ALTER TABLE ONLY raw.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (delivery_id);

ALTER TABLE ONLY raw.delivery_queue
    ADD CONSTRAINT delivery_queue_pkey PRIMARY KEY (delivery_id);

CREATE INDEX idx_twitter_entities_normalized ON ONLY core.twitter_entities USING btree (entity_type, entity_normalized, tweet_id) WHERE (entity_type <> 'url'::text);

COMMENT ON INDEX core.idx_twitter_entities_normalized IS 'Tweets with a hashtag or a mention, newest first';

CREATE INDEX idx_twitter_entities_url_host ON ONLY core.twitter_entities USING btree (url_host, tweet_id) WHERE (entity_type = 'url'::text);

COMMENT ON INDEX core.idx_twitter_entities_url_host IS 'Tweets that link to a host, newest first';

CREATE INDEX idx_twitter_profile_names_username ON core.twitter_profile_names USING btree (lower(username) text_pattern_ops);

COMMENT ON INDEX core.idx_twitter_profile_names_username IS 'Who once carried a handle';

CREATE INDEX idx_twitter_profiles_monitored ON core.twitter_profiles USING btree (twitter_user_id) WHERE is_monitored;

COMMENT ON INDEX core.idx_twitter_profiles_monitored IS 'The profiles whose evolution is tracked';

CREATE INDEX idx_twitter_profiles_search ON core.twitter_profiles USING gin (to_tsvector('simple'::regconfig, ((((COALESCE(name, ''::text) || ' '::text) || COALESCE(username, ''::text)) || ' '::text) || COALESCE(description, ''::text))));

COMMENT ON INDEX core.idx_twitter_profiles_search IS 'Profile search by words of name, username and description';

CREATE INDEX idx_twitter_profiles_username ON core.twitter_profiles USING btree (lower(username) text_pattern_ops);

COMMENT ON INDEX core.idx_twitter_profiles_username IS 'A profile by its name, or by the beginning of it';

CREATE UNIQUE INDEX idx_twitter_rule_periods_open ON core.twitter_rule_periods USING btree (rule_id) WHERE (active_to IS NULL);

COMMENT ON INDEX core.idx_twitter_rule_periods_open IS 'A rule has at most one open period';

CREATE INDEX idx_twitter_rule_periods_zone ON core.twitter_rule_periods USING btree (zone_id, active_from);

COMMENT ON INDEX core.idx_twitter_rule_periods_zone IS 'When a zone was listened to';

CREATE UNIQUE INDEX idx_twitter_rules_external_rule_id ON core.twitter_rules USING btree (source, external_rule_id);

COMMENT ON INDEX core.idx_twitter_rules_external_rule_id IS 'Which rule a delivery belongs to, by the provider''s id';

CREATE INDEX idx_twitter_rules_tag ON core.twitter_rules USING btree (source, tag);

COMMENT ON INDEX core.idx_twitter_rules_tag IS 'Which rule a delivery belongs to, by its tag';

CREATE INDEX idx_twitter_tweet_zones_zone_created ON ONLY core.twitter_tweet_zones USING btree (zone_id, tweet_id);

COMMENT ON INDEX core.idx_twitter_tweet_zones_zone_created IS 'A zone''s feed, newest first, at any depth';

CREATE INDEX idx_twitter_tweets_author ON ONLY core.twitter_tweets USING btree (author_profile_id, tweet_id);

COMMENT ON INDEX core.idx_twitter_tweets_author IS 'A profile''s tweets, newest first; an author''s tweets of one hour';

CREATE INDEX idx_twitter_tweets_conversation ON ONLY core.twitter_tweets USING btree (conversation_id, tweet_id) WHERE (conversation_id <> tweet_id);

COMMENT ON INDEX core.idx_twitter_tweets_conversation IS 'The replies of a conversation, as a thread';

CREATE INDEX idx_twitter_tweets_retweeted ON ONLY core.twitter_tweets USING btree (retweeted_tweet_id) WHERE (retweeted_tweet_id IS NOT NULL);

COMMENT ON INDEX core.idx_twitter_tweets_retweeted IS 'The retweets of a tweet, which go when it is deleted';

CREATE INDEX idx_twitter_tweets_text_search ON ONLY core.twitter_tweets USING gin (core.search_vector(text));

COMMENT ON INDEX core.idx_twitter_tweets_text_search IS 'Full-text search in every language';

CREATE INDEX idx_dead_letters_open ON raw.dead_letters USING btree (source, reason, delivery_id) WHERE (resolved_at IS NULL);

COMMENT ON INDEX raw.idx_dead_letters_open IS 'What waits to be looked at or replayed, by reason';

CREATE TRIGGER twitter_entities_mark_delete AFTER DELETE ON core.twitter_entities REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_tweet_rows();

CREATE TRIGGER twitter_entities_mark_insert AFTER INSERT ON core.twitter_entities REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_tweet_rows();

CREATE TRIGGER twitter_entities_mark_update AFTER UPDATE ON core.twitter_entities REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_tweet_rows();

CREATE TRIGGER twitter_entities_refuse_truncate BEFORE TRUNCATE ON core.twitter_entities FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_truncate();

CREATE TRIGGER twitter_profiles_audit_monitoring AFTER UPDATE OF is_monitored ON core.twitter_profiles FOR EACH ROW WHEN ((old.is_monitored IS DISTINCT FROM new.is_monitored)) EXECUTE FUNCTION ops.on_change_of_monitoring();

CREATE TRIGGER twitter_profiles_keep_former_name AFTER UPDATE ON core.twitter_profiles FOR EACH ROW WHEN (((new.last_updated_at > old.last_updated_at) AND (((old.username IS NOT NULL) AND (new.username IS NOT NULL) AND (old.username <> new.username)) OR ((old.name IS NOT NULL) AND (new.name IS NOT NULL) AND (old.name <> new.name))))) EXECUTE FUNCTION core.keep_former_name();

CREATE TRIGGER twitter_profiles_mark_update AFTER UPDATE ON core.twitter_profiles REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_update_of_profiles();

CREATE TRIGGER twitter_rules_audit_insert_delete AFTER INSERT OR DELETE ON core.twitter_rules FOR EACH ROW EXECUTE FUNCTION ops.on_change_by_people('id');

CREATE TRIGGER twitter_rules_audit_update AFTER UPDATE ON core.twitter_rules FOR EACH ROW WHEN (((((((((old.zone_id IS DISTINCT FROM new.zone_id) OR (old.source IS DISTINCT FROM new.source)) OR (old.tag IS DISTINCT FROM new.tag)) OR (old.query IS DISTINCT FROM new.query)) OR (old.query_type IS DISTINCT FROM new.query_type)) OR (old.query_builder_config IS DISTINCT FROM new.query_builder_config)) OR (old.interval_seconds IS DISTINCT FROM new.interval_seconds)) OR (old.is_active IS DISTINCT FROM new.is_active))) EXECUTE FUNCTION ops.on_change_by_people('id');

CREATE TRIGGER twitter_rules_touch BEFORE UPDATE ON core.twitter_rules FOR EACH ROW EXECUTE FUNCTION core.touch_updated_at();

CREATE TRIGGER twitter_tweet_metrics_mark_delete AFTER DELETE ON core.twitter_tweet_metrics REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_tweet_rows();

CREATE TRIGGER twitter_tweet_metrics_mark_insert AFTER INSERT ON core.twitter_tweet_metrics REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_tweet_rows();

CREATE TRIGGER twitter_tweet_metrics_mark_update AFTER UPDATE ON core.twitter_tweet_metrics REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_tweet_rows();

CREATE TRIGGER twitter_tweet_metrics_refuse_truncate BEFORE TRUNCATE ON core.twitter_tweet_metrics FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_truncate();

CREATE TRIGGER twitter_tweet_zones_mark_delete AFTER DELETE ON core.twitter_tweet_zones REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_links();

CREATE TRIGGER twitter_tweet_zones_mark_insert AFTER INSERT ON core.twitter_tweet_zones REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_links();

CREATE TRIGGER twitter_tweet_zones_mark_update AFTER UPDATE ON core.twitter_tweet_zones REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_links();

CREATE TRIGGER twitter_tweet_zones_refuse_truncate BEFORE TRUNCATE ON core.twitter_tweet_zones FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_truncate();

CREATE TRIGGER twitter_tweets_mark_delete AFTER DELETE ON core.twitter_tweets REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_tweet_rows();

CREATE TRIGGER twitter_tweets_mark_insert AFTER INSERT ON core.twitter_tweets REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_tweet_rows();

CREATE TRIGGER twitter_tweets_mark_update AFTER UPDATE ON core.twitter_tweets REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_update_of_tweets();

CREATE TRIGGER twitter_tweets_refuse_truncate BEFORE TRUNCATE ON core.twitter_tweets FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_truncate();

CREATE TRIGGER zones_audit_insert_delete AFTER INSERT OR DELETE ON core.zones FOR EACH ROW EXECUTE FUNCTION ops.on_change_by_people('id');

CREATE TRIGGER zones_audit_update AFTER UPDATE ON core.zones FOR EACH ROW WHEN ((((((old.name IS DISTINCT FROM new.name) OR (old.description IS DISTINCT FROM new.description)) OR (old.timezone IS DISTINCT FROM new.timezone)) OR (old.is_active IS DISTINCT FROM new.is_active)) OR (old.settings IS DISTINCT FROM new.settings))) EXECUTE FUNCTION ops.on_change_by_people('id');

CREATE TRIGGER zones_touch BEFORE UPDATE ON core.zones FOR EACH ROW EXECUTE FUNCTION core.touch_updated_at();

ALTER TABLE ONLY core.twitter_profile_names
    ADD CONSTRAINT twitter_profile_names_profile_id_fkey FOREIGN KEY (profile_id) REFERENCES core.twitter_profiles(twitter_user_id) ON DELETE CASCADE;

ALTER TABLE ONLY core.twitter_profile_snapshots
    ADD CONSTRAINT twitter_profile_snapshots_profile_id_fkey FOREIGN KEY (profile_id) REFERENCES core.twitter_profiles(twitter_user_id);

ALTER TABLE ONLY core.twitter_rules
    ADD CONSTRAINT twitter_rules_zone_id_fkey FOREIGN KEY (zone_id) REFERENCES core.zones(id) ON DELETE RESTRICT;

ALTER TABLE core.twitter_tweet_zones
    ADD CONSTRAINT twitter_tweet_zones_zone_id_fkey FOREIGN KEY (zone_id) REFERENCES core.zones(id) ON DELETE RESTRICT;

ALTER TABLE core.twitter_tweets
    ADD CONSTRAINT twitter_tweets_author_profile_id_fkey FOREIGN KEY (author_profile_id) REFERENCES core.twitter_profiles(twitter_user_id);

GRANT USAGE ON SCHEMA core TO pipeline;
GRANT USAGE ON SCHEMA core TO api_reader;

GRANT ALL ON SCHEMA intermediate TO pipeline;
GRANT USAGE ON SCHEMA intermediate TO api_reader;

GRANT ALL ON SCHEMA marts TO pipeline;
GRANT USAGE ON SCHEMA marts TO bi_reader;
GRANT USAGE ON SCHEMA marts TO api_reader;

GRANT USAGE ON SCHEMA ops TO pipeline;
GRANT USAGE ON SCHEMA ops TO api_reader;

GRANT USAGE ON SCHEMA raw TO ingest_writer;
GRANT USAGE ON SCHEMA raw TO pipeline;
GRANT USAGE ON SCHEMA raw TO api_reader;

GRANT ALL ON SCHEMA staging TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_tweet_zones TO pipeline;
GRANT SELECT ON TABLE core.twitter_tweet_zones TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.int_zone_author_hourly__marks TO pipeline;

REVOKE ALL ON FUNCTION ops.on_change_by_people() FROM PUBLIC;

REVOKE ALL ON FUNCTION ops.on_change_of_monitoring() FROM PUBLIC;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_compliance_events TO pipeline;
GRANT SELECT ON TABLE core.twitter_compliance_events TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_engagement_history TO pipeline;
GRANT SELECT ON TABLE core.twitter_engagement_history TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_engagement_history_with_deltas TO pipeline;
GRANT SELECT ON TABLE core.twitter_engagement_history_with_deltas TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_entities TO pipeline;
GRANT SELECT ON TABLE core.twitter_entities TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_profile_names TO pipeline;
GRANT SELECT ON TABLE core.twitter_profile_names TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_profiles TO pipeline;
GRANT SELECT ON TABLE core.twitter_profiles TO api_reader;

GRANT SELECT ON TABLE core.twitter_profile_name_history TO pipeline;
GRANT SELECT ON TABLE core.twitter_profile_name_history TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_profile_snapshots TO pipeline;
GRANT SELECT ON TABLE core.twitter_profile_snapshots TO api_reader;

GRANT SELECT ON TABLE core.twitter_profile_snapshots_with_deltas TO pipeline;
GRANT SELECT ON TABLE core.twitter_profile_snapshots_with_deltas TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_rule_periods TO pipeline;
GRANT SELECT ON TABLE core.twitter_rule_periods TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_rules TO pipeline;
GRANT SELECT ON TABLE core.twitter_rules TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_tweet_metrics TO pipeline;
GRANT SELECT ON TABLE core.twitter_tweet_metrics TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_tweet_raw TO pipeline;
GRANT SELECT ON TABLE core.twitter_tweet_raw TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_tweets TO pipeline;
GRANT SELECT ON TABLE core.twitter_tweets TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_tweets_with_metrics TO pipeline;
GRANT SELECT ON TABLE core.twitter_tweets_with_metrics TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.zones TO pipeline;
GRANT SELECT ON TABLE core.zones TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.as_of TO pipeline;
GRANT SELECT ON TABLE ops.as_of TO api_reader;

GRANT SELECT ON TABLE ops.audit_log TO pipeline;
GRANT SELECT ON TABLE ops.audit_log TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.delivery_accounting TO pipeline;
GRANT SELECT ON TABLE ops.delivery_accounting TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.engagement_coverage TO pipeline;
GRANT SELECT ON TABLE ops.engagement_coverage TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.engagement_progress TO pipeline;
GRANT SELECT ON TABLE ops.engagement_progress TO api_reader;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.int_zone_author_hourly__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.int_zone_tag_author_hourly__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.int_zone_tag_author_hourly__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.mart_state TO pipeline;
GRANT SELECT ON TABLE ops.mart_state TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.mart_verification TO pipeline;
GRANT SELECT ON TABLE ops.mart_verification TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.model_definitions TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.profile_absences TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.provider_budget TO pipeline;
GRANT SELECT ON TABLE ops.provider_budget TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.provider_health TO pipeline;
GRANT SELECT ON TABLE ops.provider_health TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.tweet_absences TO pipeline;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.twitter_top_profiles_by_zone__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.twitter_top_profiles_by_zone__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.twitter_top_profiles_by_zone__profile_marks TO pipeline;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.twitter_trending_hashtags__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.twitter_trending_hashtags__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.twitter_zone_stats_hourly__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.twitter_zone_stats_hourly__marks TO pipeline;

GRANT SELECT,INSERT ON TABLE raw.compression_dictionaries TO ingest_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE raw.compression_dictionaries TO pipeline;
GRANT SELECT ON TABLE raw.compression_dictionaries TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE raw.dead_letters TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE raw.dead_letter_report TO pipeline;

GRANT INSERT ON TABLE raw.deliveries TO ingest_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE raw.deliveries TO pipeline;
GRANT SELECT ON TABLE raw.deliveries TO api_reader;

GRANT INSERT ON TABLE raw.delivery_queue TO ingest_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE raw.delivery_queue TO pipeline;
