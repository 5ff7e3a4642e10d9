-- The marts as a plain recount of core, where the dbt project has not built them: to time and to test their readers on.
-- Column names, types and indexes are those of the models' contracts.

-- name: tables
create table if not exists intermediate.int_zone_author_hourly (
    zone_id uuid not null,
    hour timestamptz not null,
    author_profile_id bigint not null,
    tweet_count bigint not null,
    total_engagement bigint,
    last_tweet_at timestamptz not null,
    constraint int_zone_author_hourly_pkey primary key (author_profile_id, zone_id, hour)
);
create index if not exists idx_int_zone_author_hourly_hour on intermediate.int_zone_author_hourly (zone_id, hour);
create table if not exists intermediate.int_zone_tag_author_hourly (
    zone_id uuid not null,
    hashtag text not null,
    hour timestamptz not null,
    author_profile_id bigint not null,
    original_hashtag text not null,
    tweet_count bigint not null,
    total_engagement bigint,
    last_used_at timestamptz not null,
    constraint int_zone_tag_author_hourly_pkey
    primary key (hour, zone_id, author_profile_id, hashtag, original_hashtag)
);
create index if not exists idx_int_zone_tag_author_hourly_tag
on intermediate.int_zone_tag_author_hourly (zone_id, hashtag, hour, tweet_count);
create table if not exists marts.twitter_zone_stats_hourly (
    zone_id uuid not null,
    hour timestamptz not null,
    total_tweets bigint not null,
    unique_authors bigint not null,
    total_retweets bigint,
    total_replies bigint,
    total_likes bigint,
    total_quotes bigint,
    total_views bigint,
    total_engagement bigint,
    avg_engagement numeric(20, 6),
    avg_retweets numeric(20, 6),
    avg_likes numeric(20, 6),
    tweets_with_media bigint not null,
    tweets_with_links bigint not null,
    reply_tweets bigint not null,
    avg_sentiment numeric(20, 6),
    is_complete boolean not null,
    as_of timestamptz not null,
    constraint twitter_zone_stats_hourly_pkey primary key (zone_id, hour)
);
create table if not exists marts.twitter_top_profiles_by_zone (
    zone_id uuid not null,
    profile_id bigint not null,
    twitter_user_id text not null,
    username text,
    name text,
    profile_picture_url text,
    is_verified boolean,
    is_blue_verified boolean,
    followers_count bigint,
    tweet_count bigint not null,
    total_engagement bigint,
    avg_engagement numeric(20, 6),
    last_tweet_at timestamptz not null,
    constraint twitter_top_profiles_by_zone_pkey primary key (profile_id, zone_id)
);
create index if not exists idx_top_profiles_zone_engagement
on marts.twitter_top_profiles_by_zone (zone_id, total_engagement desc nulls last);
create index if not exists idx_top_profiles_zone_tweet_count
on marts.twitter_top_profiles_by_zone (zone_id, tweet_count desc);
create index if not exists idx_top_profiles_zone_followers
on marts.twitter_top_profiles_by_zone (zone_id, followers_count desc nulls last);
create table if not exists marts.twitter_trending_hashtags (
    zone_id uuid not null,
    hashtag text not null,
    original_hashtag text not null,
    tweet_count_24h bigint not null,
    unique_authors_24h bigint not null,
    total_engagement_24h bigint,
    last_used_at timestamptz not null,
    sample_tweets text [] not null,
    as_of timestamptz not null,
    constraint twitter_trending_hashtags_pkey primary key (zone_id, hashtag)
);
create index if not exists idx_trending_hashtags_zone_count
on marts.twitter_trending_hashtags (zone_id, tweet_count_24h desc);
create table if not exists intermediate.int_zone_top_tweets_hourly (
    zone_id uuid not null,
    hour timestamptz not null,
    tweet_id bigint not null,
    day date not null,
    author_profile_id bigint not null,
    twitter_created_at timestamptz not null,
    total_engagement bigint not null,
    constraint int_zone_top_tweets_hourly_pkey primary key (zone_id, hour, tweet_id)
);
create table if not exists marts.twitter_top_engaged_tweets (
    zone_id uuid not null,
    day date not null,
    tweet_id bigint not null,
    place integer not null,
    author_profile_id bigint not null,
    twitter_created_at timestamptz not null,
    total_engagement bigint not null,
    constraint twitter_top_engaged_tweets_pkey primary key (zone_id, day, tweet_id)
);
create index if not exists idx_top_engaged_tweets_zone_day
on marts.twitter_top_engaged_tweets (zone_id, day desc, place);
create table if not exists marts.twitter_top_profiles_by_zone_window (
    zone_id uuid not null,
    time_window text not null,
    profile_id bigint not null,
    twitter_user_id text not null,
    tweet_count bigint not null,
    total_engagement bigint,
    avg_engagement numeric(38, 18),
    last_tweet_at timestamptz not null,
    as_of timestamptz not null,
    constraint twitter_top_profiles_by_zone_window_pkey primary key (profile_id, zone_id, time_window)
);
create table if not exists marts.twitter_trending_entities (
    zone_id uuid not null,
    entity_type text not null,
    time_window text not null,
    entity_value text not null,
    tweet_count bigint not null,
    unique_authors bigint not null,
    loudest_author_share numeric(9, 6) not null,
    expected_tweet_count numeric(38, 6) not null,
    lift numeric(38, 6) not null,
    score numeric(38, 6) not null,
    started_at timestamptz not null,
    peaked_at timestamptz not null,
    is_new boolean not null,
    as_of timestamptz not null,
    constraint twitter_trending_entities_pkey primary key (zone_id, entity_type, time_window, entity_value)
);
create index if not exists idx_trending_entities_score
on marts.twitter_trending_entities (zone_id, entity_type, time_window, score desc);
grant select on all tables in schema marts to bi_reader, api_reader;
grant select on all tables in schema intermediate to api_reader;

