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

CREATE FUNCTION core.local_day_start(day date, timezone text) RETURNS timestamp with time zone
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN ((((((day)::timestamp without time zone AT TIME ZONE timezone) - '01:00:00'::interval) AT TIME ZONE timezone))::date = day) THEN (((day)::timestamp without time zone AT TIME ZONE timezone) - '01:00:00'::interval) ELSE ((day)::timestamp without time zone AT TIME ZONE timezone) END;

COMMENT ON FUNCTION core.local_day_start(day date, timezone text) IS 'The first instant of a day in a time zone';

CREATE FUNCTION core.newest_in_zone(in_zone uuid, first_id bigint, end_id bigint, at_most bigint) RETURNS SETOF bigint
    LANGUAGE plpgsql STABLE ROWS 250 PARALLEL SAFE
    SET enable_sort TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_seqscan TO 'off'
    AS $$
begin
    return query
    select links.tweet_id
    from core.twitter_tweet_zones as links
    where
        links.zone_id = in_zone
        and links.suppressed_at is null
        and links.tweet_id >= first_id
        and links.tweet_id < end_id
    order by links.tweet_id desc
    limit at_most;
end
$$;

COMMENT ON FUNCTION core.newest_in_zone(in_zone uuid, first_id bigint, end_id bigint, at_most bigint) IS 'The ids of a zone''s newest tweets in a range of ids, newest first';

CREATE FUNCTION core.newest_in_zone_of(in_zone uuid, of_kind text, value text, first_id bigint, end_id bigint, at_most bigint) RETURNS SETOF bigint
    LANGUAGE plpgsql STABLE ROWS 20 PARALLEL SAFE
    SET enable_sort TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_nestloop TO 'off'
    SET enable_material TO 'off'
    AS $$
begin
    if of_kind = 'author' then
        return query
        select links.tweet_id
        from core.twitter_tweet_zones as links
        inner join core.twitter_tweets as tweets on links.tweet_id = tweets.tweet_id
        where
            links.zone_id = in_zone
            and links.suppressed_at is null
            and links.tweet_id >= first_id
            and links.tweet_id < end_id
            and tweets.author_profile_id = value::bigint
            and tweets.tweet_id >= first_id
            and tweets.tweet_id < end_id
        order by links.tweet_id desc
        limit at_most;
    elsif of_kind = 'url' then
        return query
        select links.tweet_id
        from core.twitter_tweet_zones as links
        inner join core.twitter_entities as entities on links.tweet_id = entities.tweet_id
        where
            links.zone_id = in_zone
            and links.suppressed_at is null
            and links.tweet_id >= first_id
            and links.tweet_id < end_id
            and entities.entity_type = 'url'
            and entities.url_host = value
            and entities.tweet_id >= first_id
            and entities.tweet_id < end_id
        order by links.tweet_id desc
        limit at_most;
    else
        return query
        select links.tweet_id
        from core.twitter_tweet_zones as links
        inner join core.twitter_entities as entities on links.tweet_id = entities.tweet_id
        where
            links.zone_id = in_zone
            and links.suppressed_at is null
            and links.tweet_id >= first_id
            and links.tweet_id < end_id
            and entities.entity_type = of_kind
            and entities.entity_type <> 'url'
            and entities.entity_normalized = value
            and entities.tweet_id >= first_id
            and entities.tweet_id < end_id
        order by links.tweet_id desc
        limit at_most;
    end if;
end
$$;

COMMENT ON FUNCTION core.newest_in_zone_of(in_zone uuid, of_kind text, value text, first_id bigint, end_id bigint, at_most bigint) IS 'The ids of a zone''s newest tweets of a kind (see core.newest_of) in a range of ids, newest first';

CREATE FUNCTION core.newest_of(of_kind text, value text, first_id bigint, end_id bigint, at_most bigint) RETURNS SETOF bigint
    LANGUAGE plpgsql STABLE ROWS 250 PARALLEL SAFE
    SET enable_sort TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_seqscan TO 'off'
    AS $$
begin
    if of_kind = 'author' then
        return query
        select tweets.tweet_id
        from core.twitter_tweets as tweets
        where
            tweets.author_profile_id = value::bigint
            and tweets.suppressed_at is null
            and tweets.tweet_id >= first_id
            and tweets.tweet_id < end_id
        order by tweets.tweet_id desc
        limit at_most;
    elsif of_kind = 'url' then
        return query
        select entities.tweet_id
        from core.twitter_entities as entities
        where
            entities.entity_type = 'url'
            and entities.url_host = value
            and entities.tweet_id >= first_id
            and entities.tweet_id < end_id
        order by entities.tweet_id desc
        limit at_most;
    else
        return query
        select entities.tweet_id
        from core.twitter_entities as entities
        where
            entities.entity_type = of_kind
            and entities.entity_type <> 'url'
            and entities.entity_normalized = value
            and entities.tweet_id >= first_id
            and entities.tweet_id < end_id
        order by entities.tweet_id desc
        limit at_most;
    end if;
end
$$;

COMMENT ON FUNCTION core.newest_of(of_kind text, value text, first_id bigint, end_id bigint, at_most bigint) IS 'The ids of the newest tweets with a hashtag or a mention (by normal form), with a url (by host) or of an author';

