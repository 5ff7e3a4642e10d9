-- Generated tweets to measure on. Nothing here resembles a person or a tweet.
-- Authors, words and tags by rank (Zipf's law, exponent 1), eight zones from 40 % to 2 % of the tweets, two hashtags each.

-- name: zones
insert into core.zones (name, description)
select 'zone ' || number, 'Generated for the benchmark'
from generate_series(1, 8) as number
on conflict (name) do nothing;

-- name: profiles
insert into core.twitter_profiles (
    twitter_user_id, first_seen_at, last_seen_at, last_updated_at, content_hash, followers_count, following_count,
    tweets_count, is_verified, is_blue_verified, username, name, description, profile_picture_url
)
select
    1000 + number, now() - interval '20 days', now() - interval '1 day', now() - interval '1 day', number,
    (1000000 / number) + 10, 300, 5000, false, number %% 10 = 0,
    'author_' || number, 'Author ' || number, 'Generated account number ' || number,
    'https://images.example/' || number
from generate_series(1, 30000) as number
on conflict (twitter_user_id) do nothing;

-- name: tweets
insert into core.twitter_tweets (
    tweet_id, author_profile_id, conversation_id, delivery_id, content_hash, twitter_created_at, collected_at,
    has_media, has_links, has_hashtags, has_mentions, is_reply, text, lang
)
select
    drawn.tweet_id,
    1001 + floor(power(30000, random()))::bigint - 1,
    drawn.tweet_id, 1, drawn.tweet_id, core.snowflake_time(drawn.tweet_id), core.snowflake_time(drawn.tweet_id),
    drawn.number %% 4 = 0, false, true, false, drawn.number %% 6 = 0,
    (
        select string_agg('w' || to_hex(ceil(power(20000, random()))::integer * 7919), ' ')
        from generate_series(1, 12 + drawn.number %% 8)
    ),
    (array['en', 'de', 'es', 'ja'])[1 + drawn.number %% 4]
from (
    select
        numbers.number,
        core.snowflake_floor(%(until)s::timestamptz - numbers.number * interval '360 milliseconds')
        + numbers.number %% 4194304 as tweet_id
    from generate_series(%(count)s::integer, 1, -1) as numbers (number)
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
    end
where
    tweets.tweet_id >= core.snowflake_floor(%(until)s::timestamptz - %(count)s::integer * interval '360 milliseconds')
    and tweets.tweet_id < core.snowflake_floor(%(until)s::timestamptz);

-- name: metrics
insert into core.twitter_tweet_metrics (
    tweet_id, observed_at, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count
)
select
    tweets.tweet_id, tweets.collected_at,
    drawn.size / 4, drawn.size / 8, drawn.size, drawn.size / 20, drawn.size * 60, drawn.size / 10
from core.twitter_tweets as tweets
cross join lateral (select floor(power(100000, power(random() * (1 + tweets.tweet_id * 0), 4)))::bigint - 1 as size) as drawn
where
    tweets.tweet_id >= core.snowflake_floor(%(until)s::timestamptz - %(count)s::integer * interval '360 milliseconds')
    and tweets.tweet_id < core.snowflake_floor(%(until)s::timestamptz);

-- name: history
insert into core.twitter_engagement_history (
    tweet_id, snapshot_at, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count
)
select
    metrics.tweet_id, metrics.observed_at, metrics.retweet_count, metrics.reply_count, metrics.like_count,
    metrics.quote_count, metrics.view_count, metrics.bookmark_count
from core.twitter_tweet_metrics as metrics
where
    metrics.tweet_id >= core.snowflake_floor(%(until)s::timestamptz - %(count)s::integer * interval '360 milliseconds')
    and metrics.tweet_id < core.snowflake_floor(%(until)s::timestamptz);

-- name: entities
insert into core.twitter_entities (
    tweet_id, ordinal, entity_type, start_index, end_index, entity_value, entity_normalized
)
select
    tweets.tweet_id, ordinals.ordinal, 'hashtag', ordinals.ordinal * 8, ordinals.ordinal * 8 + 6,
    'Tag' || drawn.rank, 'tag' || drawn.rank
from core.twitter_tweets as tweets
cross join (values (0::smallint), (1::smallint)) as ordinals (ordinal)
cross join lateral (
    select ceil(power(20000, random() * (1 + tweets.tweet_id * 0 + ordinals.ordinal * 0)))::bigint as rank
) as drawn
where
    tweets.tweet_id >= core.snowflake_floor(%(until)s::timestamptz - %(count)s::integer * interval '360 milliseconds')
    and tweets.tweet_id < core.snowflake_floor(%(until)s::timestamptz);

-- name: marks
select ops.mark_tweets(array(
    select tweets.tweet_id
    from core.twitter_tweets as tweets
    where
        tweets.tweet_id
        >= core.snowflake_floor(%(until)s::timestamptz - %(count)s::integer * interval '360 milliseconds')
        and tweets.tweet_id < core.snowflake_floor(%(until)s::timestamptz)
));

-- name: change_counters
update core.twitter_tweet_metrics as metrics
set
    observed_at = %(now)s,
    like_count = metrics.like_count + 3,
    retweet_count = metrics.retweet_count + 1,
    view_count = metrics.view_count + 200
where
    metrics.tweet_id = any(array(
        select recent.tweet_id
        from core.twitter_tweet_metrics as recent
        where recent.tweet_id >= core.snowflake_floor(%(since)s::timestamptz)
        order by random()
        limit %(count)s
    ));

-- name: land
with landed as (
    insert into raw.deliveries (
        delivery_id, received_at, body_bytes, item_count, dictionary_id, source, zone, body
    )
    values (
        %(delivery_id)s, %(received_at)s, %(body_bytes)s, %(item_count)s, %(dictionary_id)s, %(source)s, %(zone)s, %(body)s
    )
    returning delivery_id
)

insert into raw.delivery_queue (delivery_id)
select landed.delivery_id
from landed;