-- name: authors
insert into intermediate.int_zone_author_hourly (
    zone_id, hour, author_profile_id, tweet_count, total_engagement, last_tweet_at
)
select
    links.zone_id, date_trunc('hour', links.twitter_created_at, 'UTC'), links.author_profile_id, count(*),
    sum(metrics.total_engagement)::bigint, max(links.twitter_created_at)
from core.twitter_tweet_zones as links
left join core.twitter_tweet_metrics as metrics on links.tweet_id = metrics.tweet_id
group by 1, 2, 3;

-- name: tags
insert into intermediate.int_zone_tag_author_hourly (
    zone_id, hashtag, hour, author_profile_id, original_hashtag, tweet_count, total_engagement, last_used_at
)
select
    links.zone_id, tags.hashtag, date_trunc('hour', links.twitter_created_at, 'UTC'), links.author_profile_id,
    tags.original_hashtag, count(*), sum(metrics.total_engagement)::bigint, max(links.twitter_created_at)
from core.twitter_tweet_zones as links
inner join (
    select distinct on (entities.tweet_id, entities.entity_normalized)
        entities.tweet_id,
        entities.entity_normalized as hashtag,
        entities.entity_value as original_hashtag
    from core.twitter_entities as entities
    where entities.entity_type = 'hashtag'
    order by entities.tweet_id, entities.entity_normalized, entities.start_index, entities.ordinal
) as tags on links.tweet_id = tags.tweet_id
left join core.twitter_tweet_metrics as metrics on links.tweet_id = metrics.tweet_id
group by 1, 2, 3, 4, 5;

-- name: zone_stats
insert into marts.twitter_zone_stats_hourly (
    zone_id, hour, total_tweets, unique_authors, total_retweets, total_replies, total_likes, total_quotes, total_views,
    total_engagement, avg_engagement, avg_retweets, avg_likes, tweets_with_media, tweets_with_links, reply_tweets,
    avg_sentiment, is_complete, as_of
)
select
    links.zone_id, date_trunc('hour', links.twitter_created_at, 'UTC') as hour, count(*),
    count(distinct links.author_profile_id), sum(metrics.retweet_count)::bigint, sum(metrics.reply_count)::bigint,
    sum(metrics.like_count)::bigint, sum(metrics.quote_count)::bigint, sum(metrics.view_count)::bigint,
    sum(metrics.total_engagement)::bigint, avg(metrics.total_engagement), avg(metrics.retweet_count),
    avg(metrics.like_count), count(*) filter (where tweets.has_media), count(*) filter (where tweets.has_links),
    count(*) filter (where tweets.is_reply), avg(tweets.sentiment_score),
    date_trunc('hour', links.twitter_created_at, 'UTC') + interval '1 hour' <= %(as_of)s::timestamptz, %(as_of)s
from core.twitter_tweet_zones as links
inner join core.twitter_tweets as tweets on links.tweet_id = tweets.tweet_id
left join core.twitter_tweet_metrics as metrics on links.tweet_id = metrics.tweet_id
group by 1, 2;

-- name: top_profiles
insert into marts.twitter_top_profiles_by_zone (
    zone_id, profile_id, twitter_user_id, username, name, profile_picture_url, is_verified, is_blue_verified,
    followers_count, tweet_count, total_engagement, avg_engagement, last_tweet_at
)
select
    hourly.zone_id, hourly.author_profile_id, hourly.author_profile_id::text, profiles.username, profiles.name,
    profiles.profile_picture_url, profiles.is_verified, profiles.is_blue_verified, profiles.followers_count,
    hourly.tweet_count, hourly.total_engagement, hourly.total_engagement::numeric / hourly.tweet_count,
    hourly.last_tweet_at
