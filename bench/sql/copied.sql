-- The finished rows of tweets that are new since a moment, in the order in which they reference one another, and the sizes
-- of what holds them.

-- name: twitter_profiles
select profiles.*
from core.twitter_profiles as profiles
where profiles.created_at >= {since}
order by profiles.twitter_user_id

-- name: twitter_tweets
select tweets.*
from core.twitter_tweets as tweets
where tweets.created_at >= {since}
order by tweets.tweet_id

-- name: twitter_tweet_zones
select links.*
from core.twitter_tweet_zones as links
inner join core.twitter_tweets as tweets on links.tweet_id = tweets.tweet_id
where tweets.created_at >= {since}
order by links.tweet_id

-- name: twitter_tweet_metrics
select
    metrics.tweet_id, metrics.observed_at, metrics.retweet_count, metrics.reply_count, metrics.like_count,
    metrics.quote_count, metrics.view_count, metrics.bookmark_count
from core.twitter_tweet_metrics as metrics
inner join core.twitter_tweets as tweets on metrics.tweet_id = tweets.tweet_id
where tweets.created_at >= {since}
order by metrics.tweet_id

-- name: twitter_engagement_history
select history.*
from core.twitter_engagement_history as history
inner join core.twitter_tweets as tweets on history.tweet_id = tweets.tweet_id
where tweets.created_at >= {since}
order by history.tweet_id

-- name: twitter_entities
select entities.*
from core.twitter_entities as entities
inner join core.twitter_tweets as tweets on entities.tweet_id = tweets.tweet_id
where tweets.created_at >= {since}
order by entities.tweet_id, entities.ordinal

-- name: workers
-- Sessions that have made the temporary tables of a normaliser.
select count(*)
from pg_class as tables
where tables.relname = 'batch_known_profiles' and tables.relpersistence = 't'

-- name: sizes
select
    namespaces.nspname || '.' || coalesce(parents.relname, tables.relname) as table_name,
    sum(pg_table_size(tables.oid))::bigint as table_bytes,
    sum(pg_indexes_size(tables.oid))::bigint as index_bytes
from pg_class as tables
inner join pg_namespace as namespaces on tables.relnamespace = namespaces.oid
left join pg_inherits as inheritance on tables.oid = inheritance.inhrelid
left join pg_class as parents on inheritance.inhparent = parents.oid
where tables.relkind = 'r' and namespaces.nspname in ('core', 'raw', 'ops')
group by namespaces.nspname || '.' || coalesce(parents.relname, tables.relname)

-- name: peer_size
select sum(pg_total_relation_size(tables.oid))::bigint
from pg_class as tables
where tables.relkind = 'r' and tables.relnamespace = 'public'::regnamespace

-- name: counts
select
    (select count(*) from core.twitter_tweets),
    (select count(*) from core.twitter_profiles),
    (select count(*) from core.twitter_entities),
    (select count(*) from core.twitter_tweet_zones),
    (select count(*) from raw.dead_letters)