CREATE FUNCTION core.search_vector(words text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (words ~ '[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f]'::text) THEN (to_tsvector('simple'::regconfig, words) || array_to_tsvector(core.bigrams(words))) ELSE to_tsvector('simple'::regconfig, words) END;

COMMENT ON FUNCTION core.search_vector(words text) IS 'What a tweet is searched by: its words, and pairs of letters where a script has no spaces';

CREATE FUNCTION core.search_entry(words text, tweet_id bigint) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (core.search_vector(words) || array_to_tsvector(ARRAY[('@'::text || ((tweet_id >> 47))::text)]));

COMMENT ON FUNCTION core.search_entry(words text, tweet_id bigint) IS 'What the index of words holds of a tweet: core.search_vector, and "@" with the span of 2^25 ms of its id';

CREATE FUNCTION core.snowflake_time(snowflake bigint) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN ('1970-01-01 00:00:00+00'::timestamp with time zone + ((((snowflake >> 22) + '1288834974657'::bigint))::double precision * '00:00:00.001'::interval));

COMMENT ON FUNCTION core.snowflake_time(snowflake bigint) IS 'The time that a snowflake id holds, exact to the millisecond';

CREATE FUNCTION core.suppression_family(event_type text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE event_type WHEN 'delete'::text THEN 'delete'::text WHEN 'undelete'::text THEN 'delete'::text WHEN 'drop'::text THEN 'drop'::text WHEN 'undrop'::text THEN 'drop'::text WHEN 'withheld'::text THEN 'withheld'::text WHEN 'unwithheld'::text THEN 'withheld'::text WHEN 'absent'::text THEN 'absent'::text WHEN 'user_delete'::text THEN 'user_delete'::text WHEN 'user_undelete'::text THEN 'user_delete'::text WHEN 'user_suspend'::text THEN 'user_suspend'::text WHEN 'user_unsuspend'::text THEN 'user_suspend'::text WHEN 'user_protect'::text THEN 'user_protect'::text WHEN 'user_unprotect'::text THEN 'user_protect'::text WHEN 'user_withheld'::text THEN 'user_withheld'::text WHEN 'user_unwithheld'::text THEN 'user_withheld'::text ELSE NULL::text END;

COMMENT ON FUNCTION core.suppression_family(event_type text) IS 'Which events undo one another, NULL where one does not bear on being shown; one hides if it is its family';

CREATE TABLE core.twitter_profile_compliance_events (
    user_id bigint NOT NULL,
    event_type text NOT NULL,
    event_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    delivery_id bigint
);

COMMENT ON TABLE core.twitter_profile_compliance_events IS 'One row per notice that an account was deleted, suspended, protected, withheld or restored';

CREATE FUNCTION core.suppression_of_profile(subject bigint) RETURNS TABLE(suppressed_at timestamp with time zone, suppression_reason text)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT latest.event_at,
     latest.event_type
    FROM ( SELECT DISTINCT ON ((core.suppression_family(events.event_type))) events.event_at,
             events.event_type
            FROM core.twitter_profile_compliance_events events
           WHERE ((events.user_id = suppression_of_profile.subject) AND (core.suppression_family(events.event_type) IS NOT NULL))
           ORDER BY (core.suppression_family(events.event_type)), events.event_at DESC, (events.event_type = core.suppression_family(events.event_type)) DESC) latest
   WHERE (latest.event_type = core.suppression_family(latest.event_type))
   ORDER BY latest.event_at, latest.event_type
  LIMIT 1;
END;

COMMENT ON FUNCTION core.suppression_of_profile(subject bigint) IS 'Whether an account may be shown: no row, or since when not';

CREATE TABLE core.twitter_compliance_events (
    tweet_id bigint NOT NULL,
    event_type text NOT NULL,
    event_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    user_id bigint,
    delivery_id bigint
);

COMMENT ON TABLE core.twitter_compliance_events IS 'One row per notice that a tweet was deleted, dropped, withheld, found absent or restored';

CREATE TABLE core.twitter_tweet_edits (
    tweet_id bigint NOT NULL,
    first_tweet_id bigint NOT NULL,
    CONSTRAINT twitter_tweet_edits_begin_with_the_first CHECK ((first_tweet_id <= tweet_id))
);

COMMENT ON TABLE core.twitter_tweet_edits IS 'One row per version of a tweet that was edited, collected or not';

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
    suppressed_at timestamp with time zone,
    suppression_reason text,
    purged_at timestamp with time zone,
    CONSTRAINT twitter_tweets_sentiment_is_a_score CHECK (((sentiment_score >= ('-1'::integer)::numeric) AND (sentiment_score <= (1)::numeric))),
    CONSTRAINT twitter_tweets_suppression_has_a_reason CHECK (((suppressed_at IS NULL) = (suppression_reason IS NULL)))
)
PARTITION BY RANGE (tweet_id);

COMMENT ON TABLE core.twitter_tweets IS 'One row per tweet, delivered by a rule or embedded in a retweet or a quote';

COMMENT ON COLUMN core.twitter_tweets.suppressed_at IS 'Since when the tweet must not be shown or counted; NULL: it may be';

COMMENT ON COLUMN core.twitter_tweets.suppression_reason IS 'The event that says so: of the tweet, of its original, or of either''s author';

COMMENT ON COLUMN core.twitter_tweets.purged_at IS 'When text and entities were removed; NULL: they are there';

CREATE FUNCTION core.suppression_of_tweet(subject bigint) RETURNS TABLE(suppressed_at timestamp with time zone, suppression_reason text)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 WITH shown AS MATERIALIZED (
          SELECT tweets.tweet_id,
             tweets.author_profile_id,
             tweets.retweeted_tweet_id
            FROM core.twitter_tweets tweets
           WHERE (tweets.tweet_id = suppression_of_tweet.subject)
         ), concerned AS MATERIALIZED (
          SELECT shown.tweet_id,
             shown.author_profile_id
            FROM shown
         UNION ALL
          SELECT shown.retweeted_tweet_id,
             original.author_profile_id
            FROM (shown
              LEFT JOIN core.twitter_tweets original ON ((shown.retweeted_tweet_id = original.tweet_id)))
           WHERE (shown.retweeted_tweet_id IS NOT NULL)
         ), versions AS MATERIALIZED (
          SELECT concerned.tweet_id
            FROM concerned
         UNION
          SELECT versions.tweet_id
            FROM ((concerned
              JOIN core.twitter_tweet_edits edits ON ((concerned.tweet_id = edits.tweet_id)))
              JOIN core.twitter_tweet_edits versions ON ((edits.first_tweet_id = versions.first_tweet_id)))
         ), latest AS (
          SELECT DISTINCT ON (events.tweet_id, (core.suppression_family(events.event_type))) events.tweet_id,
             events.event_at,
             events.event_type
            FROM (versions
              JOIN core.twitter_compliance_events events ON ((versions.tweet_id = events.tweet_id)))
           WHERE (core.suppression_family(events.event_type) IS NOT NULL)
           ORDER BY events.tweet_id, (core.suppression_family(events.event_type)), events.event_at DESC, (events.event_type = core.suppression_family(events.event_type)) DESC
         ), verdicts AS (
          SELECT latest.event_at,
             latest.event_type
            FROM latest
           WHERE ((latest.event_type = core.suppression_family(latest.event_type)) AND ((latest.event_type <> 'absent'::text) OR (NOT (EXISTS ( SELECT
                    FROM core.twitter_tweet_metrics metrics
                   WHERE ((metrics.tweet_id = latest.tweet_id) AND (metrics.observed_at > latest.event_at)))))))
         UNION ALL
          SELECT of_authors.suppressed_at,
             of_authors.suppression_reason
            FROM (concerned
              CROSS JOIN LATERAL core.suppression_of_profile(concerned.author_profile_id) of_authors(suppressed_at, suppression_reason))
         UNION ALL
          SELECT core.snowflake_time(min(versions.tweet_id)) AS snowflake_time,
             'edited'::text
            FROM ((shown
              JOIN core.twitter_tweet_edits edits ON ((shown.tweet_id = edits.tweet_id)))
              JOIN core.twitter_tweet_edits versions ON ((edits.first_tweet_id = versions.first_tweet_id)))
           WHERE ((versions.tweet_id > shown.tweet_id) AND (EXISTS ( SELECT
                    FROM core.twitter_tweets tweets
                   WHERE (tweets.tweet_id = versions.tweet_id))))
          HAVING (count(*) > 0)
         )
  SELECT verdicts.event_at,
     verdicts.event_type
    FROM verdicts
   ORDER BY verdicts.event_at, verdicts.event_type
  LIMIT 1;
END;

COMMENT ON FUNCTION core.suppression_of_tweet(subject bigint) IS 'Whether a tweet may be shown: no row, or since when not, and why';

CREATE FUNCTION core.touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.updated_at := now();
    return new;
end
$$;

CREATE FUNCTION ops.analyze_claims(of_model text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    execute format('analyze ops.%I', of_model || '__claims');
end
$$;

COMMENT ON FUNCTION ops.analyze_claims(of_model text) IS 'Analyse the table of the buckets that a model''s build has claimed';

CREATE FUNCTION ops.analyze_grown_tables() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    grown oid;
    analyzed_count bigint := 0;
begin
    -- New tables and partitions that nobody has looked at.
    for grown in
        select tables.oid
        from pg_class as tables
        where
            tables.relnamespace in ('core'::regnamespace, 'raw'::regnamespace, 'ops'::regnamespace)
            and tables.relkind = 'r'
            and tables.reltuples < 0
            and pg_relation_size(tables.oid) > 65536
        order by tables.oid
    loop
        execute format('analyze (skip_locked) %s', grown::regclass);
        analyzed_count := analyzed_count + 1;
    end loop;
    -- Partitioned tables that have doubled since they were last looked at; with them go their partitions.
    for grown in
        select parents.oid
        from pg_class as parents
        inner join pg_inherits on parents.oid = pg_inherits.inhparent
        inner join pg_class as partitions on pg_inherits.inhrelid = partitions.oid
        where
            parents.relnamespace in ('core'::regnamespace, 'raw'::regnamespace, 'ops'::regnamespace)
            and parents.relkind = 'p'
        group by parents.oid
        having sum(greatest(partitions.reltuples, 0)) > 2 * greatest(parents.reltuples, 0) + 500
        order by parents.oid
    loop
        execute format('analyze (skip_locked) %s', grown::regclass);
        analyzed_count := analyzed_count + 1;
    end loop;
    return analyzed_count;
end
$$;

COMMENT ON FUNCTION ops.analyze_grown_tables() IS 'Analyse new tables and partitioned tables that have doubled, which autovacuum does not; returns how many';

CREATE FUNCTION ops.counted_differences(event text, compared text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
declare
    same constant text := (
        select string_agg(format('other.%1$I is not distinct from counted.%1$I', name), ' and ')
        from unnest(compared || '{tweet_id,zone_id}') as compared_column (name)
    );
    part constant text := 'select %s as sign, counted.* from %s as counted where '
        || case
            when event = 'UPDATE' then 'not exists (select from %s as other where other.tweet_id = counted.tweet_id and '
                || replace(same, '%', '%%') || ')'
            else 'true'
        end;
    old_part constant text := format(part, '-1', 'old_rows', 'new_rows');
    new_part constant text := format(part, '1', 'new_rows', 'old_rows');
begin
    return case event
        when 'INSERT' then new_part
        when 'DELETE' then old_part
        else old_part || ' union all ' || new_part
    end;
end
$_$;

CREATE TABLE ops.sealed_ranges (
    lower_id bigint NOT NULL,
    upper_id bigint NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    sealed_at timestamp with time zone DEFAULT now() NOT NULL,
    is_counted boolean DEFAULT false NOT NULL,
    CONSTRAINT sealed_ranges_end_after_begin CHECK (((upper_id > lower_id) AND (ends_at > starts_at)))
);

COMMENT ON TABLE ops.sealed_ranges IS 'One row per range of tweet ids whose partitions are gone or about to go';

COMMENT ON COLUMN ops.sealed_ranges.starts_at IS 'Of the buckets: the first hour that is sealed';

COMMENT ON COLUMN ops.sealed_ranges.ends_at IS 'Of the buckets: the first hour that is not';

COMMENT ON COLUMN ops.sealed_ranges.is_counted IS 'Whether int_zone_counted_tweets holds the tweets, so that buckets can be summed anew from there';

CREATE FUNCTION ops.is_sealed(bucket timestamp with time zone) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (EXISTS (SELECT FROM ops.sealed_ranges sealed WHERE ((is_sealed.bucket >= sealed.starts_at) AND (is_sealed.bucket < sealed.ends_at))));

COMMENT ON FUNCTION ops.is_sealed(bucket timestamp with time zone) IS 'Whether the bucket that begins at a moment rests on tweets that retention has taken';

CREATE FUNCTION ops.is_sealed_day(bucket date) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (EXISTS (SELECT FROM ops.sealed_ranges sealed WHERE (((((is_sealed_day.bucket - 1))::timestamp without time zone AT TIME ZONE 'UTC'::text) < sealed.ends_at) AND ((((is_sealed_day.bucket + 2))::timestamp without time zone AT TIME ZONE 'UTC'::text) > sealed.starts_at))));

COMMENT ON FUNCTION ops.is_sealed_day(bucket date) IS 'Whether a day, whatever time zone it is of, rests on tweets that retention has taken';

CREATE FUNCTION ops.is_sealed_tweet(of_tweet_id bigint) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (EXISTS (SELECT FROM ops.sealed_ranges sealed WHERE ((is_sealed_tweet.of_tweet_id >= sealed.lower_id) AND (is_sealed_tweet.of_tweet_id < sealed.upper_id))));

COMMENT ON FUNCTION ops.is_sealed_tweet(of_tweet_id bigint) IS 'Whether retention has taken a tweet''s month';

CREATE FUNCTION ops.is_uncounted(bucket timestamp with time zone) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (EXISTS (SELECT FROM ops.sealed_ranges sealed WHERE ((is_uncounted.bucket >= sealed.starts_at) AND (is_uncounted.bucket < sealed.ends_at) AND (NOT sealed.is_counted))));

COMMENT ON FUNCTION ops.is_uncounted(bucket timestamp with time zone) IS 'Whether nothing but sums is left of the bucket that begins at a moment';

CREATE FUNCTION ops.is_uncounted_day(bucket date) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (EXISTS (SELECT FROM ops.sealed_ranges sealed WHERE (((((is_uncounted_day.bucket - 1))::timestamp without time zone AT TIME ZONE 'UTC'::text) < sealed.ends_at) AND ((((is_uncounted_day.bucket + 2))::timestamp without time zone AT TIME ZONE 'UTC'::text) > sealed.starts_at) AND (NOT sealed.is_counted))));

COMMENT ON FUNCTION ops.is_uncounted_day(bucket date) IS 'Whether nothing but sums is left of a day, whatever time zone it is of';

CREATE FUNCTION ops.keep_outages() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if new.failing_since is null then
        update ops.gaps
        set ends_at = greatest(new.last_success_at, gaps.starts_at)
        where gaps.kind in ('provider_down', 'limit_reached') and gaps.source = new.source and gaps.ends_at is null;
    elsif new.failure_count >= 2 and old.failure_count < 2 then
        insert into ops.gaps (kind, source, starts_at, stops_collection, detail)
        values (
            case when new.last_failure like '%HTTP 402%' then 'limit_reached' else 'provider_down' end,
            new.source,
            greatest(new.last_success_at, new.failing_since - interval '1 hour'),
            new.stops_collection,
            new.last_failure
        )
        on conflict on constraint gaps_are_told_once do nothing;
    end if;
    return null;
end
$$;

CREATE FUNCTION ops.maintain_top_profiles() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    part constant text := 'select %s as sign, zone_id, author_profile_id as profile_id, tweet_count, total_engagement,'
        ' engagement_known_count, last_tweet_at from %s';
    old_part constant text := format(part, '-1', 'old_rows');
    new_part constant text := format(part, '1', 'new_rows');
    differences constant text := case tg_op
        when 'INSERT' then new_part
        when 'DELETE' then old_part
        else old_part || ' union all ' || new_part
    end;
begin
    -- A statement's trigger is called even if it changed nothing.
    if tg_op = 'INSERT' then
        perform from new_rows limit 1;
    else
        perform from old_rows limit 1;
    end if;
    if not found then
        return null;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('ledger.twitter_top_profiles_by_zone', 0));
    -- The moment of the change is the version of the rows for whoever caches them.
    update ops.mart_state as state
    set built_at = clock_timestamp()
    where
        state.model = 'twitter_top_profiles_by_zone'
        and to_regclass('marts.twitter_top_profiles_by_zone') is not null;
    if not found then
        return null;
    end if;
    execute format($sql$
with sums as (
    select
        zone_id,
        profile_id,
        sum(sign * tweet_count)::bigint as tweet_count,
        coalesce(sum(sign * total_engagement), 0)::bigint as known_engagement,
        sum(sign * engagement_known_count)::bigint as engagement_known_count,
        max(last_tweet_at) filter (where sign = 1) as gained_last_at,
        max(last_tweet_at) filter (where sign = -1) as lost_last_at
    from (%s) as differences
    group by zone_id, profile_id
    -- In the order of the index that they are looked up by.
    order by profile_id, zone_id
),

compared as (
    select
        sums.zone_id,
        sums.profile_id,
        stored.place,
        coalesce(stored.tweet_count, 0) + sums.tweet_count as tweet_count,
        coalesce(stored.total_engagement, 0) + sums.known_engagement as known_engagement,
        coalesce(stored.engagement_known_count, 0) + sums.engagement_known_count as engagement_known_count,
        greatest(stored.last_tweet_at, sums.gained_last_at) as last_tweet_at,
        coalesce(sums.lost_last_at >= stored.last_tweet_at, false)
        and coalesce(sums.gained_last_at < stored.last_tweet_at, true) as is_last_lost
    from sums
    left join lateral (
        select
            present.ctid as place,
            present.tweet_count,
            present.total_engagement,
            present.engagement_known_count,
            present.last_tweet_at
        from marts.twitter_top_profiles_by_zone as present
        where present.profile_id = sums.profile_id and present.zone_id = sums.zone_id
        offset 0
    ) as stored on true
),

changed as (
    select
        compared.zone_id,
        compared.profile_id,
        compared.place,
        compared.tweet_count,
        compared.engagement_known_count,
        case when compared.engagement_known_count > 0 then compared.known_engagement end as total_engagement,
        round(compared.known_engagement::numeric / nullif(greatest(compared.engagement_known_count, 0), 0), 18)
            as avg_engagement,
        coalesce(latest.last_tweet_at, compared.last_tweet_at) as last_tweet_at
    from compared
    left join lateral (
        select hours.last_tweet_at
        from intermediate.int_zone_author_hourly as hours
        where
            compared.is_last_lost
            and hours.author_profile_id = compared.profile_id
            and hours.zone_id = compared.zone_id
        order by hours.hour desc
        limit 1
    ) as latest on true
),

touched as (
    insert into ops.twitter_top_profiles_by_zone__touched (zone_id, profile_id)
    select changed.zone_id, changed.profile_id
    from changed
)

merge into marts.twitter_top_profiles_by_zone as present
using (
    select changed.*, profiles.*
    from changed
    left join lateral (
        select
            found.username,
            found.name,
            found.profile_picture_url,
            found.is_verified,
            found.is_blue_verified,
            found.followers_count
        from core.twitter_profiles as found
        where changed.place is null and found.twitter_user_id = changed.profile_id
        offset 0
    ) as profiles on true
) as changed
on present.ctid = changed.place
when matched and changed.tweet_count <= 0
    then delete
when matched
    and (present.tweet_count, present.total_engagement, present.engagement_known_count, present.last_tweet_at)
    is distinct from
    (changed.tweet_count, changed.total_engagement, changed.engagement_known_count, changed.last_tweet_at)
    then update set
        tweet_count = changed.tweet_count,
        total_engagement = changed.total_engagement,
        engagement_known_count = changed.engagement_known_count,
        avg_engagement = changed.avg_engagement,
        last_tweet_at = changed.last_tweet_at
when not matched and changed.tweet_count > 0 and changed.last_tweet_at is not null
    then insert (
        zone_id, profile_id, twitter_user_id, username, name, profile_picture_url, is_verified, is_blue_verified,
        followers_count, tweet_count, total_engagement, engagement_known_count, avg_engagement, last_tweet_at
    )
    values (
        changed.zone_id, changed.profile_id, changed.profile_id::text, changed.username, changed.name,
        changed.profile_picture_url, changed.is_verified, changed.is_blue_verified, changed.followers_count,
        changed.tweet_count, changed.total_engagement, changed.engagement_known_count, changed.avg_engagement,
        changed.last_tweet_at
    )
$sql$, differences);
    return null;
end
$_$;

CREATE FUNCTION ops.maintain_zone_author_hourly() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    differences constant text := ops.counted_differences(tg_op, array[
        'hour', 'author_profile_id', 'twitter_created_at', 'has_media', 'has_links', 'is_reply', 'sentiment_score',
        'retweet_count', 'reply_count', 'like_count', 'quote_count', 'view_count', 'bookmark_count',
        'total_engagement', 'hashtags', 'original_hashtags', 'mentions', 'link_hosts'
    ]);
begin
    -- A statement's trigger is called even if it changed nothing.
    if tg_op = 'INSERT' then
        perform from new_rows limit 1;
    else
        perform from old_rows limit 1;
    end if;
    if not found then
        return null;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('ledger.int_zone_author_hourly', 0));
    if not exists (select 1 from ops.mart_state as state where state.model = 'int_zone_author_hourly') then
        return null;
    end if;
    execute format($sql$
with differences as materialized (%s),

sums as (
    select
        zone_id,
        hour,
        author_profile_id,
        sum(sign) as tweet_count,
        coalesce(sum(sign) filter (where has_media), 0) as tweets_with_media,
        coalesce(sum(sign) filter (where has_links), 0) as tweets_with_links,
        coalesce(sum(sign) filter (where is_reply), 0) as reply_tweets,
        coalesce(sum(sign * retweet_count), 0) as retweets,
        coalesce(sum(sign * reply_count), 0) as replies,
        coalesce(sum(sign * like_count), 0) as likes,
        coalesce(sum(sign * quote_count), 0) as quotes,
        coalesce(sum(sign * view_count), 0) as views,
        coalesce(sum(sign * bookmark_count), 0) as bookmarks,
        coalesce(sum(sign * total_engagement), 0) as engagement,
        coalesce(sum(sign * sentiment_score), 0) as sentiment,
        coalesce(sum(sign) filter (where retweet_count is not null), 0) as retweets_known,
        coalesce(sum(sign) filter (where reply_count is not null), 0) as replies_known,
        coalesce(sum(sign) filter (where like_count is not null), 0) as likes_known,
        coalesce(sum(sign) filter (where quote_count is not null), 0) as quotes_known,
        coalesce(sum(sign) filter (where view_count is not null), 0) as views_known,
        coalesce(sum(sign) filter (where bookmark_count is not null), 0) as bookmarks_known,
        coalesce(sum(sign) filter (where total_engagement is not null), 0) as engagement_known,
        coalesce(sum(sign) filter (where sentiment_score is not null), 0) as sentiment_known,
        max(twitter_created_at) filter (where sign = 1) as gained_last_at,
        max(twitter_created_at) filter (where sign = -1) as lost_last_at,
        max(tweet_id) filter (where sign = 1) as gained_last_id,
        max(tweet_id) filter (where sign = -1) as lost_last_id,
        max(case when total_engagement is not null then array[total_engagement, tweet_id] end)
        filter (where sign = 1) as gained_top,
        max(case when total_engagement is not null then array[total_engagement, tweet_id] end)
        filter (where sign = -1) as lost_top
    from differences
    group by zone_id, hour, author_profile_id
    -- In the order of the index that they are looked up by.
    order by author_profile_id, zone_id, hour
),

compared as (
    select
        sums.*,
        stored.ctid as place,
        stored.last_tweet_at as stored_last_at,
        stored.last_tweet_id as stored_last_id,
        case
            when stored.top_engagement is not null then array[stored.top_engagement, stored.top_tweet_id]
        end as stored_top,
        sums.tweet_count + stored.tweet_count > 0
        and (
            coalesce(
                sums.lost_last_at >= stored.last_tweet_at
                and (sums.gained_last_at is null or sums.gained_last_at < stored.last_tweet_at),
                false
            )
            or coalesce(
                sums.lost_last_id >= stored.last_tweet_id
                and (sums.gained_last_id is null or sums.gained_last_id < stored.last_tweet_id),
                false
            )
            or coalesce(
                sums.lost_top >= array[stored.top_engagement, stored.top_tweet_id]
                and (
                    sums.gained_top is null
                    or sums.gained_top < array[stored.top_engagement, stored.top_tweet_id]
                ),
                false
            )
        ) as is_largest_lost
    from sums
    left join lateral (
        select present.ctid, present.*
        from intermediate.int_zone_author_hourly as present
        where
            present.author_profile_id = sums.author_profile_id
            and present.zone_id = sums.zone_id
            and present.hour = sums.hour
        offset 0
    ) as stored on true
),

changed as (
    select
        compared.*,
        case
            when compared.is_largest_lost then coalesce(remaining.last_at, compared.stored_last_at)
            else greatest(compared.stored_last_at, compared.gained_last_at)
        end as last_at,
        case
            when compared.is_largest_lost then coalesce(remaining.last_id, compared.stored_last_id)
            else greatest(compared.stored_last_id, compared.gained_last_id)
        end as last_id,
        case
            when compared.is_largest_lost then remaining.top
            else greatest(compared.stored_top, compared.gained_top)
        end as top
    from compared
    left join lateral (
        select
            max(counted.twitter_created_at) as last_at,
            max(counted.tweet_id) as last_id,
            max(
                case when counted.total_engagement is not null
                    then array[counted.total_engagement, counted.tweet_id]
                end
            ) as top
        from intermediate.int_zone_counted_tweets as counted
        where
            compared.is_largest_lost
            and counted.author_profile_id = compared.author_profile_id
            and counted.tweet_id >= core.first_tweet_id_of(compared.hour)
            and counted.tweet_id < core.end_tweet_id_of(compared.hour + interval '1 hour')
            and counted.hour = compared.hour
            and counted.zone_id = compared.zone_id
    ) as remaining on true
),

marked_tops as (
    insert into ops.int_zone_top_tweets_hourly__marks (zone_id, hour)
    select distinct changed.zone_id, changed.hour
    from changed
),

marked_windows as (
    insert into ops.twitter_top_profiles_by_zone_window__marks (zone_id, profile_id)
    select distinct changed.zone_id, changed.author_profile_id
    from changed
),

marked_tags as (
    insert into ops.int_zone_tag_author_hourly__marks (zone_id, hour, author_profile_id)
    select distinct differences.zone_id, differences.hour, differences.author_profile_id
    from differences
    where differences.hashtags <> '{}'
),

marked_entities as (
    insert into ops.int_zone_entity_author_hourly__marks (zone_id, hour, author_profile_id)
    select distinct named.zone_id, named.hour, named.author_profile_id
    from (
        select zone_id, hour, author_profile_id
        from differences
        where hashtags <> '{}' or mentions <> '{}' or link_hosts <> '{}'
        group by
            tweet_id, zone_id, hour, author_profile_id, twitter_created_at, hashtags, mentions, link_hosts
        having sum(sign) <> 0
    ) as named
)

merge into intermediate.int_zone_author_hourly as present
using changed on present.ctid = changed.place
when matched and present.tweet_count + changed.tweet_count <= 0
    then delete
when matched
    then update set
        tweet_count = present.tweet_count + changed.tweet_count,
        tweets_with_media = present.tweets_with_media + changed.tweets_with_media,
        tweets_with_links = present.tweets_with_links + changed.tweets_with_links,
        reply_tweets = present.reply_tweets + changed.reply_tweets,
        total_retweets = case
            when present.retweets_known_count + changed.retweets_known > 0
                then coalesce(present.total_retweets, 0) + changed.retweets
        end,
        total_replies = case
            when present.replies_known_count + changed.replies_known > 0
                then coalesce(present.total_replies, 0) + changed.replies
        end,
        total_likes = case
            when present.likes_known_count + changed.likes_known > 0
                then coalesce(present.total_likes, 0) + changed.likes
        end,
        total_quotes = case
            when present.quotes_known_count + changed.quotes_known > 0
                then coalesce(present.total_quotes, 0) + changed.quotes
        end,
        total_views = case
            when present.views_known_count + changed.views_known > 0
                then coalesce(present.total_views, 0) + changed.views
        end,
        total_bookmarks = case
            when present.bookmarks_known_count + changed.bookmarks_known > 0
                then coalesce(present.total_bookmarks, 0) + changed.bookmarks
        end,
        total_engagement = case
            when present.engagement_known_count + changed.engagement_known > 0
                then coalesce(present.total_engagement, 0) + changed.engagement
        end,
        retweets_known_count = present.retweets_known_count + changed.retweets_known,
        replies_known_count = present.replies_known_count + changed.replies_known,
        likes_known_count = present.likes_known_count + changed.likes_known,
        quotes_known_count = present.quotes_known_count + changed.quotes_known,
        views_known_count = present.views_known_count + changed.views_known,
        bookmarks_known_count = present.bookmarks_known_count + changed.bookmarks_known,
        engagement_known_count = present.engagement_known_count + changed.engagement_known,
        sentiment_sum = case
            when present.sentiment_count + changed.sentiment_known > 0
                then coalesce(present.sentiment_sum, 0) + changed.sentiment
        end,
        sentiment_count = present.sentiment_count + changed.sentiment_known,
        last_tweet_at = changed.last_at,
        last_tweet_id = changed.last_id,
        top_engagement = changed.top[1],
        top_tweet_id = changed.top[2]
when not matched and changed.tweet_count > 0
    then insert (
        zone_id, hour, author_profile_id, tweet_count, tweets_with_media, tweets_with_links, reply_tweets,
        total_retweets, total_replies, total_likes, total_quotes, total_views, total_bookmarks, total_engagement,
        retweets_known_count, replies_known_count, likes_known_count, quotes_known_count, views_known_count,
        bookmarks_known_count, engagement_known_count, sentiment_sum, sentiment_count, last_tweet_at, last_tweet_id,
        top_engagement, top_tweet_id
    )
    values (
        changed.zone_id, changed.hour, changed.author_profile_id, changed.tweet_count, changed.tweets_with_media,
        changed.tweets_with_links, changed.reply_tweets,
        case when changed.retweets_known > 0 then changed.retweets end,
        case when changed.replies_known > 0 then changed.replies end,
        case when changed.likes_known > 0 then changed.likes end,
        case when changed.quotes_known > 0 then changed.quotes end,
        case when changed.views_known > 0 then changed.views end,
        case when changed.bookmarks_known > 0 then changed.bookmarks end,
        case when changed.engagement_known > 0 then changed.engagement end,
        changed.retweets_known, changed.replies_known, changed.likes_known, changed.quotes_known,
        changed.views_known, changed.bookmarks_known, changed.engagement_known,
        case when changed.sentiment_known > 0 then changed.sentiment end,
        changed.sentiment_known, changed.last_at, changed.last_id, changed.top[1], changed.top[2]
    )
$sql$, differences);
    return null;
end
$_$;

CREATE FUNCTION ops.maintain_zone_hourly() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    old_part constant text := 'select -1 as sign, * from old_rows';
    new_part constant text := 'select 1 as sign, * from new_rows';
    differences constant text := case tg_op
        when 'INSERT' then new_part
        when 'DELETE' then old_part
        else old_part || ' union all ' || new_part
    end;
begin
    -- A statement's trigger is called even if it changed nothing.
    if tg_op = 'INSERT' then
        perform from new_rows limit 1;
    else
        perform from old_rows limit 1;
    end if;
    if not found then
        return null;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('ledger.int_zone_hourly', 0));
    if not exists (select 1 from ops.mart_state as state where state.model = 'int_zone_hourly') then
        return null;
    end if;
    execute format($sql$
with sums as materialized (
    select
        zone_id,
        hour,
        sum(sign) as author_count,
        sum(sign * tweet_count) as tweet_count,
        sum(sign * tweets_with_media) as tweets_with_media,
        sum(sign * tweets_with_links) as tweets_with_links,
        sum(sign * reply_tweets) as reply_tweets,
        coalesce(sum(sign * total_retweets), 0) as known_retweets,
        coalesce(sum(sign * total_replies), 0) as known_replies,
        coalesce(sum(sign * total_likes), 0) as known_likes,
        coalesce(sum(sign * total_quotes), 0) as known_quotes,
        coalesce(sum(sign * total_views), 0) as known_views,
        coalesce(sum(sign * total_bookmarks), 0) as known_bookmarks,
        coalesce(sum(sign * total_engagement), 0) as known_engagement,
        sum(sign * retweets_known_count) as retweets_known_count,
        sum(sign * replies_known_count) as replies_known_count,
        sum(sign * likes_known_count) as likes_known_count,
        sum(sign * quotes_known_count) as quotes_known_count,
        sum(sign * views_known_count) as views_known_count,
        sum(sign * bookmarks_known_count) as bookmarks_known_count,
        sum(sign * engagement_known_count) as engagement_known_count,
        coalesce(sum(sign * sentiment_sum), 0) as sentiment_sum,
        sum(sign * sentiment_count) as sentiment_count
    from (%s) as differences
    group by zone_id, hour
),

marked as (
    insert into ops.twitter_zone_stats_hourly__marks (zone_id, hour)
    select sums.zone_id, sums.hour
    from sums
)

insert into intermediate.int_zone_hourly as present (
    zone_id, hour, author_count, tweet_count, tweets_with_media, tweets_with_links, reply_tweets, known_retweets,
    known_replies, known_likes, known_quotes, known_views, known_bookmarks, known_engagement, retweets_known_count,
    replies_known_count, likes_known_count, quotes_known_count, views_known_count, bookmarks_known_count,
    engagement_known_count, sentiment_sum, sentiment_count
)
select
    zone_id, hour, author_count, tweet_count, tweets_with_media, tweets_with_links, reply_tweets, known_retweets,
    known_replies, known_likes, known_quotes, known_views, known_bookmarks, known_engagement, retweets_known_count,
    replies_known_count, likes_known_count, quotes_known_count, views_known_count, bookmarks_known_count,
    engagement_known_count, sentiment_sum, sentiment_count
from sums
on conflict (zone_id, hour) do update set
    author_count = present.author_count + excluded.author_count,
    tweet_count = present.tweet_count + excluded.tweet_count,
    tweets_with_media = present.tweets_with_media + excluded.tweets_with_media,
    tweets_with_links = present.tweets_with_links + excluded.tweets_with_links,
    reply_tweets = present.reply_tweets + excluded.reply_tweets,
    known_retweets = present.known_retweets + excluded.known_retweets,
    known_replies = present.known_replies + excluded.known_replies,
    known_likes = present.known_likes + excluded.known_likes,
    known_quotes = present.known_quotes + excluded.known_quotes,
    known_views = present.known_views + excluded.known_views,
    known_bookmarks = present.known_bookmarks + excluded.known_bookmarks,
    known_engagement = present.known_engagement + excluded.known_engagement,
    retweets_known_count = present.retweets_known_count + excluded.retweets_known_count,
    replies_known_count = present.replies_known_count + excluded.replies_known_count,
    likes_known_count = present.likes_known_count + excluded.likes_known_count,
    quotes_known_count = present.quotes_known_count + excluded.quotes_known_count,
    views_known_count = present.views_known_count + excluded.views_known_count,
    bookmarks_known_count = present.bookmarks_known_count + excluded.bookmarks_known_count,
    engagement_known_count = present.engagement_known_count + excluded.engagement_known_count,
    sentiment_sum = present.sentiment_sum + excluded.sentiment_sum,
    sentiment_count = present.sentiment_count + excluded.sentiment_count
$sql$, differences);
    if tg_op = 'INSERT' then
        return null;
    end if;
    delete from intermediate.int_zone_hourly as present
    using old_rows
    where present.zone_id = old_rows.zone_id and present.hour = old_rows.hour and present.author_count <= 0;
    return null;
