-- A core with so many tweets within 30 days, each observed once, all of them collected by one zone.

-- name: profiles
insert into core.twitter_profiles (
    twitter_user_id, first_seen_at, last_seen_at, last_updated_at, content_hash, username, name, followers_count
)
select number, now(), now(), now(), 1, 'author' || number, 'Author ' || number, number
from generate_series(1, 30000) as number;

-- name: zone
insert into core.zones (name) values ('bench');

-- name: ids
create temp table ids as
select
    core.snowflake_floor(%(end)s::timestamptz - number * (interval '30 days' / %(count)s)) + number %% 4096 as tweet_id,
    1 + (number::bigint * 7919) %% 30000 as author_profile_id
from generate_series(1, %(count)s) as number;

-- name: tweets
insert into core.twitter_tweets (
    tweet_id, author_profile_id, delivery_id, content_hash, twitter_created_at, collected_at, has_media, has_links,
    has_hashtags, has_mentions, is_reply, text
)
select
    ids.tweet_id, ids.author_profile_id, ids.tweet_id, 1, core.snowflake_time(ids.tweet_id),
    core.snowflake_time(ids.tweet_id), false, false, false, false, false, 'storm'
from ids
order by ids.tweet_id;

-- name: links
insert into core.twitter_tweet_zones (tweet_id, zone_id, author_profile_id, twitter_created_at, first_matched_at)
select
    ids.tweet_id, zones.id, ids.author_profile_id, core.snowflake_time(ids.tweet_id), core.snowflake_time(ids.tweet_id)
from ids
cross join core.zones
order by ids.tweet_id;

-- name: metrics
insert into core.twitter_tweet_metrics (
    tweet_id, observed_at, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count
)
select ids.tweet_id, core.snowflake_time(ids.tweet_id), 1, 1, 1, 1, 1, 1
from ids
order by ids.tweet_id;

-- name: history
insert into core.twitter_engagement_history (
    tweet_id, snapshot_at, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count
)
select ids.tweet_id, core.snowflake_time(ids.tweet_id), 1, 1, 1, 1, 1, 1
from ids
order by ids.tweet_id;

-- name: hot_updates
select coalesce(sum(statistics.n_tup_upd), 0), coalesce(sum(statistics.n_tup_hot_upd), 0)
from pg_stat_all_tables as statistics
where statistics.schemaname = 'core' and statistics.relname like 'twitter_tweet_metrics%';
