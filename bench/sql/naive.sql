-- What a client of the design document's schema does for each tweet: three statements, each prepared and committed alone.

-- name: zones
insert into zones (name)
select unnest(%(names)s::text [])
returning name, id;

-- name: profile
insert into twitter_profiles as profiles (
    twitter_user_id, username, name, profile_picture_url, cover_picture_url, description, location, is_verified,
    is_blue_verified, verified_type, followers_count, following_count, tweets_count, media_count, favourites_count,
    twitter_created_at, is_automated, automated_by, can_dm, possibly_sensitive, profile_url, total_tweets_collected
)
values (
    %(twitter_user_id)s, %(username)s, %(name)s, %(profile_picture_url)s, %(cover_picture_url)s, %(description)s,
    %(location)s, %(is_verified)s, %(is_blue_verified)s, %(verified_type)s, %(followers_count)s, %(following_count)s,
    %(tweets_count)s, %(media_count)s, %(favourites_count)s, %(twitter_created_at)s, %(is_automated)s, %(automated_by)s,
    %(can_dm)s, %(possibly_sensitive)s, %(profile_url)s, 1
)
on conflict (twitter_user_id) do update set
    username = excluded.username,
    name = excluded.name,
    profile_picture_url = excluded.profile_picture_url,
    description = excluded.description,
    location = excluded.location,
    is_verified = excluded.is_verified,
    is_blue_verified = excluded.is_blue_verified,
    followers_count = excluded.followers_count,
    following_count = excluded.following_count,
    tweets_count = excluded.tweets_count,
    media_count = excluded.media_count,
    favourites_count = excluded.favourites_count,
    last_seen_at = now(),
    last_updated_at = now(),
    total_tweets_collected = profiles.total_tweets_collected + 1
returning profiles.id;

-- name: tweet
insert into twitter_tweets as tweets (
    zone_id, tweet_id, author_profile_id, conversation_id, text, lang, source, twitter_created_at, retweet_count,
    reply_count, like_count, quote_count, view_count, bookmark_count, has_media, has_links, has_hashtags, has_mentions,
    is_reply, in_reply_to_tweet_id, in_reply_to_user_id, in_reply_to_username, tweet_url, twitter_url, raw_data
)
values (
    %(zone_id)s, %(tweet_id)s, %(author_profile_id)s, %(conversation_id)s, %(text)s, %(lang)s, %(source)s,
    %(twitter_created_at)s, %(retweet_count)s, %(reply_count)s, %(like_count)s, %(quote_count)s, %(view_count)s,
    %(bookmark_count)s, %(has_media)s, %(has_links)s, %(has_hashtags)s, %(has_mentions)s, %(is_reply)s,
    %(in_reply_to_tweet_id)s, %(in_reply_to_user_id)s, %(in_reply_to_username)s, %(tweet_url)s, %(twitter_url)s,
    %(raw_data)s::text::jsonb
)
on conflict (tweet_id) do update set
    retweet_count = excluded.retweet_count,
    reply_count = excluded.reply_count,
    like_count = excluded.like_count,
    quote_count = excluded.quote_count,
    view_count = excluded.view_count,
    bookmark_count = excluded.bookmark_count,
    raw_data = excluded.raw_data,
    updated_at = now()
returning tweets.id, tweets.xmax::text = '0' as is_new;

-- name: entities
insert into twitter_entities (
    tweet_id, zone_id, entity_type, entity_value, entity_normalized, start_index, end_index
)
select %(tweet_id)s, %(zone_id)s, given.*
from unnest(
    %(types)s::text [], %(values)s::text [], %(normalized)s::text [], %(starts)s::integer [], %(ends)s::integer []
) as given;
