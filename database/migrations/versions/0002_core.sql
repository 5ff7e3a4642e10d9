-- One row per zone: a topic area that rules collect tweets for.
create table core.zones (
    id uuid constraint zones_pkey primary key default gen_random_uuid(),
    name text not null constraint zones_name_key unique,
    description text,
    timezone text not null default 'UTC',
    is_active boolean not null default true,
    settings jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint zones_name_is_not_blank check (btrim(name) <> '')
);
create trigger zones_touch before update on core.zones for each row execute function core.touch_updated_at();

-- One row per rule: what the provider is asked to deliver, and for which zone.
create table core.twitter_rules (
    id uuid constraint twitter_rules_pkey primary key default gen_random_uuid(),
    zone_id uuid not null constraint twitter_rules_zone_id_fkey references core.zones (id) on delete restrict,
    source text not null default 'twitterapi_io',
    tag text not null,
    query text not null,
    query_type text not null default 'simple',
    query_builder_config jsonb,
    interval_seconds numeric not null default 60,
    external_rule_id text,
    is_active boolean not null default true,
    last_triggered_at timestamptz,
    created_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint twitter_rules_zone_id_tag_key unique (zone_id, tag),
    constraint twitter_rules_tag_length check (length(tag) between 1 and 255),
    constraint twitter_rules_query_is_not_blank check (btrim(query) <> ''),
    constraint twitter_rules_query_type_is_known check (query_type in ('simple', 'builder')),
    constraint twitter_rules_interval_is_offered check (interval_seconds between 0.05 and 86400)
);
create unique index idx_twitter_rules_external_rule_id on core.twitter_rules (source, external_rule_id);
comment on index core.idx_twitter_rules_external_rule_id is 'Which rule a delivery belongs to, by the provider''s id';
create index idx_twitter_rules_tag on core.twitter_rules (source, tag);
comment on index core.idx_twitter_rules_tag is 'Which rule a delivery belongs to, by its tag';
create trigger twitter_rules_touch before update on core.twitter_rules
    for each row execute function core.touch_updated_at();

-- One row per account, as last observed. A row with no username is a stub: only the id is known.
create table core.twitter_profiles (
    twitter_user_id bigint constraint twitter_profiles_pkey primary key,
    twitter_created_at timestamptz,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    last_updated_at timestamptz not null,
    content_hash bigint not null,
    followers_count bigint,
    following_count bigint,
    tweets_count bigint,
    media_count bigint,
    favourites_count bigint,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    is_verified boolean,
    is_blue_verified boolean,
    is_automated boolean,
    can_dm boolean,
    possibly_sensitive boolean,
    is_protected boolean,
    is_monitored boolean not null default false,
    username text,
    name text,
    profile_picture_url text,
    cover_picture_url text,
    description text,
    location text,
    verified_type text,
    automated_by text,
    profile_url text,
    constraint twitter_profiles_id_is_positive check (twitter_user_id > 0)
) with (fillfactor = 80);
create index idx_twitter_profiles_username on core.twitter_profiles (lower(username) text_pattern_ops);
comment on index core.idx_twitter_profiles_username is 'A profile by its name, or by the beginning of it';
create index idx_twitter_profiles_search on core.twitter_profiles
    using gin (
        to_tsvector('simple', coalesce(name, '') || ' ' || coalesce(username, '') || ' ' || coalesce(description, ''))
    );
comment on index core.idx_twitter_profiles_search is 'Profile search by words of name, username and description';
create index idx_twitter_profiles_monitored on core.twitter_profiles (twitter_user_id) where is_monitored;
comment on index core.idx_twitter_profiles_monitored is 'The profiles whose evolution is tracked';

-- One row per tweet, whichever way it came: delivered by a rule, or embedded in a retweet or a quote.
-- Immutable content only; the counters are in twitter_tweet_metrics.
create table core.twitter_tweets (
    tweet_id bigint not null,
    author_profile_id bigint not null
        constraint twitter_tweets_author_profile_id_fkey references core.twitter_profiles (twitter_user_id),
    conversation_id bigint,
    in_reply_to_tweet_id bigint,
    in_reply_to_user_id bigint,
    retweeted_tweet_id bigint,
    quoted_tweet_id bigint,
    delivery_id bigint not null,
    content_hash bigint not null,
    twitter_created_at timestamptz not null,
    collected_at timestamptz not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    has_media boolean not null,
    has_links boolean not null,
    has_hashtags boolean not null,
    has_mentions boolean not null,
    is_reply boolean not null,
    is_sanitised boolean not null default false,
    is_processed boolean not null default false,
    sentiment_score numeric,
    text text not null,
    lang text,
    source text,
    in_reply_to_username text,
    constraint twitter_tweets_pkey primary key (tweet_id),
    constraint twitter_tweets_sentiment_is_a_score check (sentiment_score between -1 and 1)
) partition by range (tweet_id);
create index idx_twitter_tweets_author on core.twitter_tweets (author_profile_id, tweet_id);
comment on index core.idx_twitter_tweets_author is 'A profile''s tweets, newest first; an author''s tweets of one hour';
create index idx_twitter_tweets_conversation on core.twitter_tweets (conversation_id, tweet_id)
    where conversation_id <> tweet_id;
