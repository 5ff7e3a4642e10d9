-- The limit of P6: the rows that bringing the marts up to date has just written, written once more with their indexes, and
-- nothing read, compared or summed for it. Without triggers, in a transaction that is rolled back.

-- name: prepare
-- New rows are taken out beforehand; of others, and of all rows of the marts, the places are known.
create temporary table tweets on commit drop as
select counted.*
from intermediate.int_zone_counted_tweets as counted
where counted.tweet_id >= core.snowflake_floor(current_setting('bench.since')::timestamptz);

create temporary table hours on commit drop as
select hours.ctid as place, hours.tweet_count = batch.tweet_count as is_new, hours.*
from (
    select zone_id, hour, author_profile_id, count(*) as tweet_count from tweets group by 1, 2, 3
) as batch
inner join intermediate.int_zone_author_hourly as hours using (zone_id, hour, author_profile_id);

create temporary table profiles on commit drop as
select mart.ctid as place
from (select distinct zone_id, author_profile_id from tweets) as batch
inner join marts.twitter_top_profiles_by_zone as mart
    on batch.zone_id = mart.zone_id and batch.author_profile_id = mart.profile_id;

create temporary table authors on commit drop as
select authors.ctid as place, authors.tweet_count = batch.tweet_count as is_new, authors.*
from (
    select zone_id, hashtag, author_profile_id, count(*) as tweet_count
    from tweets
    cross join lateral unnest(hashtags) as used (hashtag)
    group by 1, 2, 3
) as batch
inner join intermediate.int_zone_tag_author_window as authors using (zone_id, hashtag, author_profile_id);

create temporary table tags on commit drop as
select mart.ctid as place
from (select distinct zone_id, hashtag from authors) as batch
inner join marts.twitter_trending_hashtags as mart using (zone_id, hashtag);

analyze tweets, hours, profiles, authors, tags;
delete from intermediate.int_zone_counted_tweets as present using tweets where present.tweet_id = tweets.tweet_id;
delete from intermediate.int_zone_author_hourly as present using hours where present.ctid = hours.place and hours.is_new;
delete from intermediate.int_zone_tag_author_window as present
using authors
where present.ctid = authors.place and authors.is_new;

-- name: tweets
insert into intermediate.int_zone_counted_tweets
select *
from tweets
order by tweet_id;

-- name: new_hours
insert into intermediate.int_zone_author_hourly (
    zone_id, hour, author_profile_id, tweet_count, tweets_with_media, tweets_with_links, reply_tweets, total_retweets,
    total_replies, total_likes, total_quotes, total_views, total_bookmarks, total_engagement, retweets_known_count,
    replies_known_count, likes_known_count, quotes_known_count, views_known_count, bookmarks_known_count,
    engagement_known_count, sentiment_sum, sentiment_count, last_tweet_at, last_tweet_id, top_engagement, top_tweet_id
)
select
    zone_id, hour, author_profile_id, tweet_count, tweets_with_media, tweets_with_links, reply_tweets, total_retweets,
    total_replies, total_likes, total_quotes, total_views, total_bookmarks, total_engagement, retweets_known_count,
    replies_known_count, likes_known_count, quotes_known_count, views_known_count, bookmarks_known_count,
    engagement_known_count, sentiment_sum, sentiment_count, last_tweet_at, last_tweet_id, top_engagement, top_tweet_id
from hours
where is_new
order by author_profile_id, zone_id;

-- name: hours
update intermediate.int_zone_author_hourly as present
set tweet_count = present.tweet_count + 1, last_tweet_at = now()
from hours
where present.ctid = hours.place and not hours.is_new;

-- name: profiles
update marts.twitter_top_profiles_by_zone as present
set
    tweet_count = present.tweet_count + 1,
    total_engagement = present.total_engagement + 7,
    last_tweet_at = now()
from profiles
where present.ctid = profiles.place;

-- name: new_authors
insert into intermediate.int_zone_tag_author_window (
    zone_id, hashtag, author_profile_id, tweet_count, last_used_at, best_engagement, best_tweet_id
)
select
    zone_id, hashtag, author_profile_id, tweet_count, last_used_at, best_engagement, best_tweet_id
from authors
where is_new
order by zone_id, hashtag, author_profile_id;

-- name: authors
update intermediate.int_zone_tag_author_window as present
set tweet_count = present.tweet_count + 1, last_used_at = now()
from authors
where present.ctid = authors.place and not authors.is_new;

-- name: tags
update marts.twitter_trending_hashtags as present
set
    tweet_count_24h = present.tweet_count_24h + 1,
    total_engagement_24h = present.total_engagement_24h + 7,
    last_used_at = now()
from tags
where present.ctid = tags.place;