end
$_$;

CREATE FUNCTION ops.maintain_zone_tag_windows() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    window_start timestamptz;
    window_end timestamptz;
    outdated_zones uuid[];
    outdated_tags text[];
begin
    -- A statement's trigger is called even if it changed nothing.
    if tg_op = 'INSERT' then
        perform from new_rows limit 1;
    else
        perform from old_rows limit 1;
    end if;
    if not found then
        return null;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('ledger.int_zone_tag_author_window', 0));
    perform pg_advisory_xact_lock(hashtextextended('ledger.twitter_trending_hashtags', 0));
    select date_trunc('hour', state.as_of, 'UTC') - interval '23 hours', state.as_of into window_start, window_end
    from ops.mart_state as state
    where state.model = 'int_zone_tag_author_window';
    if window_end is null or to_regclass('marts.twitter_trending_hashtags') is null then
        return null;
    end if;
    -- Behind coalesce, so that the planner expects half of the rows and not one in two hundred: it would join in loops.
    execute ops.tag_windows_statement(format(
        'select changed.* from (%s) as changed'
        ' where coalesce(changed.hour >= $1 and changed.twitter_created_at <= $2, false)',
        ops.counted_differences(tg_op, array[
            'hour', 'author_profile_id', 'twitter_created_at', 'total_engagement', 'hashtags', 'original_hashtags'
        ])
    )) into outdated_zones, outdated_tags using window_start, window_end;
    perform ops.read_tags_again(outdated_zones, outdated_tags, window_start, window_end);
    update ops.mart_state as state
    set built_at = clock_timestamp()
    where state.model = 'twitter_trending_hashtags';
    return null;
end
$_$;