from (
    select
        int_zone_author_hourly.zone_id,
        int_zone_author_hourly.author_profile_id,
        sum(int_zone_author_hourly.tweet_count)::bigint as tweet_count,
        sum(int_zone_author_hourly.total_engagement)::bigint as total_engagement,
        max(int_zone_author_hourly.last_tweet_at) as last_tweet_at
    from intermediate.int_zone_author_hourly
    group by 1, 2
) as hourly
left join core.twitter_profiles as profiles on hourly.author_profile_id = profiles.twitter_user_id;

-- name: top_profiles_of_windows
insert into marts.twitter_top_profiles_by_zone_window (
    zone_id, time_window, profile_id, twitter_user_id, tweet_count, total_engagement, avg_engagement, last_tweet_at,
    as_of
)
select
    hourly.zone_id, windows.time_window, hourly.author_profile_id, hourly.author_profile_id::text,
    sum(hourly.tweet_count)::bigint, sum(hourly.total_engagement)::bigint,
    sum(hourly.total_engagement) / sum(hourly.tweet_count), max(hourly.last_tweet_at), %(as_of)s
from intermediate.int_zone_author_hourly as hourly
inner join (
    values ('24h', interval '23 hours'), ('7d', interval '167 hours'), ('30d', interval '719 hours')
) as windows (time_window, length)
    on hourly.hour >= date_trunc('hour', %(as_of)s::timestamptz, 'UTC') - windows.length
where hourly.hour <= %(as_of)s::timestamptz
group by 1, 2, 3;

-- name: trending
insert into marts.twitter_trending_hashtags (
    zone_id, hashtag, original_hashtag, tweet_count_24h, unique_authors_24h, total_engagement_24h, last_used_at,
    sample_tweets, as_of
)
select
    hourly.zone_id, hourly.hashtag, mode() within group (order by hourly.original_hashtag),
    sum(hourly.tweet_count)::bigint, count(distinct hourly.author_profile_id), sum(hourly.total_engagement)::bigint,
    max(hourly.last_used_at), '{}', %(as_of)s
from intermediate.int_zone_tag_author_hourly as hourly
where
    hourly.hour >= date_trunc('hour', %(as_of)s::timestamptz, 'UTC') - interval '23 hours'
    and hourly.hour <= %(as_of)s::timestamptz
group by 1, 2;

-- name: top_tweets_hourly
insert into intermediate.int_zone_top_tweets_hourly (
    zone_id, hour, tweet_id, day, author_profile_id, twitter_created_at, total_engagement
)
select
    ranked.zone_id, ranked.hour, ranked.tweet_id, (ranked.hour at time zone 'UTC')::date, ranked.author_profile_id,
    ranked.twitter_created_at, ranked.total_engagement
from (
    select
        links.zone_id,
        date_trunc('hour', links.twitter_created_at, 'UTC') as hour,
        links.tweet_id,
        links.author_profile_id,
        links.twitter_created_at,
        metrics.total_engagement,
        row_number() over (
            partition by links.zone_id, date_trunc('hour', links.twitter_created_at, 'UTC')
            order by metrics.total_engagement desc, links.tweet_id desc
        ) as place
    from core.twitter_tweet_zones as links
    inner join core.twitter_tweet_metrics as metrics on links.tweet_id = metrics.tweet_id
    where metrics.total_engagement is not null
) as ranked
where ranked.place <= 100;

-- name: top_tweets
insert into marts.twitter_top_engaged_tweets (
    zone_id, day, tweet_id, place, author_profile_id, twitter_created_at, total_engagement
)
select
    ranked.zone_id, ranked.day, ranked.tweet_id, ranked.place, ranked.author_profile_id, ranked.twitter_created_at,
    ranked.total_engagement
from (
    select
        hourly.zone_id,
        hourly.day,
        hourly.tweet_id,
        hourly.author_profile_id,
        hourly.twitter_created_at,
        hourly.total_engagement,
        row_number() over (
            partition by hourly.zone_id, hourly.day order by hourly.total_engagement desc, hourly.tweet_id desc
        ) as place
    from intermediate.int_zone_top_tweets_hourly as hourly
) as ranked
where ranked.place <= 100;

-- name: state
insert into ops.mart_state (model, as_of, built_at, claimed_bucket_count)
select
    models.name, %(as_of)s, %(built_at)s, 1
from unnest(array[
    'int_zone_author_hourly', 'int_zone_tag_author_hourly', 'twitter_zone_stats_hourly', 'twitter_top_profiles_by_zone',
    'twitter_trending_hashtags', 'int_zone_top_tweets_hourly', 'twitter_top_engaged_tweets',
    'twitter_top_profiles_by_zone_window', 'twitter_trending_entities'
]) as models (name)
on conflict (model) do update set as_of = excluded.as_of, built_at = excluded.built_at;
