-- The design document's tables with all of their indexes, as it states them, in PostgreSQL's default settings.
-- Repaired where it is not valid SQL or cannot work: the function of the trigger and the table of zones, which it uses and
-- does not show, are added. Left out: tables that neither side writes here (profile snapshots, rules), and partitions,
-- since a table with UNIQUE (tweet_id) cannot be partitioned by time.

create table zones (
    id uuid primary key default gen_random_uuid(),
    name text not null unique
);

create function update_updated_at_column() returns trigger
    language plpgsql as
$$
begin
    new.updated_at = now();
    return new;
end
$$;

create table twitter_profiles (
    id uuid primary key default gen_random_uuid(),
    twitter_user_id text not null unique,
    username text not null,
    name text not null,
    profile_picture_url text,
    cover_picture_url text,
    description text,
    location text,
    is_verified boolean default false,
    is_blue_verified boolean default false,
    verified_type text,
    followers_count integer default 0,
    following_count integer default 0,
    tweets_count integer default 0,
    media_count integer default 0,
    favourites_count integer default 0,
    twitter_created_at timestamptz,
    is_automated boolean default false,
    automated_by text,
    can_dm boolean default false,
    possibly_sensitive boolean default false,
    profile_url text,
    twitter_url text,
    raw_data jsonb,
    first_seen_at timestamptz default now(),
    last_seen_at timestamptz default now(),
    last_updated_at timestamptz default now(),
    total_tweets_collected integer default 0,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
create unique index idx_twitter_profiles_twitter_id on twitter_profiles (twitter_user_id);
create index idx_twitter_profiles_username on twitter_profiles (username);
create index idx_twitter_profiles_followers on twitter_profiles (followers_count desc);
create index idx_twitter_profiles_last_seen on twitter_profiles (last_seen_at desc);
create index idx_twitter_profiles_total_tweets on twitter_profiles (total_tweets_collected desc);
create index idx_twitter_profiles_search on twitter_profiles
    using gin (to_tsvector('english', name || ' ' || username || ' ' || coalesce(description, '')));
create trigger update_twitter_profiles_updated_at before update on twitter_profiles
    for each row execute function update_updated_at_column();

create table twitter_tweets (
    id uuid primary key default gen_random_uuid(),
    zone_id uuid not null references zones (id) on delete cascade,
    tweet_id text not null unique,
    author_profile_id uuid not null references twitter_profiles (id) on delete cascade,
    conversation_id text,
    text text not null,
    lang text,
    source text,
    twitter_created_at timestamptz not null,
    collected_at timestamptz default now(),
    retweet_count integer default 0,
    reply_count integer default 0,
    like_count integer default 0,
    quote_count integer default 0,
    view_count integer default 0,
    bookmark_count integer default 0,
    total_engagement integer generated always as (retweet_count + reply_count + like_count + quote_count) stored,
    has_media boolean default false,
    has_links boolean default false,
    has_hashtags boolean default false,
    has_mentions boolean default false,
    is_reply boolean default false,
    in_reply_to_tweet_id text,
    in_reply_to_user_id text,
    in_reply_to_username text,
    tweet_url text,
    twitter_url text,
    raw_data jsonb not null,
    is_processed boolean default false,
    sentiment_score decimal,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
create unique index idx_twitter_tweets_tweet_id on twitter_tweets (tweet_id);
create index idx_twitter_tweets_zone_id on twitter_tweets (zone_id);
create index idx_twitter_tweets_author on twitter_tweets (author_profile_id);
create index idx_twitter_tweets_created_at on twitter_tweets (twitter_created_at desc);
create index idx_twitter_tweets_collected_at on twitter_tweets (collected_at desc);
create index idx_twitter_tweets_conversation on twitter_tweets (conversation_id);
create index idx_twitter_tweets_total_engagement on twitter_tweets (total_engagement desc);
create index idx_twitter_tweets_zone_created on twitter_tweets (zone_id, twitter_created_at desc);
create index idx_twitter_tweets_zone_engagement on twitter_tweets (zone_id, total_engagement desc);
create index idx_twitter_tweets_text_search on twitter_tweets using gin (to_tsvector('english', text));
create index idx_twitter_tweets_raw_data on twitter_tweets using gin (raw_data);
create index idx_twitter_tweets_has_media on twitter_tweets (zone_id, twitter_created_at desc) where has_media = true;
create index idx_twitter_tweets_is_reply on twitter_tweets (zone_id, twitter_created_at desc) where is_reply = true;

create table twitter_engagement_history (
    id uuid primary key default gen_random_uuid(),
    tweet_id uuid not null references twitter_tweets (id) on delete cascade,
    retweet_count integer default 0,
    reply_count integer default 0,
    like_count integer default 0,
    quote_count integer default 0,
    view_count integer default 0,
    bookmark_count integer default 0,
    total_engagement integer generated always as (retweet_count + reply_count + like_count + quote_count) stored,
    delta_retweets integer default 0,
    delta_replies integer default 0,
    delta_likes integer default 0,
    delta_quotes integer default 0,
    delta_views integer default 0,
    engagement_velocity decimal,
    snapshot_at timestamptz default now(),
    created_at timestamptz default now()
);
create index idx_twitter_engagement_tweet_id on twitter_engagement_history (tweet_id);
create index idx_twitter_engagement_snapshot_at on twitter_engagement_history (snapshot_at desc);
create index idx_twitter_engagement_velocity on twitter_engagement_history (engagement_velocity desc);
create index idx_twitter_engagement_tweet_time on twitter_engagement_history (tweet_id, snapshot_at desc);

create table twitter_entities (
    id uuid primary key default gen_random_uuid(),
    tweet_id uuid not null references twitter_tweets (id) on delete cascade,
    zone_id uuid not null references zones (id) on delete cascade,
    entity_type text not null check (entity_type in ('hashtag', 'mention', 'url')),
    entity_value text not null,
    entity_normalized text not null,
    start_index integer,
    end_index integer,
    created_at timestamptz default now()
);
create index idx_twitter_entities_tweet_id on twitter_entities (tweet_id);
create index idx_twitter_entities_zone_id on twitter_entities (zone_id);
create index idx_twitter_entities_type on twitter_entities (entity_type);
create index idx_twitter_entities_normalized on twitter_entities (entity_normalized);
create index idx_twitter_entities_zone_type_value on twitter_entities (zone_id, entity_type, entity_normalized);