CREATE TABLE ops.int_zone_counted_tweets__marks (
    tweet_id bigint NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.int_zone_counted_tweets__marks IS 'Tweets whose facts changed, appended by whoever changed them';

CREATE FUNCTION ops.mark_tweets(tweet_ids bigint[]) RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
 INSERT INTO ops.int_zone_counted_tweets__marks (tweet_id)  SELECT marked.tweet_id
            FROM unnest(mark_tweets.tweet_ids) marked(tweet_id);
END;

CREATE FUNCTION ops.marks_are_explicit() RETURNS boolean
    LANGUAGE sql STABLE
    RETURN (COALESCE(current_setting('ledger.marks'::text, true), ''::text) = 'explicit'::text);

CREATE FUNCTION ops.move_zone_tag_windows(from_as_of timestamp with time zone, to_as_of timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    old_start constant timestamptz := date_trunc('hour', from_as_of, 'UTC') - interval '23 hours';
    new_start constant timestamptz := date_trunc('hour', to_as_of, 'UTC') - interval '23 hours';
    -- Between the two starts, or the two ends, a tweet is in one window, or in neither: so is what lies between both,
    -- after a move of more than a window's length.
    crossed constant text := format($sql$
        select
            case when found.hour >= %1$L and found.twitter_created_at <= %2$L then 1 else -1 end as sign,
            found.*
        from (
            select counted.*
            from intermediate.int_zone_counted_tweets as counted
            where
                counted.tweet_id >= core.first_tweet_id_of(%5$L)
                and counted.tweet_id < core.end_tweet_id_of(%6$L)
                and counted.hour >= %5$L
                and counted.hour < %6$L
            union all
            select counted.*
            from intermediate.int_zone_counted_tweets as counted
            where
                counted.tweet_id >= core.first_tweet_id_of(%7$L)
                and counted.tweet_id < core.end_tweet_id_of(%8$L::timestamptz + interval '1 millisecond')
                and counted.twitter_created_at > %7$L
                and counted.twitter_created_at <= %8$L
        ) as found
        -- Behind coalesce, as above.
        where
            coalesce(
                (found.hour >= %1$L and found.twitter_created_at <= %2$L)
                <> (found.hour >= %3$L and found.twitter_created_at <= %4$L),
                false
            )
        $sql$,
        new_start, to_as_of, old_start, from_as_of,
        least(old_start, new_start), greatest(old_start, new_start),
        least(from_as_of, to_as_of), greatest(from_as_of, to_as_of)
    );
    outdated_zones uuid[];
    outdated_tags text[];
begin
    if from_as_of = to_as_of or to_regclass('marts.twitter_trending_hashtags') is null then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('ledger.twitter_trending_hashtags', 0));
    execute ops.tag_windows_statement(crossed) into outdated_zones, outdated_tags using new_start, to_as_of;
    perform ops.read_tags_again(outdated_zones, outdated_tags, new_start, to_as_of);
    -- What the mart holds is of the new moment from here on, before its own build.
    update ops.mart_state as state
    set as_of = to_as_of, built_at = clock_timestamp()
    where state.model = 'twitter_trending_hashtags';
end
$_$;

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

CREATE FUNCTION ops.on_change_of_coverage() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if tg_op = 'DELETE' then
        insert into ops.twitter_zone_stats_hourly__marks (zone_id, hour)
        select changed.zone_id, changed.hour from old_rows as changed;
    else
        insert into ops.twitter_zone_stats_hourly__marks (zone_id, hour)
        select changed.zone_id, changed.hour from new_rows as changed;
    end if;
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
    if tg_op = 'INSERT' then
        perform ops.mark_tweets(array(select distinct links.tweet_id from new_rows as links));
    elsif tg_op = 'DELETE' then
        perform ops.mark_tweets(array(select distinct links.tweet_id from old_rows as links));
    else
        perform ops.mark_tweets(array(
            select links.tweet_id from new_rows as links
            union
            select links.tweet_id from old_rows as links
        ));
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

CREATE FUNCTION ops.on_change_of_timezone() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    insert into ops.twitter_zone_stats_daily__zone_marks (zone_id) values (new.id);
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

CREATE FUNCTION ops.on_delete_of_profiles() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if ops.marks_are_explicit() then
        return null;
    end if;
    insert into ops.twitter_top_profiles_by_zone__profile_marks (profile_id)
    select old_rows.twitter_user_id
    from old_rows;
    return null;
end
$$;

CREATE FUNCTION ops.on_insert_of_profiles() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if to_regclass('intermediate.int_zone_author_hourly') is null then
        return null;
    end if;
    insert into ops.twitter_top_profiles_by_zone__profile_marks (profile_id)
    select new_rows.twitter_user_id
    from new_rows
    cross join lateral (
        select
        from intermediate.int_zone_author_hourly as hours
        where hours.author_profile_id = new_rows.twitter_user_id
        limit 1
    ) as counted;
    return null;
end
$$;

CREATE FUNCTION ops.on_profile_notices() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    insert into ops.suppression_queue (user_id)
    select distinct changed.user_id from changed_rows as changed;
    return null;
end
$$;

CREATE FUNCTION ops.on_tweet_notices() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    insert into ops.suppression_queue (tweet_id)
    select distinct changed.tweet_id from changed_rows as changed;
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

CREATE FUNCTION ops.pipe_uptime(window_start timestamp with time zone, window_end timestamp with time zone) RETURNS tstzmultirange
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 WITH bounds AS (
          SELECT pipe_uptime.window_start AS start_at,
             pipe_uptime.window_end AS end_at,
             core.snowflake_floor((pipe_uptime.window_start - '00:02:30'::interval)) AS first_delivery_id,
             core.snowflake_floor(pipe_uptime.window_end) AS last_delivery_id
         ), beats AS (
          SELECT deliveries.received_at AS beat_at
            FROM (raw.deliveries
              JOIN ops.delivery_accounting accounting ON ((deliveries.delivery_id = accounting.delivery_id)))
           WHERE ((deliveries.source = 'heartbeat'::text) AND (deliveries.delivery_id >= ( SELECT bounds_1.first_delivery_id
                    FROM bounds bounds_1)) AND (deliveries.delivery_id <= ( SELECT bounds_1.last_delivery_id
                    FROM bounds bounds_1)))
         UNION ALL
          SELECT bounds_1.end_at
            FROM bounds bounds_1
         ), pairs AS (
          SELECT beats.beat_at,
             lead(beats.beat_at) OVER (ORDER BY beats.beat_at) AS next_beat_at
            FROM beats
         ), uptime AS (
          SELECT range_agg(tstzrange(pairs.beat_at, pairs.next_beat_at)) FILTER (WHERE ((pairs.next_beat_at - pairs.beat_at) <= '00:02:30'::interval)) AS spans
            FROM pairs
         )
  SELECT (COALESCE(uptime.spans, '{}'::tstzmultirange) * tstzmultirange(tstzrange(bounds.start_at, bounds.end_at)))
    FROM (uptime
      CROSS JOIN bounds);
END;

COMMENT ON FUNCTION ops.pipe_uptime(window_start timestamp with time zone, window_end timestamp with time zone) IS 'When the pipe''s heart beat, within a span of time';

CREATE FUNCTION ops.read_tags_again(zones uuid[], tags text[], first_hour timestamp with time zone, window_end timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if tags is null then
        return;
    end if;
    with outdated as materialized (
        select found.zone_id, found.hashtag
        from unnest(zones, tags) as found (zone_id, hashtag)
    ),

    best_authors as materialized (
        select outdated.zone_id, outdated.hashtag, found.author_profile_id, found.last_used_at
        from outdated
        cross join lateral (
            select present.author_profile_id, max(present.last_used_at) over () as last_used_at
            from intermediate.int_zone_tag_author_window as present
            where present.zone_id = outdated.zone_id and present.hashtag = outdated.hashtag
            order by present.best_engagement desc nulls last, present.best_tweet_id desc
            limit 3
        ) as found
    ),

    -- As above: the tweets of an author at once, then the tags.
    read_uses as (
        select authors.author_profile_id, found.*
        from (select distinct best_authors.author_profile_id from best_authors) as authors
        cross join lateral (
            select
                counted.zone_id,
                counted.tweet_id,
                counted.total_engagement,
                unnest(counted.hashtags) as hashtag
            from intermediate.int_zone_counted_tweets as counted
            where
                counted.author_profile_id = authors.author_profile_id
                and counted.tweet_id >= core.first_tweet_id_of(first_hour)
                and counted.tweet_id < core.end_tweet_id_of(window_end + interval '1 millisecond')
                and counted.hour >= first_hour
                and counted.twitter_created_at <= window_end
            offset 0
        ) as found
        offset 0
    ),

    best as (
        select
            best_authors.zone_id,
            best_authors.hashtag,
            max(best_authors.last_used_at) as last_used_at,
            (
                array_agg(
                    read_uses.tweet_id
                    order by read_uses.total_engagement desc nulls last, read_uses.tweet_id desc
                )
            )[1:3] as ids,
            (
                array_agg(
                    read_uses.total_engagement
                    order by read_uses.total_engagement desc nulls last, read_uses.tweet_id desc
                )
            )[1:3] as engagements
        from best_authors
        inner join read_uses
            on
                best_authors.author_profile_id = read_uses.author_profile_id
                and best_authors.zone_id = read_uses.zone_id
                and best_authors.hashtag = read_uses.hashtag
        group by best_authors.zone_id, best_authors.hashtag
    )

    update marts.twitter_trending_hashtags as present
    set
        last_used_at = best.last_used_at,
        sample_tweets = best.ids::text[],
        sample_engagements = best.engagements
    from best
    where present.zone_id = best.zone_id and present.hashtag = best.hashtag;
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

CREATE FUNCTION ops.rule_listening(window_end timestamp with time zone) RETURNS TABLE(zone_id uuid, source text, span tstzrange)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 WITH bounds AS (
          SELECT rule_listening.window_end AS end_at
         )
  SELECT periods.zone_id,
     periods.source,
     tstzrange(periods.active_from, LEAST(periods.active_to, bounds.end_at)) AS tstzrange
    FROM (core.twitter_rule_periods periods
      CROSS JOIN bounds)
   WHERE (periods.active_from < bounds.end_at)
 UNION ALL
  SELECT rules.zone_id,
     rules.source,
     tstzrange(rules.created_at, bounds.end_at) AS tstzrange
    FROM ((core.twitter_rules rules
      JOIN core.zones ON ((rules.zone_id = zones.id)))
      CROSS JOIN bounds)
   WHERE (rules.is_active AND zones.is_active AND (rules.created_at < bounds.end_at) AND (NOT (EXISTS ( SELECT
            FROM core.twitter_rule_periods periods
           WHERE (periods.rule_id = rules.id)))));
END;

COMMENT ON FUNCTION ops.rule_listening(window_end timestamp with time zone) IS 'When each zone''s rules delivered, until a moment';

CREATE FUNCTION ops.tag_windows_statement(differences text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $_$
select format($sql$
with differences as materialized (
    select
        counted.sign,
        counted.zone_id,
        used.hashtag,
        counted.author_profile_id,
        used.spelling,
        counted.tweet_id,
        counted.twitter_created_at,
        counted.total_engagement,
        array[coalesce(counted.total_engagement, -1), counted.tweet_id] as ranking
    from (%s) as counted
    cross join lateral unnest(counted.hashtags, counted.original_hashtags) as used (hashtag, spelling)
),

author_sums as (
    select
        zone_id,
        hashtag,
        author_profile_id,
        sum(sign)::bigint as tweet_count,
        max(twitter_created_at) filter (where sign = 1) as gained_last,
        max(twitter_created_at) filter (where sign = -1) as lost_last,
        max(ranking) filter (where sign = 1) as gained_best,
        max(ranking) filter (where sign = -1) as lost_best
    from differences
    group by zone_id, hashtag, author_profile_id
    -- In the order of the index that they are looked up by.
    order by zone_id, hashtag, author_profile_id
),

authors as materialized (
    select
        author_sums.zone_id,
        author_sums.hashtag,
        author_sums.author_profile_id,
        stored.place,
        coalesce(stored.tweet_count, 0) + author_sums.tweet_count as tweet_count,
        greatest(stored.last_used_at, author_sums.gained_last) as last_used_at,
        greatest(stored.best, author_sums.gained_best) as best,
        coalesce(stored.tweet_count, 0) + author_sums.tweet_count > 0
        and (
            (
                coalesce(author_sums.lost_last >= stored.last_used_at, false)
                and coalesce(author_sums.gained_last < stored.last_used_at, true)
            )
            or (
                coalesce(author_sums.lost_best >= stored.best, false)
                and coalesce(author_sums.gained_best < stored.best, true)
            )
        ) as is_outdated
    from author_sums
    left join lateral (
        select
            present.ctid as place,
            present.tweet_count,
            present.last_used_at,
            array[coalesce(present.best_engagement, -1), present.best_tweet_id] as best
        from intermediate.int_zone_tag_author_window as present
        where
            present.zone_id = author_sums.zone_id
            and present.hashtag = author_sums.hashtag
            and present.author_profile_id = author_sums.author_profile_id
        offset 0
    ) as stored on true
),

read_uses as (
    select outdated.author_profile_id, found.*
    from (select distinct authors.author_profile_id from authors where authors.is_outdated) as outdated
    cross join lateral (
        select
            counted.zone_id,
            counted.twitter_created_at,
            counted.tweet_id,
            counted.total_engagement,
            unnest(counted.hashtags) as hashtag
        from intermediate.int_zone_counted_tweets as counted
        where
            counted.author_profile_id = outdated.author_profile_id
            and counted.tweet_id >= core.first_tweet_id_of($1)
            and counted.tweet_id < core.end_tweet_id_of($2 + interval '1 millisecond')
            and counted.hour >= $1
            and counted.twitter_created_at <= $2
        offset 0
    ) as found
    offset 0
),

read_authors as (
    select
        authors.zone_id,
        authors.hashtag,
        authors.author_profile_id,
        max(read_uses.twitter_created_at) as last_used_at,
        max(array[coalesce(read_uses.total_engagement, -1), read_uses.tweet_id]) as best
    from authors
    inner join read_uses
        on
            authors.zone_id = read_uses.zone_id
            and authors.hashtag = read_uses.hashtag
            and authors.author_profile_id = read_uses.author_profile_id
    where authors.is_outdated
    group by authors.zone_id, authors.hashtag, authors.author_profile_id
),

new_authors as materialized (
    select
        authors.zone_id,
        authors.hashtag,
        authors.author_profile_id,
        authors.place,
        authors.tweet_count,
        coalesce(read_authors.last_used_at, authors.last_used_at) as last_used_at,
        coalesce(read_authors.best, authors.best) as best
    from authors
    left join read_authors
        on
            authors.zone_id = read_authors.zone_id
            and authors.hashtag = read_authors.hashtag
            and authors.author_profile_id = read_authors.author_profile_id
),

come_authors as (
    insert into intermediate.int_zone_tag_author_window (
        zone_id, hashtag, author_profile_id, tweet_count, last_used_at, best_engagement, best_tweet_id
    )
    select zone_id, hashtag, author_profile_id, tweet_count, last_used_at, nullif(best[1], -1), best[2]
    from new_authors
    where place is null and tweet_count > 0 and best is not null
),

changed_authors as (
    update intermediate.int_zone_tag_author_window as present
    set
        tweet_count = new_authors.tweet_count,
        last_used_at = new_authors.last_used_at,
        best_engagement = nullif(new_authors.best[1], -1),
        best_tweet_id = new_authors.best[2]
    from new_authors
    where
        present.ctid = new_authors.place
        and new_authors.tweet_count > 0
        and (present.tweet_count, present.last_used_at, coalesce(present.best_engagement, -1), present.best_tweet_id)
        is distinct from
        (new_authors.tweet_count, new_authors.last_used_at, new_authors.best[1], new_authors.best[2])
),

gone_authors as (
    delete from intermediate.int_zone_tag_author_window as present
    using new_authors
    where present.ctid = new_authors.place and new_authors.tweet_count <= 0
),

author_counts as (
    select
        zone_id,
        hashtag,
        sum((tweet_count > 0)::integer - (place is not null)::integer)::bigint as author_count
    from new_authors
    group by zone_id, hashtag
),

tag_sums as (
    select
        zone_id,
        hashtag,
        sum(sign)::bigint as tweet_count,
        coalesce(sum(sign * total_engagement), 0)::bigint as known_engagement,
        coalesce(sum(sign) filter (where total_engagement is not null), 0)::bigint as engagement_known_count,
        max(twitter_created_at) filter (where sign = 1) as gained_last,
        max(twitter_created_at) filter (where sign = -1) as lost_last,
        min(spelling) as spelling,
        min(spelling) = max(spelling) as is_one_spelling,
        array_agg(spelling) as moved_spellings,
        array_agg(sign) as moved_signs,
        (array_agg(ranking order by ranking desc) filter (where sign = 1))[1:3] as gained,
        array_agg(tweet_id) filter (where sign = -1) as lost_ids
    from differences
    -- Before its first build the mart is left as it is: that build sums every tag.
    where exists (select 1 from ops.mart_state as state where state.model = 'twitter_trending_hashtags')
    group by zone_id, hashtag
),

tags as (
    select
        tag_sums.*,
        stored.place,
        coalesce(stored.tweet_count_24h, 0) + tag_sums.tweet_count as new_tweet_count,
        coalesce(stored.unique_authors_24h, 0) + author_counts.author_count as new_author_count,
        coalesce(stored.total_engagement_24h, 0) + tag_sums.known_engagement as new_known_engagement,
        coalesce(stored.engagement_known_count_24h, 0) + tag_sums.engagement_known_count
            as new_engagement_known_count,
        greatest(stored.last_used_at, tag_sums.gained_last) as new_last,
        coalesce(tag_sums.lost_last >= stored.last_used_at, false)
        and coalesce(tag_sums.gained_last < stored.last_used_at, true) as is_last_lost,
        stored.spellings,
        stored.spelling_counts,
        stored.sample_tweets,
        stored.sample_engagements,
        -- Of a row that is there already, whether it goes on with the one spelling it has; and with its three best.
        tag_sums.is_one_spelling and coalesce(stored.spellings = array[tag_sums.spelling], true) as is_simply_spelled,
        coalesce(cardinality(stored.sample_tweets) = 3, false)
        and coalesce(not stored.sample_tweets && tag_sums.lost_ids::text[], true)
        and coalesce(tag_sums.gained[1][1] < coalesce(stored.sample_engagements[3], -1), true) as is_top_kept
    from tag_sums
    inner join author_counts using (zone_id, hashtag)
    left join lateral (
        select
            present.ctid as place,
            present.tweet_count_24h,
            present.unique_authors_24h,
            present.total_engagement_24h,
            present.engagement_known_count_24h,
            present.last_used_at,
            present.spellings,
            present.spelling_counts,
            present.sample_tweets,
            present.sample_engagements
        from marts.twitter_trending_hashtags as present
        where present.zone_id = tag_sums.zone_id and present.hashtag = tag_sums.hashtag
        offset 0
    ) as stored on true
),

new_tags as materialized (
    select
        tags.*,
        case
            when tags.is_simply_spelled then array[tags.spelling]
            else voted.spellings
        end as new_spellings,
        case
            when tags.is_simply_spelled then array[tags.new_tweet_count]
            else voted.spelling_counts
        end as new_spelling_counts,
        case when tags.is_top_kept then tags.sample_tweets else best.ids::text[] end as new_sample_tweets,
        case when tags.is_top_kept then tags.sample_engagements else best.engagements end as new_sample_engagements,
        -- One of the three best fell or went, and not all tweets are at hand.
        tags.is_last_lost
        or (
            coalesce(samples.ids && tags.lost_ids, false)
            and tags.new_tweet_count > coalesce(best.candidate_count, 0)
            and exists (
                select 1
                from unnest(samples.ids, tags.sample_engagements) as shown (tweet_id, engagement)
                where
                    shown.tweet_id = any(tags.lost_ids)
                    and not exists (
                        select 1
                        from generate_subscripts(tags.gained, 1) as place
                        where
                            tags.gained[place][2] = shown.tweet_id
                            and tags.gained[place][1] >= coalesce(shown.engagement, -1)
                    )
            )
        ) as is_outdated
    from tags
    -- Where a condition on the tag is false, nothing below it is executed. "offset 0" keeps it there: it would become a
    -- condition of the join, and everything be counted in vain.
    left join lateral (
        select counted_votes.spellings, counted_votes.spelling_counts
        from (
            select
                array_agg(votes.spelling order by votes.vote_count desc, votes.spelling collate "C") as spellings,
                array_agg(votes.vote_count order by votes.vote_count desc, votes.spelling collate "C")
                    as spelling_counts
            from (
                select vote.spelling, sum(vote.vote_count)::bigint as vote_count
                from (
                    select stored.spelling, stored.vote_count
                    from unnest(tags.spellings, tags.spelling_counts) as stored (spelling, vote_count)
                    union all
                    select moved.spelling, moved.vote_count
                    from unnest(tags.moved_spellings, tags.moved_signs) as moved (spelling, vote_count)
                ) as vote
                group by vote.spelling
                having sum(vote.vote_count) <> 0
            ) as votes
        ) as counted_votes
        where not tags.is_simply_spelled
        offset 0
    ) as voted on true
    left join lateral (
        select
            -- What a hand has left there must not stop the counting.
            case
                when tags.sample_tweets::text ~ '^[{](([0-8][0-9]{18}|[0-9]{1,18})[,}])+$'
                    then tags.sample_tweets::bigint[]
            end as ids
        where not tags.is_top_kept
        offset 0
    ) as samples on true
    left join lateral (
        select entries.ids, entries.engagements, entries.candidate_count
        from (
            select
                (array_agg(entry.tweet_id order by entry.engagement desc nulls last, entry.tweet_id desc))[1:3] as ids,
                (array_agg(entry.engagement order by entry.engagement desc nulls last, entry.tweet_id desc))[1:3]
                    as engagements,
                count(*) as candidate_count
            from (
                select shown.tweet_id, shown.engagement
                from unnest(samples.ids, tags.sample_engagements) as shown (tweet_id, engagement)
                where coalesce(shown.tweet_id <> all(tags.lost_ids), true)
                union all
                select tags.gained[place][2], nullif(tags.gained[place][1], -1)
                from generate_subscripts(tags.gained, 1) as place
            ) as entry
        ) as entries
        where not tags.is_top_kept
        offset 0
    ) as best on true
),

come_tags as (
    insert into marts.twitter_trending_hashtags (
        zone_id, hashtag, original_hashtag, tweet_count_24h, unique_authors_24h, total_engagement_24h,
        engagement_known_count_24h, last_used_at, spellings, spelling_counts, sample_tweets, sample_engagements, as_of
    )
    select
        zone_id, hashtag, new_spellings[1], new_tweet_count, new_author_count,
        case when new_engagement_known_count > 0 then new_known_engagement end,
        new_engagement_known_count, new_last, new_spellings, new_spelling_counts, new_sample_tweets,
        new_sample_engagements, $2
    from new_tags
    where place is null and new_tweet_count > 0 and new_spellings is not null and new_sample_tweets is not null
),

changed_tags as (
    update marts.twitter_trending_hashtags as present
    set
        original_hashtag = coalesce(new_tags.new_spellings[1], present.original_hashtag),
        tweet_count_24h = new_tags.new_tweet_count,
        unique_authors_24h = new_tags.new_author_count,
        total_engagement_24h = case
            when new_tags.new_engagement_known_count > 0 then new_tags.new_known_engagement
        end,
        engagement_known_count_24h = new_tags.new_engagement_known_count,
        last_used_at = new_tags.new_last,
        spellings = coalesce(new_tags.new_spellings, present.spellings),
        spelling_counts = coalesce(new_tags.new_spelling_counts, present.spelling_counts),
        sample_tweets = coalesce(new_tags.new_sample_tweets, present.sample_tweets),
        sample_engagements = coalesce(new_tags.new_sample_engagements, present.sample_engagements),
        as_of = $2
    from new_tags
    where present.ctid = new_tags.place and new_tags.new_tweet_count > 0
),

gone_tags as (
    delete from marts.twitter_trending_hashtags as present
    using new_tags
    where present.ctid = new_tags.place and new_tags.new_tweet_count <= 0
),

touched as (
    insert into ops.twitter_trending_hashtags__touched (zone_id, hashtag)
    select zone_id, hashtag
    from new_tags
)

select array_agg(zone_id), array_agg(hashtag)
from new_tags
where is_outdated and new_tweet_count > 0
$sql$, differences)
$_$;

CREATE FUNCTION ops.tweets_of_author_hour(of_hour timestamp with time zone, of_author_profile_id bigint) RETURNS SETOF bigint
    LANGUAGE plpgsql STABLE
    AS $$
declare
    first_tweet_id constant bigint := core.first_tweet_id_of(of_hour);
    end_tweet_id constant bigint := core.end_tweet_id_of(of_hour + interval '1 hour');
begin
    return query
    select tweets.tweet_id
    from core.twitter_tweets as tweets
    where
        tweets.author_profile_id = of_author_profile_id
        and tweets.tweet_id >= first_tweet_id
        and tweets.tweet_id < end_tweet_id
    union
    select counted.tweet_id
    from intermediate.int_zone_counted_tweets as counted
    where
        counted.author_profile_id = of_author_profile_id
        and counted.tweet_id >= first_tweet_id
        and counted.tweet_id < end_tweet_id;
end
$$;

COMMENT ON FUNCTION ops.tweets_of_author_hour(of_hour timestamp with time zone, of_author_profile_id bigint) IS 'Ids of the tweets that an author posted in an hour, or that were counted there';

CREATE FUNCTION ops.waiting_author_hours() RETURNS TABLE(zone_id uuid, hour timestamp with time zone, author_profile_id bigint)
    LANGUAGE plpgsql STABLE
    AS $$
#variable_conflict use_column
begin
    return query
    with waiting_tweets as materialized (
        select distinct marks.tweet_id
        from ops.int_zone_counted_tweets__marks as marks
    )

    select marks.zone_id, marks.hour, marks.author_profile_id
    from ops.int_zone_author_hourly__marks as marks
    union
    select counted.zone_id, counted.hour, counted.author_profile_id
    from waiting_tweets
    inner join intermediate.int_zone_counted_tweets as counted on waiting_tweets.tweet_id = counted.tweet_id
    union
    select links.zone_id, date_trunc('hour', links.twitter_created_at, 'UTC'), links.author_profile_id
    from waiting_tweets
    inner join core.twitter_tweet_zones as links on waiting_tweets.tweet_id = links.tweet_id;
end
$$;

COMMENT ON FUNCTION ops.waiting_author_hours() IS 'Zones, hours and authors that marks of tweets or of the authors'' hours wait for';

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
    suppressed_at timestamp with time zone,
    suppression_reason text,
    purged_at timestamp with time zone,
    CONSTRAINT twitter_profiles_id_is_positive CHECK ((twitter_user_id > 0)),
    CONSTRAINT twitter_profiles_suppression_has_a_reason CHECK (((suppressed_at IS NULL) = (suppression_reason IS NULL)))
)
WITH (fillfactor='80');

COMMENT ON TABLE core.twitter_profiles IS 'One row per account, as last observed; no username means that only the id is known';

COMMENT ON COLUMN core.twitter_profiles.suppressed_at IS 'Since when the account must not be shown; NULL: it may be';

COMMENT ON COLUMN core.twitter_profiles.suppression_reason IS 'The event that says so';

COMMENT ON COLUMN core.twitter_profiles.purged_at IS 'When what the account says of itself was removed';

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

CREATE TABLE core.twitter_tweet_raw (
    tweet_id bigint NOT NULL,
    raw_data jsonb NOT NULL
)
PARTITION BY RANGE (tweet_id);

COMMENT ON TABLE core.twitter_tweet_raw IS 'One row per tweet whose JSON is kept for SQL (optional)';

CREATE TABLE core.twitter_tweet_zones (
    tweet_id bigint NOT NULL,
    zone_id uuid NOT NULL,
    author_profile_id bigint NOT NULL,
    twitter_created_at timestamp with time zone NOT NULL,
    first_matched_at timestamp with time zone NOT NULL,
    rule_ids uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    suppressed_at timestamp with time zone
)
PARTITION BY RANGE (tweet_id);

COMMENT ON TABLE core.twitter_tweet_zones IS 'One row per tweet and zone that collected it';

COMMENT ON COLUMN core.twitter_tweet_zones.suppressed_at IS 'That of the tweet';

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
     LEFT JOIN core.twitter_tweet_metrics metrics ON ((tweets.tweet_id = metrics.tweet_id)))
  WHERE (tweets.suppressed_at IS NULL);

COMMENT ON VIEW core.twitter_tweets_with_metrics IS 'A tweet that may be shown, with its latest counters and its ids as text';

CREATE TABLE ops.as_of (
    is_only_row boolean DEFAULT true NOT NULL,
    as_of timestamp with time zone NOT NULL,
    written_at timestamp with time zone DEFAULT now() NOT NULL,
    held_until timestamp with time zone,
    CONSTRAINT as_of_has_one_row CHECK (is_only_row)
);

COMMENT ON TABLE ops.as_of IS 'The moment that windows such as 24 h end at (one row)';

COMMENT ON COLUMN ops.as_of.held_until IS 'Until when scheduled builds keep this moment instead of the present; NULL when nobody asked for one';

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

CREATE TABLE ops.covered_spans (
    span_id bigint NOT NULL,
    zone_id uuid NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    origin text NOT NULL,
    noted_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT covered_spans_end_after_begin CHECK ((ends_at > starts_at)),
    CONSTRAINT covered_spans_origin_is_known CHECK ((origin = ANY (ARRAY['replay'::text, 'backfill'::text])))
);

COMMENT ON TABLE ops.covered_spans IS 'One row per span that a replay or a backfill collected afterwards';

ALTER TABLE ops.covered_spans ALTER COLUMN span_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ops.covered_spans_span_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ops.delivery_rewrites (
    delivery_id bigint NOT NULL,
    rewritten_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    reason text NOT NULL,
    body_sha256 bytea NOT NULL
);

COMMENT ON TABLE ops.delivery_rewrites IS 'One row per time that a delivery was rewritten without what had to be erased';

COMMENT ON COLUMN ops.delivery_rewrites.body_sha256 IS 'Of the body as it is now, decompressed';

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

CREATE TABLE ops.erased_keys (
    kind text NOT NULL,
    key_hash bytea NOT NULL,
    erased_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT erased_keys_kind_is_known CHECK ((kind = ANY (ARRAY['user'::text, 'tweet'::text, 'handle'::text])))
);

COMMENT ON TABLE ops.erased_keys IS 'The block list: one row per account, tweet or handle that was erased, as a keyed hash';

CREATE TABLE ops.erasure_key (
    is_only_row boolean DEFAULT true NOT NULL,
    secret bytea NOT NULL,
    CONSTRAINT erasure_key_has_one_row CHECK (is_only_row)
);

COMMENT ON TABLE ops.erasure_key IS 'The secret that the block list is hashed with (one row)';

CREATE TABLE ops.erasures (
    erasure_id bigint NOT NULL,
    kind text NOT NULL,
    subject_hash bytea NOT NULL,
    reason text NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamp with time zone DEFAULT now() NOT NULL,
    erased_at timestamp with time zone,
    certified_at timestamp with time zone,
    removed jsonb DEFAULT '{}'::jsonb NOT NULL,
    searched jsonb DEFAULT '{}'::jsonb NOT NULL,
    findings jsonb DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT erasures_kind_is_known CHECK ((kind = ANY (ARRAY['author'::text, 'tweet'::text, 'zone'::text])))
);

COMMENT ON TABLE ops.erasures IS 'One row per erasure: what was removed, and the certificate that nothing was found afterwards';

COMMENT ON COLUMN ops.erasures.subject_hash IS 'Keyed hash of whom or what it was about';

COMMENT ON COLUMN ops.erasures.certified_at IS 'When a search of every place found nothing; NULL: not yet, see findings';

COMMENT ON COLUMN ops.erasures.searched IS 'Where the certificate looked, with the number of rows or files';

ALTER TABLE ops.erasures ALTER COLUMN erasure_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ops.erasures_erasure_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ops.gaps (
    gap_id bigint NOT NULL,
    kind text NOT NULL,
    source text,
    zone_id uuid,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone,
    stops_collection boolean NOT NULL,
    detail text NOT NULL,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT gaps_end_after_begin CHECK ((ends_at >= starts_at)),
    CONSTRAINT gaps_kind_is_known CHECK ((kind = ANY (ARRAY['service_down'::text, 'rule_inactive'::text, 'provider_down'::text, 'limit_reached'::text])))
);

COMMENT ON TABLE ops.gaps IS 'One row per span in which something that collecting needs was missing';

COMMENT ON COLUMN ops.gaps.zone_id IS 'NULL: every zone, or every zone with rules at the source';

COMMENT ON COLUMN ops.gaps.ends_at IS 'NULL while it lasts';

COMMENT ON COLUMN ops.gaps.stops_collection IS 'Whether tweets may be missing; false where only looks at known tweets were left out';

ALTER TABLE ops.gaps ALTER COLUMN gap_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ops.gaps_gap_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ops.incidents (
    incident_id bigint NOT NULL,
    subject text NOT NULL,
    title text NOT NULL,
    detail text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    told_at timestamp with time zone,
    recovered_at timestamp with time zone,
    recovery_told_at timestamp with time zone
);

COMMENT ON TABLE ops.incidents IS 'One row per incident: what went wrong, since when, and when people were told';

COMMENT ON COLUMN ops.incidents.subject IS 'What is affected, by kind: run:…, check:…, stale:…, budget:…';

ALTER TABLE ops.incidents ALTER COLUMN incident_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ops.incidents_incident_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ops.int_zone_author_hourly__claims (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    author_profile_id bigint NOT NULL
);

COMMENT ON TABLE ops.int_zone_author_hourly__claims IS 'Buckets that the latest build of int_zone_author_hourly rebuilt';

CREATE TABLE ops.int_zone_author_hourly__marks (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    author_profile_id bigint NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.int_zone_author_hourly__marks IS 'Buckets of int_zone_author_hourly to be summed anew; ordinary changes arrive as differences';

CREATE TABLE ops.int_zone_counted_tweets__claims (
    tweet_id bigint NOT NULL
);

COMMENT ON TABLE ops.int_zone_counted_tweets__claims IS 'Tweets that the latest build of int_zone_counted_tweets counted anew';

CREATE TABLE ops.int_zone_entity_author_hourly__claims (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    author_profile_id bigint CONSTRAINT int_zone_entity_author_hourly__claim_author_profile_id_not_null NOT NULL
);

COMMENT ON TABLE ops.int_zone_entity_author_hourly__claims IS 'Buckets that the latest build of int_zone_entity_author_hourly rebuilt';

CREATE TABLE ops.int_zone_entity_author_hourly__marks (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    author_profile_id bigint NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.int_zone_entity_author_hourly__marks IS 'Buckets of int_zone_entity_author_hourly whose facts changed';

CREATE TABLE ops.int_zone_hourly__claims (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL
);

COMMENT ON TABLE ops.int_zone_hourly__claims IS 'Buckets that the latest build of int_zone_hourly rebuilt';

CREATE TABLE ops.int_zone_hourly__marks (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.int_zone_hourly__marks IS 'Buckets of int_zone_hourly to be summed anew; ordinary changes arrive as differences';

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

CREATE TABLE ops.int_zone_tag_author_window__claims (
    zone_id uuid NOT NULL,
    hashtag text NOT NULL,
    author_profile_id bigint NOT NULL
);

COMMENT ON TABLE ops.int_zone_tag_author_window__claims IS 'Buckets that the latest build of int_zone_tag_author_window rebuilt';

CREATE TABLE ops.int_zone_tag_author_window__marks (
    zone_id uuid NOT NULL,
    hashtag text NOT NULL,
    author_profile_id bigint NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.int_zone_tag_author_window__marks IS 'Buckets of int_zone_tag_author_window to be summed anew; ordinary changes arrive as differences';

CREATE TABLE ops.int_zone_top_tweets_hourly__claims (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL
);

COMMENT ON TABLE ops.int_zone_top_tweets_hourly__claims IS 'Buckets that the latest build of int_zone_top_tweets_hourly rebuilt';

CREATE TABLE ops.int_zone_top_tweets_hourly__marks (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.int_zone_top_tweets_hourly__marks IS 'Buckets of int_zone_top_tweets_hourly whose facts changed';

CREATE TABLE ops.mart_state (
    model text NOT NULL,
    as_of timestamp with time zone NOT NULL,
    built_at timestamp with time zone NOT NULL,
    claimed_bucket_count bigint NOT NULL,
    previous_as_of timestamp with time zone
);

COMMENT ON TABLE ops.mart_state IS 'One row per model that the ledger drives: when it was last built, and for which moment';

COMMENT ON COLUMN ops.mart_state.as_of IS 'The moment that the rows are for; fixed when a build claims, or when another moves the window that the rows share';

COMMENT ON COLUMN ops.mart_state.built_at IS 'When the rows were last built or changed by a trigger: the version of what was read from them';

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

CREATE TABLE ops.partition_archives (
    table_name text NOT NULL,
    suffix text NOT NULL,
    lower_id bigint NOT NULL,
    upper_id bigint NOT NULL,
    step text NOT NULL,
    path text,
    row_count bigint,
    content_checksum text,
    file_sha256 text,
    file_bytes bigint,
    begun_at timestamp with time zone DEFAULT now() NOT NULL,
    detached_at timestamp with time zone,
    archived_at timestamp with time zone,
    verified_at timestamp with time zone,
    dropped_at timestamp with time zone,
    restored_at timestamp with time zone,
    keep_until timestamp with time zone,
    CONSTRAINT partition_archives_step_is_known CHECK ((step = ANY (ARRAY['detaching'::text, 'detached'::text, 'archived'::text, 'verified'::text, 'dropped'::text, 'restoring'::text, 'restored'::text])))
);

COMMENT ON TABLE ops.partition_archives IS 'One row per partition that retention has taken up, and how far it has come';

COMMENT ON COLUMN ops.partition_archives.path IS 'The Parquet file, relative to the archive''s directory';

COMMENT ON COLUMN ops.partition_archives.content_checksum IS 'Sum over all rows of the first 60 bits of the MD5 of their text: the same rows in any order have the same sum';

COMMENT ON COLUMN ops.partition_archives.keep_until IS 'A restored partition is not taken up again before';

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
    last_failure text,
    stops_collection boolean DEFAULT true NOT NULL
);

COMMENT ON TABLE ops.provider_health IS 'One row per source: since when it has been failing, if it is';

COMMENT ON COLUMN ops.provider_health.failing_since IS 'First failure since the latest answer; NULL while it answers';

COMMENT ON COLUMN ops.provider_health.stops_collection IS 'Whether the latest failure may concern deliveries too; a refused key concerns our own questions alone';

CREATE TABLE ops.suppression_queue (
    mark_id bigint NOT NULL,
    tweet_id bigint,
    user_id bigint,
    settles_after xid8,
    CONSTRAINT suppression_queue_names_one CHECK ((num_nonnulls(tweet_id, user_id) = 1))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000');

COMMENT ON TABLE ops.suppression_queue IS 'One row per tweet or account whose suppression is to be decided again';

COMMENT ON COLUMN ops.suppression_queue.settles_after IS 'NULL: not looked at yet. Else: looked at while these transactions ran, to be looked at again once they ended';

ALTER TABLE ops.suppression_queue ALTER COLUMN mark_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ops.suppression_queue_mark_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ops.suppression_state (
    is_only_row boolean DEFAULT true NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT suppression_state_has_one_row CHECK (is_only_row)
);

COMMENT ON TABLE ops.suppression_state IS 'When anything was last suppressed, shown again or erased (one row)';

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

CREATE TABLE ops.twitter_top_engaged_tweets__claims (
    zone_id uuid NOT NULL,
    day date NOT NULL
);

COMMENT ON TABLE ops.twitter_top_engaged_tweets__claims IS 'Buckets that the latest build of twitter_top_engaged_tweets rebuilt';

CREATE TABLE ops.twitter_top_engaged_tweets__marks (
    zone_id uuid NOT NULL,
    day date NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.twitter_top_engaged_tweets__marks IS 'Buckets of twitter_top_engaged_tweets whose facts changed';

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

COMMENT ON TABLE ops.twitter_top_profiles_by_zone__marks IS 'Buckets of twitter_top_profiles_by_zone to be summed anew; ordinary changes arrive as differences';

CREATE TABLE ops.twitter_top_profiles_by_zone__profile_marks (
    profile_id bigint NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.twitter_top_profiles_by_zone__profile_marks IS 'Profiles whose shown columns changed';

CREATE TABLE ops.twitter_top_profiles_by_zone__touched (
    zone_id uuid NOT NULL,
    profile_id bigint NOT NULL
);

COMMENT ON TABLE ops.twitter_top_profiles_by_zone__touched IS 'Buckets of twitter_top_profiles_by_zone that triggers changed since it was last verified';

CREATE TABLE ops.twitter_top_profiles_by_zone_window__claims (
    zone_id uuid NOT NULL,
    profile_id bigint NOT NULL
);

COMMENT ON TABLE ops.twitter_top_profiles_by_zone_window__claims IS 'Buckets that the latest build of twitter_top_profiles_by_zone_window rebuilt';

CREATE TABLE ops.twitter_top_profiles_by_zone_window__marks (
    zone_id uuid NOT NULL,
    profile_id bigint NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.twitter_top_profiles_by_zone_window__marks IS 'Buckets of twitter_top_profiles_by_zone_window whose facts changed';

CREATE TABLE ops.twitter_trending_entities__claims (
    zone_id uuid NOT NULL,
    entity_type text NOT NULL,
    entity_value text NOT NULL
);

COMMENT ON TABLE ops.twitter_trending_entities__claims IS 'Buckets that the latest build of twitter_trending_entities rebuilt';

CREATE TABLE ops.twitter_trending_entities__marks (
    zone_id uuid NOT NULL,
    entity_type text NOT NULL,
    entity_value text NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.twitter_trending_entities__marks IS 'Buckets of twitter_trending_entities whose facts changed';

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

COMMENT ON TABLE ops.twitter_trending_hashtags__marks IS 'Buckets of twitter_trending_hashtags to be summed anew; ordinary changes arrive as differences';

CREATE TABLE ops.twitter_trending_hashtags__touched (
    zone_id uuid NOT NULL,
    hashtag text NOT NULL
);

COMMENT ON TABLE ops.twitter_trending_hashtags__touched IS 'Buckets of twitter_trending_hashtags that triggers changed since it was last verified';

CREATE TABLE ops.twitter_zone_stats_daily__claims (
    zone_id uuid NOT NULL,
    day date NOT NULL
);

COMMENT ON TABLE ops.twitter_zone_stats_daily__claims IS 'Buckets that the latest build of twitter_zone_stats_daily rebuilt';

CREATE TABLE ops.twitter_zone_stats_daily__marks (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.twitter_zone_stats_daily__marks IS 'Hours of twitter_zone_stats_hourly that changed: the local days they lie in are to be rebuilt';

CREATE TABLE ops.twitter_zone_stats_daily__zone_marks (
    zone_id uuid NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE ops.twitter_zone_stats_daily__zone_marks IS 'Zones whose time zone changed';

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

CREATE TABLE ops.zone_hour_coverage (
    zone_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    is_covered boolean NOT NULL,
    covered_seconds integer NOT NULL,
    CONSTRAINT zone_hour_coverage_is_part_of_an_hour CHECK (((covered_seconds >= 0) AND (covered_seconds <= 3600)))
);

COMMENT ON TABLE ops.zone_hour_coverage IS 'One row per zone and UTC hour: whether, and for how long, somebody listened; no row means that nobody did';

COMMENT ON COLUMN ops.zone_hour_coverage.covered_seconds IS 'Seconds of the hour in which a rule of the zone was active, its provider answered and the pipe''s heart beat, or which a replay or a backfill collected afterwards';

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

CREATE TABLE raw.delivery_queue (
    delivery_id bigint NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000');

COMMENT ON TABLE raw.delivery_queue IS 'One row per delivery that waits to be normalised';

CREATE VIEW raw.delivery_log AS
 SELECT deliveries.delivery_id,
    deliveries.received_at,
    deliveries.source,
    deliveries.zone,
    deliveries.item_count,
    deliveries.body_bytes,
    accounting.normalised_at,
    accounting.normalised_count,
    accounting.duplicate_count,
    accounting.control_count,
    accounting.dead_count,
    letters.reasons AS open_letters,
        CASE
            WHEN (queue.delivery_id IS NOT NULL) THEN 'waiting'::text
            WHEN (accounting.delivery_id IS NULL) THEN 'unaccounted'::text
            WHEN (accounting.dead_count > 0) THEN 'dead'::text
            WHEN (accounting.normalised_count > 0) THEN 'normalised'::text
            WHEN (accounting.duplicate_count > 0) THEN 'duplicate'::text
            ELSE 'control'::text
        END AS outcome
   FROM (((raw.deliveries
     LEFT JOIN raw.delivery_queue queue ON ((deliveries.delivery_id = queue.delivery_id)))
     LEFT JOIN ops.delivery_accounting accounting ON ((deliveries.delivery_id = accounting.delivery_id)))
     LEFT JOIN LATERAL ( SELECT string_agg(DISTINCT dead_letters.reason, ', '::text ORDER BY dead_letters.reason) AS reasons
           FROM raw.dead_letters
          WHERE ((dead_letters.delivery_id = deliveries.delivery_id) AND (dead_letters.resolved_at IS NULL))) letters ON (true));

COMMENT ON VIEW raw.delivery_log IS 'One row per delivery: when it came, from whom, what became of it';

COMMENT ON COLUMN raw.delivery_log.outcome IS 'waiting, normalised, duplicate, control; dead if any item is; unaccounted if nobody can say';

CREATE VIEW raw.queue_figures AS
 WITH latest AS (
         SELECT accounting.normalised_count,
            accounting.duplicate_count,
            accounting.control_count,
            accounting.dead_count
           FROM ops.delivery_accounting accounting
          WHERE (accounting.delivery_id >= core.snowflake_floor((clock_timestamp() - '00:05:00'::interval)))
          ORDER BY accounting.delivery_id DESC
         LIMIT 20000
        ), waiting AS (
         SELECT count(*) AS waiting_deliveries,
            min(queue.delivery_id) AS oldest_delivery_id
           FROM raw.delivery_queue queue
        )
 SELECT waiting_deliveries,
    COALESCE((EXTRACT(epoch FROM (clock_timestamp() - core.snowflake_time(oldest_delivery_id))))::double precision, (0)::double precision) AS oldest_waiting_seconds,
    ( SELECT COALESCE(sum(latest.normalised_count), (0)::bigint) AS "coalesce"
           FROM latest) AS normalised_items,
    ( SELECT COALESCE(sum(latest.duplicate_count), (0)::bigint) AS "coalesce"
           FROM latest) AS duplicate_items,
    ( SELECT COALESCE(sum(latest.control_count), (0)::bigint) AS "coalesce"
           FROM latest) AS control_items,
    ( SELECT COALESCE(sum(latest.dead_count), (0)::bigint) AS "coalesce"
           FROM latest) AS dead_items
   FROM waiting;

COMMENT ON VIEW raw.queue_figures IS 'One row: deliveries that wait, and what became of the items received in the last five minutes';

CREATE VIEW raw.zone_figures AS
 SELECT zones.name AS zone,
    latest.lag_seconds,
    latest.newest_tweet_age_seconds
   FROM (core.zones zones
     CROSS JOIN LATERAL ( SELECT percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY ((EXTRACT(epoch FROM (newest.first_matched_at - newest.twitter_created_at)))::double precision)) AS lag_seconds,
            (EXTRACT(epoch FROM (clock_timestamp() - max(newest.twitter_created_at))))::double precision AS newest_tweet_age_seconds
           FROM ( SELECT links.first_matched_at,
                    links.twitter_created_at
                   FROM core.twitter_tweet_zones links
                  WHERE ((links.zone_id = zones.id) AND (links.suppressed_at IS NULL))
                  ORDER BY links.tweet_id DESC
                 LIMIT 20) newest
         HAVING (count(*) > 0)) latest)
  WHERE zones.is_active;

COMMENT ON VIEW raw.zone_figures IS 'One row per active zone: how late its latest tweets came, how old the newest is';

ALTER TABLE ONLY core.twitter_compliance_events
    ADD CONSTRAINT twitter_compliance_events_pkey PRIMARY KEY (tweet_id, event_type, event_at);

ALTER TABLE ONLY core.twitter_engagement_history
    ADD CONSTRAINT twitter_engagement_history_pkey PRIMARY KEY (tweet_id, snapshot_at);

ALTER TABLE ONLY core.twitter_entities
    ADD CONSTRAINT twitter_entities_pkey PRIMARY KEY (tweet_id, ordinal);

ALTER TABLE ONLY core.twitter_profile_compliance_events
    ADD CONSTRAINT twitter_profile_compliance_events_pkey PRIMARY KEY (user_id, event_type, event_at);

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

ALTER TABLE ONLY core.twitter_tweet_edits
    ADD CONSTRAINT twitter_tweet_edits_pkey PRIMARY KEY (tweet_id);

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

ALTER TABLE ONLY ops.covered_spans
    ADD CONSTRAINT covered_spans_pkey PRIMARY KEY (span_id);

ALTER TABLE ONLY ops.delivery_accounting
    ADD CONSTRAINT delivery_accounting_pkey PRIMARY KEY (delivery_id);

ALTER TABLE ONLY ops.delivery_rewrites
    ADD CONSTRAINT delivery_rewrites_pkey PRIMARY KEY (delivery_id, rewritten_at);

ALTER TABLE ONLY ops.engagement_coverage
    ADD CONSTRAINT engagement_coverage_pkey PRIMARY KEY (due_on, tier);

ALTER TABLE ONLY ops.engagement_progress
    ADD CONSTRAINT engagement_progress_pkey PRIMARY KEY (is_only_row);

ALTER TABLE ONLY ops.erased_keys
    ADD CONSTRAINT erased_keys_pkey PRIMARY KEY (kind, key_hash);

ALTER TABLE ONLY ops.erasure_key
    ADD CONSTRAINT erasure_key_pkey PRIMARY KEY (is_only_row);

ALTER TABLE ONLY ops.erasures
    ADD CONSTRAINT erasures_pkey PRIMARY KEY (erasure_id);

ALTER TABLE ONLY ops.gaps
    ADD CONSTRAINT gaps_are_told_once UNIQUE NULLS NOT DISTINCT (kind, source, zone_id, starts_at);

ALTER TABLE ONLY ops.gaps
    ADD CONSTRAINT gaps_pkey PRIMARY KEY (gap_id);

ALTER TABLE ONLY ops.incidents
    ADD CONSTRAINT incidents_pkey PRIMARY KEY (incident_id);

ALTER TABLE ONLY ops.int_zone_author_hourly__claims
    ADD CONSTRAINT int_zone_author_hourly__claims_pkey PRIMARY KEY (zone_id, hour, author_profile_id);

ALTER TABLE ONLY ops.int_zone_counted_tweets__claims
    ADD CONSTRAINT int_zone_counted_tweets__claims_pkey PRIMARY KEY (tweet_id);

ALTER TABLE ONLY ops.int_zone_entity_author_hourly__claims
    ADD CONSTRAINT int_zone_entity_author_hourly__claims_pkey PRIMARY KEY (zone_id, hour, author_profile_id);

ALTER TABLE ONLY ops.int_zone_hourly__claims
    ADD CONSTRAINT int_zone_hourly__claims_pkey PRIMARY KEY (zone_id, hour);

ALTER TABLE ONLY ops.int_zone_tag_author_hourly__claims
    ADD CONSTRAINT int_zone_tag_author_hourly__claims_pkey PRIMARY KEY (zone_id, hour, author_profile_id);

ALTER TABLE ONLY ops.int_zone_tag_author_window__claims
    ADD CONSTRAINT int_zone_tag_author_window__claims_pkey PRIMARY KEY (zone_id, hashtag, author_profile_id);

ALTER TABLE ONLY ops.int_zone_top_tweets_hourly__claims
    ADD CONSTRAINT int_zone_top_tweets_hourly__claims_pkey PRIMARY KEY (zone_id, hour);

ALTER TABLE ONLY ops.mart_state
    ADD CONSTRAINT mart_state_pkey PRIMARY KEY (model);

ALTER TABLE ONLY ops.mart_verification
    ADD CONSTRAINT mart_verification_pkey PRIMARY KEY (model);

ALTER TABLE ONLY ops.model_definitions
    ADD CONSTRAINT model_definitions_pkey PRIMARY KEY (model);

ALTER TABLE ONLY ops.partition_archives
    ADD CONSTRAINT partition_archives_pkey PRIMARY KEY (table_name, suffix);

ALTER TABLE ONLY ops.profile_absences
    ADD CONSTRAINT profile_absences_pkey PRIMARY KEY (profile_id);

ALTER TABLE ONLY ops.provider_budget
    ADD CONSTRAINT provider_budget_pkey PRIMARY KEY (source, period, starts_on);

ALTER TABLE ONLY ops.provider_health
    ADD CONSTRAINT provider_health_pkey PRIMARY KEY (source);

ALTER TABLE ONLY ops.sealed_ranges
    ADD CONSTRAINT sealed_ranges_pkey PRIMARY KEY (lower_id);

ALTER TABLE ONLY ops.suppression_queue
    ADD CONSTRAINT suppression_queue_pkey PRIMARY KEY (mark_id);

ALTER TABLE ONLY ops.suppression_state
    ADD CONSTRAINT suppression_state_pkey PRIMARY KEY (is_only_row);

ALTER TABLE ONLY ops.tweet_absences
    ADD CONSTRAINT tweet_absences_pkey PRIMARY KEY (tweet_id);

ALTER TABLE ONLY ops.twitter_top_engaged_tweets__claims
    ADD CONSTRAINT twitter_top_engaged_tweets__claims_pkey PRIMARY KEY (zone_id, day);

ALTER TABLE ONLY ops.twitter_top_profiles_by_zone__claims
    ADD CONSTRAINT twitter_top_profiles_by_zone__claims_pkey PRIMARY KEY (zone_id, profile_id);

ALTER TABLE ONLY ops.twitter_top_profiles_by_zone_window__claims
    ADD CONSTRAINT twitter_top_profiles_by_zone_window__claims_pkey PRIMARY KEY (zone_id, profile_id);

ALTER TABLE ONLY ops.twitter_trending_entities__claims
    ADD CONSTRAINT twitter_trending_entities__claims_pkey PRIMARY KEY (zone_id, entity_type, entity_value);

ALTER TABLE ONLY ops.twitter_trending_hashtags__claims
    ADD CONSTRAINT twitter_trending_hashtags__claims_pkey PRIMARY KEY (zone_id, hashtag);

ALTER TABLE ONLY ops.twitter_zone_stats_daily__claims
    ADD CONSTRAINT twitter_zone_stats_daily__claims_pkey PRIMARY KEY (zone_id, day);

ALTER TABLE ONLY ops.twitter_zone_stats_hourly__claims
    ADD CONSTRAINT twitter_zone_stats_hourly__claims_pkey PRIMARY KEY (zone_id, hour);

ALTER TABLE ONLY ops.zone_hour_coverage
    ADD CONSTRAINT zone_hour_coverage_pkey PRIMARY KEY (zone_id, hour);

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

CREATE INDEX idx_twitter_profiles_suppressed ON core.twitter_profiles USING btree (suppressed_at) WHERE (suppressed_at IS NOT NULL);

COMMENT ON INDEX core.idx_twitter_profiles_suppressed IS 'The same of accounts';

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

CREATE INDEX idx_twitter_tweet_edits_first ON core.twitter_tweet_edits USING btree (first_tweet_id);

COMMENT ON INDEX core.idx_twitter_tweet_edits_first IS 'All versions of a tweet';

CREATE INDEX idx_twitter_tweet_zones_zone_created ON ONLY core.twitter_tweet_zones USING btree (zone_id, tweet_id) WHERE (suppressed_at IS NULL);

COMMENT ON INDEX core.idx_twitter_tweet_zones_zone_created IS 'A zone''s feed, newest first, at any depth, without what is suppressed';

CREATE INDEX idx_twitter_tweets_author ON ONLY core.twitter_tweets USING btree (author_profile_id, tweet_id);

COMMENT ON INDEX core.idx_twitter_tweets_author IS 'A profile''s tweets, newest first; an author''s tweets of one hour';

CREATE INDEX idx_twitter_tweets_conversation ON ONLY core.twitter_tweets USING btree (conversation_id, tweet_id) WHERE (conversation_id <> tweet_id);

COMMENT ON INDEX core.idx_twitter_tweets_conversation IS 'The replies of a conversation, as a thread';

CREATE INDEX idx_twitter_tweets_retweeted ON ONLY core.twitter_tweets USING btree (retweeted_tweet_id) WHERE (retweeted_tweet_id IS NOT NULL);

COMMENT ON INDEX core.idx_twitter_tweets_retweeted IS 'The retweets of a tweet, which go when it is deleted';

CREATE INDEX idx_twitter_tweets_suppressed ON ONLY core.twitter_tweets USING btree (suppressed_at) WHERE (suppressed_at IS NOT NULL);

COMMENT ON INDEX core.idx_twitter_tweets_suppressed IS 'What is suppressed, by reason, and what is to be purged';

CREATE INDEX idx_twitter_tweets_text_search ON ONLY core.twitter_tweets USING gin (core.search_entry(text, tweet_id));

COMMENT ON INDEX core.idx_twitter_tweets_text_search IS 'Full-text search in every language, newest span of time first';

CREATE INDEX idx_covered_spans_zone ON ops.covered_spans USING btree (zone_id, starts_at);

COMMENT ON INDEX ops.idx_covered_spans_zone IS 'What was collected afterwards for a zone';

CREATE INDEX idx_gaps_recent ON ops.gaps USING btree (kind, starts_at);

COMMENT ON INDEX ops.idx_gaps_recent IS 'The gaps of the latest days, by kind';

CREATE UNIQUE INDEX idx_incidents_open ON ops.incidents USING btree (subject) WHERE (recovered_at IS NULL);

COMMENT ON INDEX ops.idx_incidents_open IS 'A subject has at most one open incident';

CREATE INDEX idx_dead_letters_open ON raw.dead_letters USING btree (source, reason, delivery_id) WHERE (resolved_at IS NULL);

COMMENT ON INDEX raw.idx_dead_letters_open IS 'What waits to be looked at or replayed, by reason';

CREATE INDEX idx_deliveries_heartbeats ON ONLY raw.deliveries USING btree (delivery_id) WHERE (source = 'heartbeat'::text);

COMMENT ON INDEX raw.idx_deliveries_heartbeats IS 'When the pipe was proved to be open';

CREATE TRIGGER twitter_compliance_events_queue_delete AFTER DELETE ON core.twitter_compliance_events REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_tweet_notices();

CREATE TRIGGER twitter_compliance_events_queue_insert AFTER INSERT ON core.twitter_compliance_events REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_tweet_notices();

CREATE TRIGGER twitter_entities_mark_delete AFTER DELETE ON core.twitter_entities REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_tweet_rows();

CREATE TRIGGER twitter_entities_mark_insert AFTER INSERT ON core.twitter_entities REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_tweet_rows();

CREATE TRIGGER twitter_entities_mark_update AFTER UPDATE ON core.twitter_entities REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_tweet_rows();

CREATE TRIGGER twitter_entities_refuse_truncate BEFORE TRUNCATE ON core.twitter_entities FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_truncate();

CREATE TRIGGER twitter_profile_compliance_events_queue_delete AFTER DELETE ON core.twitter_profile_compliance_events REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_profile_notices();

CREATE TRIGGER twitter_profile_compliance_events_queue_insert AFTER INSERT ON core.twitter_profile_compliance_events REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_profile_notices();

CREATE TRIGGER twitter_profiles_audit_monitoring AFTER UPDATE OF is_monitored ON core.twitter_profiles FOR EACH ROW WHEN ((old.is_monitored IS DISTINCT FROM new.is_monitored)) EXECUTE FUNCTION ops.on_change_of_monitoring();

CREATE TRIGGER twitter_profiles_keep_former_name AFTER UPDATE ON core.twitter_profiles FOR EACH ROW WHEN (((new.last_updated_at > old.last_updated_at) AND (((old.username IS NOT NULL) AND (new.username IS NOT NULL) AND (old.username <> new.username)) OR ((old.name IS NOT NULL) AND (new.name IS NOT NULL) AND (old.name <> new.name))))) EXECUTE FUNCTION core.keep_former_name();

CREATE TRIGGER twitter_profiles_mark_delete AFTER DELETE ON core.twitter_profiles REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_delete_of_profiles();

CREATE TRIGGER twitter_profiles_mark_insert AFTER INSERT ON core.twitter_profiles REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_insert_of_profiles();

CREATE TRIGGER twitter_profiles_mark_update AFTER UPDATE ON core.twitter_profiles REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_update_of_profiles();

CREATE TRIGGER twitter_rules_audit_insert_delete AFTER INSERT OR DELETE ON core.twitter_rules FOR EACH ROW EXECUTE FUNCTION ops.on_change_by_people('id');

CREATE TRIGGER twitter_rules_audit_update AFTER UPDATE ON core.twitter_rules FOR EACH ROW WHEN (((((((((old.zone_id IS DISTINCT FROM new.zone_id) OR (old.source IS DISTINCT FROM new.source)) OR (old.tag IS DISTINCT FROM new.tag)) OR (old.query IS DISTINCT FROM new.query)) OR (old.query_type IS DISTINCT FROM new.query_type)) OR (old.query_builder_config IS DISTINCT FROM new.query_builder_config)) OR (old.interval_seconds IS DISTINCT FROM new.interval_seconds)) OR (old.is_active IS DISTINCT FROM new.is_active))) EXECUTE FUNCTION ops.on_change_by_people('id');

CREATE TRIGGER twitter_rules_touch BEFORE UPDATE ON core.twitter_rules FOR EACH ROW EXECUTE FUNCTION core.touch_updated_at();

CREATE TRIGGER twitter_tweet_edits_queue_delete AFTER DELETE ON core.twitter_tweet_edits REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_tweet_notices();

CREATE TRIGGER twitter_tweet_edits_queue_insert AFTER INSERT ON core.twitter_tweet_edits REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_tweet_notices();

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

CREATE TRIGGER zones_mark_timezone AFTER UPDATE ON core.zones FOR EACH ROW WHEN ((old.timezone IS DISTINCT FROM new.timezone)) EXECUTE FUNCTION ops.on_change_of_timezone();

CREATE TRIGGER zones_touch BEFORE UPDATE ON core.zones FOR EACH ROW EXECUTE FUNCTION core.touch_updated_at();

CREATE TRIGGER provider_health_keep_outages AFTER UPDATE ON ops.provider_health FOR EACH ROW WHEN (((old.failing_since IS DISTINCT FROM new.failing_since) OR (old.failure_count IS DISTINCT FROM new.failure_count))) EXECUTE FUNCTION ops.keep_outages();

CREATE TRIGGER zone_hour_coverage_mark_delete AFTER DELETE ON ops.zone_hour_coverage REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_coverage();

CREATE TRIGGER zone_hour_coverage_mark_insert AFTER INSERT ON ops.zone_hour_coverage REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_coverage();

CREATE TRIGGER zone_hour_coverage_mark_update AFTER UPDATE ON ops.zone_hour_coverage REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ops.on_change_of_coverage();

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

ALTER TABLE ONLY ops.covered_spans
    ADD CONSTRAINT covered_spans_zone_id_fkey FOREIGN KEY (zone_id) REFERENCES core.zones(id) ON DELETE CASCADE;

ALTER TABLE ONLY ops.gaps
    ADD CONSTRAINT gaps_zone_id_fkey FOREIGN KEY (zone_id) REFERENCES core.zones(id) ON DELETE CASCADE;

ALTER TABLE ONLY ops.zone_hour_coverage
    ADD CONSTRAINT zone_hour_coverage_zone_id_fkey FOREIGN KEY (zone_id) REFERENCES core.zones(id) ON DELETE CASCADE;

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

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_profile_compliance_events TO pipeline;
GRANT SELECT ON TABLE core.twitter_profile_compliance_events TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_compliance_events TO pipeline;
GRANT SELECT ON TABLE core.twitter_compliance_events TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_tweet_edits TO pipeline;
GRANT SELECT ON TABLE core.twitter_tweet_edits TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_tweet_metrics TO pipeline;
GRANT SELECT ON TABLE core.twitter_tweet_metrics TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_tweets TO pipeline;
GRANT SELECT ON TABLE core.twitter_tweets TO api_reader;

REVOKE ALL ON FUNCTION ops.analyze_claims(of_model text) FROM PUBLIC;
GRANT ALL ON FUNCTION ops.analyze_claims(of_model text) TO pipeline;

REVOKE ALL ON FUNCTION ops.analyze_grown_tables() FROM PUBLIC;
GRANT ALL ON FUNCTION ops.analyze_grown_tables() TO pipeline;

GRANT SELECT ON TABLE ops.sealed_ranges TO pipeline;
GRANT SELECT ON TABLE ops.sealed_ranges TO api_reader;

GRANT UPDATE(is_counted) ON TABLE ops.sealed_ranges TO pipeline;

GRANT ALL ON FUNCTION ops.is_sealed(bucket timestamp with time zone) TO pipeline;
GRANT ALL ON FUNCTION ops.is_sealed(bucket timestamp with time zone) TO api_reader;

GRANT ALL ON FUNCTION ops.is_sealed_day(bucket date) TO pipeline;
GRANT ALL ON FUNCTION ops.is_sealed_day(bucket date) TO api_reader;

GRANT ALL ON FUNCTION ops.is_sealed_tweet(of_tweet_id bigint) TO pipeline;
GRANT ALL ON FUNCTION ops.is_sealed_tweet(of_tweet_id bigint) TO api_reader;

GRANT ALL ON FUNCTION ops.is_uncounted(bucket timestamp with time zone) TO pipeline;
GRANT ALL ON FUNCTION ops.is_uncounted(bucket timestamp with time zone) TO api_reader;

GRANT ALL ON FUNCTION ops.is_uncounted_day(bucket date) TO pipeline;
GRANT ALL ON FUNCTION ops.is_uncounted_day(bucket date) TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.int_zone_counted_tweets__marks TO pipeline;

REVOKE ALL ON FUNCTION ops.on_change_by_people() FROM PUBLIC;

REVOKE ALL ON FUNCTION ops.on_change_of_monitoring() FROM PUBLIC;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.delivery_accounting TO pipeline;
GRANT SELECT ON TABLE ops.delivery_accounting TO api_reader;

GRANT INSERT ON TABLE raw.deliveries TO ingest_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE raw.deliveries TO pipeline;
GRANT SELECT ON TABLE raw.deliveries TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_rule_periods TO pipeline;
GRANT SELECT ON TABLE core.twitter_rule_periods TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_rules TO pipeline;
GRANT SELECT ON TABLE core.twitter_rules TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.zones TO pipeline;
GRANT SELECT ON TABLE core.zones TO api_reader;

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

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_tweet_raw TO pipeline;
GRANT SELECT ON TABLE core.twitter_tweet_raw TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_tweet_zones TO pipeline;
GRANT SELECT ON TABLE core.twitter_tweet_zones TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.twitter_tweets_with_metrics TO pipeline;
GRANT SELECT ON TABLE core.twitter_tweets_with_metrics TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.as_of TO pipeline;
GRANT SELECT ON TABLE ops.as_of TO api_reader;

GRANT SELECT ON TABLE ops.audit_log TO pipeline;
GRANT SELECT ON TABLE ops.audit_log TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.covered_spans TO pipeline;
GRANT SELECT ON TABLE ops.covered_spans TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.delivery_rewrites TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.engagement_coverage TO pipeline;
GRANT SELECT ON TABLE ops.engagement_coverage TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.engagement_progress TO pipeline;
GRANT SELECT ON TABLE ops.engagement_progress TO api_reader;

GRANT SELECT ON TABLE ops.erased_keys TO pipeline;

GRANT SELECT ON TABLE ops.erasure_key TO pipeline;

GRANT SELECT ON TABLE ops.erasures TO pipeline;
GRANT SELECT ON TABLE ops.erasures TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.gaps TO pipeline;
GRANT SELECT ON TABLE ops.gaps TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.incidents TO pipeline;
GRANT SELECT ON TABLE ops.incidents TO api_reader;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.int_zone_author_hourly__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.int_zone_author_hourly__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.int_zone_counted_tweets__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.int_zone_entity_author_hourly__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.int_zone_entity_author_hourly__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.int_zone_hourly__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.int_zone_hourly__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.int_zone_tag_author_hourly__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.int_zone_tag_author_hourly__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.int_zone_tag_author_window__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.int_zone_tag_author_window__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.int_zone_top_tweets_hourly__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.int_zone_top_tweets_hourly__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.mart_state TO pipeline;
GRANT SELECT ON TABLE ops.mart_state TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.mart_verification TO pipeline;
GRANT SELECT ON TABLE ops.mart_verification TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.model_definitions TO pipeline;

GRANT SELECT ON TABLE ops.partition_archives TO pipeline;
GRANT SELECT ON TABLE ops.partition_archives TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.profile_absences TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.provider_budget TO pipeline;
GRANT SELECT ON TABLE ops.provider_budget TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.provider_health TO pipeline;
GRANT SELECT ON TABLE ops.provider_health TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.suppression_queue TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.suppression_state TO pipeline;
GRANT SELECT ON TABLE ops.suppression_state TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.tweet_absences TO pipeline;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.twitter_top_engaged_tweets__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.twitter_top_engaged_tweets__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.twitter_top_profiles_by_zone__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.twitter_top_profiles_by_zone__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.twitter_top_profiles_by_zone__profile_marks TO pipeline;

GRANT SELECT,INSERT,DELETE ON TABLE ops.twitter_top_profiles_by_zone__touched TO pipeline;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.twitter_top_profiles_by_zone_window__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.twitter_top_profiles_by_zone_window__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.twitter_trending_entities__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.twitter_trending_entities__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.twitter_trending_hashtags__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.twitter_trending_hashtags__marks TO pipeline;

GRANT SELECT,INSERT,DELETE ON TABLE ops.twitter_trending_hashtags__touched TO pipeline;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.twitter_zone_stats_daily__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.twitter_zone_stats_daily__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.twitter_zone_stats_daily__zone_marks TO pipeline;

GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE ops.twitter_zone_stats_hourly__claims TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.twitter_zone_stats_hourly__marks TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ops.zone_hour_coverage TO pipeline;
GRANT SELECT ON TABLE ops.zone_hour_coverage TO api_reader;

GRANT SELECT,INSERT ON TABLE raw.compression_dictionaries TO ingest_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE raw.compression_dictionaries TO pipeline;
GRANT SELECT ON TABLE raw.compression_dictionaries TO api_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE raw.dead_letters TO pipeline;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE raw.dead_letter_report TO pipeline;

GRANT INSERT ON TABLE raw.delivery_queue TO ingest_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE raw.delivery_queue TO pipeline;

GRANT SELECT ON TABLE raw.delivery_log TO pipeline;

GRANT SELECT ON TABLE raw.queue_figures TO ingest_writer;
GRANT SELECT ON TABLE raw.queue_figures TO pipeline;

GRANT SELECT ON TABLE raw.zone_figures TO ingest_writer;
GRANT SELECT ON TABLE raw.zone_figures TO pipeline;