comment on index core.idx_twitter_tweets_conversation is 'The replies of a conversation, as a thread';
create index idx_twitter_tweets_retweeted on core.twitter_tweets (retweeted_tweet_id)
    where retweeted_tweet_id is not null;
comment on index core.idx_twitter_tweets_retweeted is 'The retweets of a tweet, which go when it is deleted';
create index idx_twitter_tweets_text_search on core.twitter_tweets using gin (to_tsvector('simple', text));
comment on index core.idx_twitter_tweets_text_search is 'Full-text search in every language';

-- One row per tweet and zone: which zone collected it, and through which rules.
-- Author and time are carried so that marks and feeds need this table alone.
create table core.twitter_tweet_zones (
    tweet_id bigint not null,
    zone_id uuid not null constraint twitter_tweet_zones_zone_id_fkey references core.zones (id) on delete restrict,
    author_profile_id bigint not null,
    twitter_created_at timestamptz not null,
    first_matched_at timestamptz not null,
    rule_ids uuid[] not null default '{}',
    constraint twitter_tweet_zones_pkey primary key (tweet_id, zone_id)
) partition by range (tweet_id);
create index idx_twitter_tweet_zones_zone_created on core.twitter_tweet_zones (zone_id, tweet_id);
comment on index core.idx_twitter_tweet_zones_zone_created is 'A zone''s feed, newest first, at any depth';

-- One row per tweet: the latest known value of each counter (NULL is unknown), and when the tweet was last observed.
create table core.twitter_tweet_metrics (
    tweet_id bigint not null,
    observed_at timestamptz not null,
    retweet_count bigint,
    reply_count bigint,
    like_count bigint,
    quote_count bigint,
    view_count bigint,
    bookmark_count bigint,
    total_engagement bigint generated always as (
        case
            when coalesce(retweet_count, reply_count, like_count, quote_count) is not null
                then
                    coalesce(retweet_count, 0) + coalesce(reply_count, 0)
                    + coalesce(like_count, 0) + coalesce(quote_count, 0)
        end
    ) stored,
    constraint twitter_tweet_metrics_pkey primary key (tweet_id),
    constraint twitter_tweet_metrics_counts_are_not_negative check (
        least(retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count) >= 0
    )
) partition by range (tweet_id);

-- One row per tweet and observation of its counters, the one at collection first.
create table core.twitter_engagement_history (
    tweet_id bigint not null,
    snapshot_at timestamptz not null,
    retweet_count bigint,
    reply_count bigint,
    like_count bigint,
    quote_count bigint,
    view_count bigint,
    bookmark_count bigint,
    constraint twitter_engagement_history_pkey primary key (tweet_id, snapshot_at)
) partition by range (tweet_id);

-- One row per occurrence of a hashtag, a mention or a link in a tweet. Positions are code points into the escaped text.
create table core.twitter_entities (
    tweet_id bigint not null,
    ordinal smallint not null,
    entity_type text not null,
    start_index integer,
    end_index integer,
    mentioned_user_id bigint,
    entity_value text not null,
    entity_normalized text not null,
    url_host text,
    constraint twitter_entities_pkey primary key (tweet_id, ordinal),
    constraint twitter_entities_type_is_known check (entity_type in ('hashtag', 'mention', 'url'))
) partition by range (tweet_id);
create index idx_twitter_entities_normalized on core.twitter_entities (entity_type, entity_normalized, tweet_id)
    where entity_type <> 'url';
comment on index core.idx_twitter_entities_normalized is 'Tweets with a hashtag or a mention, newest first';
create index idx_twitter_entities_url_host on core.twitter_entities (url_host, tweet_id) where entity_type = 'url';
comment on index core.idx_twitter_entities_url_host is 'Tweets that link to a host, newest first';

-- One row per tweet whose JSON is kept for SQL; filled only where STORE_RAW_JSONB is set. To search inside it:
-- create index idx_twitter_tweet_raw_data on core.twitter_tweet_raw using gin (raw_data jsonb_path_ops);
create table core.twitter_tweet_raw (
    tweet_id bigint not null,
    raw_data jsonb not null,
    constraint twitter_tweet_raw_pkey primary key (tweet_id)
) partition by range (tweet_id);

