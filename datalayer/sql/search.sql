-- Full text: see core.search_vector for what a tweet is searched by, core.search_entry for what the index holds.

-- The words of a question as PostgreSQL understands them, and what a text must contain to match all of them.
-- name: parse
select
    websearch_to_tsquery('pg_catalog.simple', %(words)s)::text as query,
    tsvector_to_array(to_tsvector('pg_catalog.simple', %(words)s)) as lexemes;

-- About how many tweets the partition of a month holds (NULL where there is none), and the one before the first month.
-- name: partition_sizes
select
    (
        select greatest(pg_class.reltuples, 0)::bigint from pg_class where pg_class.oid = to_regclass(%(month)s)
    ) as of_month,
    (
        select greatest(pg_class.reltuples, 0)::bigint
        from pg_class
        where pg_class.oid = to_regclass('core.twitter_tweets_history')
    ) as of_history;

-- Matches among the newest tweets of the zone, found by reading them: for common words.
-- The patterns are cheap and let hardly any text through that does not match; the vector of a text is not.
-- name: walk
with scanned as materialized (
    select ids.tweet_id
    from core.newest_in_zone(%(zone_id)s, %(first)s, %(end)s, %(scan_limit)s) as ids (tweet_id)
),

passing as materialized (
    select
        scanned.tweet_id,
        found.text
    from scanned
    cross join lateral (
        select tweets.text
        from core.twitter_tweets as tweets
        where tweets.tweet_id = scanned.tweet_id and tweets.suppressed_at is null
        offset 0
    ) as found
    where lower(found.text) like all(%(patterns)s::text[])
)

select
    array(
        select newest.tweet_id
        from (select passing.tweet_id, passing.text from passing order by passing.tweet_id desc offset 0) as newest
        where core.search_vector(newest.text) @@ %(query)s::tsquery
        limit %(limit)s
    ) as ids,
    (select count(*) from scanned) as scanned_count,
    (select count(*) from passing) as passing_count,
    (select min(scanned.tweet_id) from scanned) as last_id;

-- Matches of a range of ids, found by the index, of every zone: for rare words. The newest are looked up in the zone
-- first, until there are enough.
-- name: slice
with candidates as materialized (
    select
        tweets.tweet_id,
        case when %(residual_query)s::tsquery is not null then tweets.text end as text
    from core.twitter_tweets as tweets
    where
        core.search_entry(tweets.text, tweets.tweet_id) @@ %(index_query)s::tsquery
        and tweets.suppressed_at is null
        and tweets.tweet_id >= %(first)s
        and tweets.tweet_id < %(end)s
)

select
    array(
        select newest.tweet_id
        from (select candidates.tweet_id, candidates.text from candidates order by candidates.tweet_id desc offset 0)
            as newest
        cross join lateral (
            select links.tweet_id
            from core.twitter_tweet_zones as links
            where links.tweet_id = newest.tweet_id and links.zone_id = %(zone_id)s and links.suppressed_at is null
            offset 0
        ) as in_zone
        where
            %(residual_query)s::tsquery is null
            or core.search_vector(newest.text) @@ %(residual_query)s::tsquery
        limit %(limit)s
    ) as ids,
    (select count(*) from candidates) as candidate_count;

-- name: rank
select tweets.tweet_id
from core.twitter_tweets as tweets
where tweets.tweet_id = any(%(ids)s::bigint[]) and tweets.suppressed_at is null
order by
    ts_rank_cd(core.search_vector(tweets.text), %(query)s::tsquery, 1) desc,
    tweets.tweet_id desc
limit %(limit)s;
