-- Generated rows to time the data layer's queries on, filled by SQL alone. Nothing here resembles a person or a tweet.
-- 10,000 tweets an hour until now, authors and words by rank (Zipf's law), eight zones from 40 % to 2 % of the tweets.
-- Triggers are off: the ledger is not what is measured here.

-- name: prepare
set session_replication_role = replica;

-- name: zones
insert into core.zones (name, description, timezone)
select 'zone ' || number, 'Generated for the benchmark', 'UTC'
from generate_series(1, 8) as number
on conflict (name) do nothing;

-- name: profiles
insert into core.twitter_profiles (
    twitter_user_id, twitter_created_at, first_seen_at, last_seen_at, last_updated_at, content_hash,
    followers_count, following_count, tweets_count, is_verified, is_blue_verified, is_monitored, username, name, description
)
select
    1000 + number, now() - interval '5 years', now() - interval '20 days', now(), now(), number,
    (1000000 / number) + 10, 300, 5000, false, number %% 10 = 0, number <= 200,
    'author_' || number, 'Author ' || number, 'Generated account number ' || number
from generate_series(1, 30000) as number
on conflict (twitter_user_id) do nothing;

-- A word's rank is spread evenly over the logarithm, which is Zipf's law with the exponent 1.
-- name: tweets
insert into core.twitter_tweets (
    tweet_id, author_profile_id, conversation_id, in_reply_to_tweet_id, retweeted_tweet_id, delivery_id, content_hash,
    twitter_created_at, collected_at, has_media, has_links, has_hashtags, has_mentions, is_reply, text, lang
)
select
    drawn.tweet_id,
    1001 + floor(power(30000, random()))::bigint - 1,
    case when drawn.kind < 0.15 then (drawn.tweet_id / 100000000000) * 100000000000 else drawn.tweet_id end,
    case when drawn.kind < 0.15 then (drawn.tweet_id / 100000000000) * 100000000000 end,
    null, 1, drawn.number, core.snowflake_time(drawn.tweet_id), core.snowflake_time(drawn.tweet_id),
    drawn.number %% 4 = 0, drawn.number %% 3 = 0, true, drawn.number %% 2 = 0, drawn.kind < 0.15,
    (
        select string_agg('w' || to_hex(ceil(power(20000, random()))::integer * 7919), ' ')
        from generate_series(1, 12 + drawn.number %% 8)
    ),
    (array['en', 'de', 'es', 'ja'])[1 + drawn.number %% 4]
from (
    select
        numbers.number,
        core.snowflake_floor(%(until)s::timestamptz - (%(to)s::integer - numbers.number) * interval '360 milliseconds')
        + numbers.number %% 4194304 as tweet_id,
        random() as kind
    from generate_series(%(from)s::integer, %(to)s::integer - 1) as numbers (number)
    where numbers.number >= %(first)s::integer and numbers.number < %(last)s::integer
) as drawn;

-- name: links
insert into core.twitter_tweet_zones (
    tweet_id, zone_id, author_profile_id, twitter_created_at, first_matched_at, rule_ids
)
select tweets.tweet_id, zones.id, tweets.author_profile_id, tweets.twitter_created_at, tweets.collected_at, '{}'
from core.twitter_tweets as tweets
inner join core.zones as zones
    on zones.name = 'zone ' || case
        when hashint8(tweets.tweet_id) & 1023 < 410 then 1
        when hashint8(tweets.tweet_id) & 1023 < 614 then 2
        when hashint8(tweets.tweet_id) & 1023 < 768 then 3
        when hashint8(tweets.tweet_id) & 1023 < 870 then 4
        when hashint8(tweets.tweet_id) & 1023 < 952 then 5
        when hashint8(tweets.tweet_id) & 1023 < 993 then 6
        when hashint8(tweets.tweet_id) & 1023 < 1018 then 7
        else 8
    end;

-- name: metrics
insert into core.twitter_tweet_metrics (
    tweet_id, observed_at, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count
)
select
    tweets.tweet_id, tweets.collected_at,
    drawn.size / 4, drawn.size / 8, drawn.size, drawn.size / 20, drawn.size * 60, drawn.size / 10
from core.twitter_tweets as tweets
cross join lateral (select floor(power(100000, power(random() * (1 + tweets.tweet_id * 0), 4)))::bigint - 1 as size) as drawn;

-- name: history
insert into core.twitter_engagement_history (
    tweet_id, snapshot_at, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count
)
select
    metrics.tweet_id, metrics.observed_at + step * interval '1 hour' - interval '12 hours',
    metrics.retweet_count * step / 12, metrics.reply_count * step / 12, metrics.like_count * step / 12,
    metrics.quote_count * step / 12, metrics.view_count * step / 12, metrics.bookmark_count * step / 12
from core.twitter_tweet_metrics as metrics
cross join generate_series(0, 12) as step
where metrics.tweet_id %% 20 = 0 and metrics.tweet_id > core.snowflake_floor(now() - interval '2 days');

-- name: entities
insert into core.twitter_entities (
    tweet_id, ordinal, entity_type, start_index, end_index, mentioned_user_id, entity_value, entity_normalized, url_host
)
select
    tweets.tweet_id, kinds.ordinal, kinds.entity_type, kinds.ordinal * 8, kinds.ordinal * 8 + 6,
    case when kinds.entity_type = 'mention' then 1001 + (drawn.rank - 1) * 3 / 2 end,
    case kinds.entity_type
        when 'hashtag' then 'Tag' || drawn.rank
        when 'mention' then 'author_' || drawn.rank
        else 'https://site' || drawn.rank || '.example/page'
    end,
    case kinds.entity_type
        when 'hashtag' then 'tag' || drawn.rank
        when 'mention' then 'author_' || drawn.rank
        else 'https://site' || drawn.rank || '.example/page'
    end,
    case when kinds.entity_type = 'url' then 'site' || drawn.rank || '.example' end
from core.twitter_tweets as tweets
inner join (
    values (0::smallint, 'hashtag', true, true), (1::smallint, 'hashtag', true, true),
    (2::smallint, 'mention', false, true), (3::smallint, 'url', true, false)
) as kinds (ordinal, entity_type, without_mention, without_link)
    on kinds.entity_type = 'hashtag'
    or (kinds.entity_type = 'mention' and tweets.has_mentions)
    or (kinds.entity_type = 'url' and tweets.has_links)
cross join lateral (
    select ceil(power(20000, random() * (1 + tweets.tweet_id * 0)))::bigint as rank
) as drawn
on conflict do nothing;

-- name: snapshots
insert into core.twitter_profile_snapshots (
    profile_id, snapshot_at, followers_count, following_count, tweets_count, favourites_count
)
select
    profiles.twitter_user_id, now() - day * interval '1 day', profiles.followers_count - day * 13,
    profiles.following_count, profiles.tweets_count - day * 3, null
from core.twitter_profiles as profiles
cross join generate_series(0, 60) as day
where profiles.is_monitored
on conflict do nothing;

-- name: prewarm
create extension if not exists pg_prewarm;

-- name: read
select round(sum(public.pg_prewarm(relations.oid, 'read')) * 8 / 1024) as megabytes
from pg_class as relations
inner join pg_namespace as schemas on relations.relnamespace = schemas.oid
where relations.relkind in ('r', 'i', 't') and schemas.nspname in ('core', 'intermediate', 'marts', 'pg_toast');