-- One row per profile and observation that was taken on purpose, to follow its evolution.
create table core.twitter_profile_snapshots (
    profile_id bigint not null
        constraint twitter_profile_snapshots_profile_id_fkey references core.twitter_profiles (twitter_user_id),
    snapshot_at timestamptz not null,
    followers_count bigint,
    following_count bigint,
    tweets_count bigint,
    favourites_count bigint,
    constraint twitter_profile_snapshots_pkey primary key (profile_id, snapshot_at)
);

-- One row per notice that a tweet was deleted, withheld or restored, as the provider said it.
create table core.twitter_compliance_events (
    tweet_id bigint not null,
    event_type text not null,
    event_at timestamptz not null,
    received_at timestamptz not null,
    user_id bigint,
    delivery_id bigint not null,
    constraint twitter_compliance_events_pkey primary key (tweet_id, event_type, event_at)
);

-- The design document's row of a tweet: content, latest counters, ids as text for tools that round large numbers.
create view core.twitter_tweets_with_metrics as
select
    tweets.tweet_id,
    tweets.tweet_id::text as tweet_id_text,
    tweets.author_profile_id,
    tweets.author_profile_id::text as author_profile_id_text,
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
    'https://x.com/i/status/' || tweets.tweet_id as tweet_url,
    'https://twitter.com/i/status/' || tweets.tweet_id as twitter_url,
    tweets.delivery_id,
    tweets.is_sanitised,
    tweets.is_processed,
    tweets.sentiment_score,
    tweets.created_at,
    tweets.updated_at
from core.twitter_tweets as tweets
left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id;

-- The design document's row of an observation: counters, total, and the change since the observation before it.
create view core.twitter_engagement_history_with_deltas as
select
    totals.tweet_id,
    totals.snapshot_at,
    totals.retweet_count,
    totals.reply_count,
    totals.like_count,
    totals.quote_count,
    totals.view_count,
    totals.bookmark_count,
    totals.total_engagement,
    totals.retweet_count - lag(totals.retweet_count) over by_time as delta_retweets,
    totals.reply_count - lag(totals.reply_count) over by_time as delta_replies,
    totals.like_count - lag(totals.like_count) over by_time as delta_likes,
    totals.quote_count - lag(totals.quote_count) over by_time as delta_quotes,
    totals.view_count - lag(totals.view_count) over by_time as delta_views,
    (totals.total_engagement - lag(totals.total_engagement) over by_time)
    / nullif(extract(epoch from totals.snapshot_at - lag(totals.snapshot_at) over by_time) / 3600, 0)
        as engagement_velocity
from (
    select
        history.*,
        case
            when
                coalesce(history.retweet_count, history.reply_count, history.like_count, history.quote_count)
                is not null
                then
                    coalesce(history.retweet_count, 0) + coalesce(history.reply_count, 0)
                    + coalesce(history.like_count, 0) + coalesce(history.quote_count, 0)
        end as total_engagement
    from core.twitter_engagement_history as history
) as totals
window by_time as (partition by totals.tweet_id order by totals.snapshot_at);
comment on column core.twitter_engagement_history_with_deltas.engagement_velocity is
    'Change of the total engagement per hour since the observation before; may be negative; NULL when unknown';

comment on table core.zones is 'One row per zone: a topic area that rules collect tweets for';
comment on table core.twitter_rules is 'One row per rule: what the provider is asked to deliver, and for which zone';
comment on table core.twitter_profiles is
    'One row per account, as last observed; no username means that only the id is known';
comment on table core.twitter_tweets is 'One row per tweet, delivered by a rule or embedded in a retweet or a quote';
comment on table core.twitter_tweet_zones is 'One row per tweet and zone that collected it';
comment on table core.twitter_tweet_metrics is 'One row per tweet: the latest known counters, NULL where unknown';
comment on table core.twitter_engagement_history is 'One row per tweet and observation of its counters';
comment on table core.twitter_entities is 'One row per hashtag, mention or link in a tweet, at its position';
comment on table core.twitter_tweet_raw is 'One row per tweet whose JSON is kept for SQL (optional)';
comment on table core.twitter_profile_snapshots is 'One row per profile and observation taken to follow its evolution';
comment on table core.twitter_compliance_events is 'One row per notice that a tweet was deleted, withheld or restored';
comment on view core.twitter_tweets_with_metrics is 'A tweet with its latest counters and its ids as text';
comment on view core.twitter_engagement_history_with_deltas is 'Observations with the change since the one before';

grant select, insert, update, delete on all tables in schema core to pipeline;
grant select on all tables in schema core to api_reader;
