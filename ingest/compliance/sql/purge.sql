-- What has been suppressed for long loses its content; ids stay, so that it stays suppressed.

-- name: due
select
    (
        select count(*)
        from core.twitter_tweets as tweets
        where
            tweets.suppressed_at < %(before)s
            and tweets.purged_at is null
            and tweets.suppression_reason <> 'edited'
    ) as tweets,
    (
        select count(*)
        from core.twitter_profiles as profiles
        where profiles.suppressed_at < %(before)s and profiles.purged_at is null
    ) as profiles;

-- name: choose
select
    tweets.tweet_id,
    tweets.delivery_id
from core.twitter_tweets as tweets
where
    tweets.suppressed_at < %(before)s
    and tweets.purged_at is null
    and tweets.suppression_reason <> 'edited'
order by tweets.tweet_id
limit %(limit)s;

-- name: lock_tweets
select metrics.tweet_id
from core.twitter_tweet_metrics as metrics
where metrics.tweet_id = any(%(tweet_ids)s::bigint[])
order by metrics.tweet_id
for update of metrics;

-- Whoever shows a tweet again meanwhile has its content back with the next delivery.
-- name: purge_tweets
update core.twitter_tweets as tweets
set
    text = '',
    source = null,
    in_reply_to_username = null,
    content_hash = 0,
    purged_at = now(),
    updated_at = now()
where tweets.tweet_id = any(%(tweet_ids)s::bigint[]) and tweets.suppressed_at < %(before)s;

-- name: purge_entities
delete from core.twitter_entities as entities
where entities.tweet_id = any(%(tweet_ids)s::bigint[]);

-- name: purge_objects
delete from core.twitter_tweet_raw as objects
where objects.tweet_id = any(%(tweet_ids)s::bigint[]);

-- name: deliveries
select
    deliveries.delivery_id,
    deliveries.dictionary_id,
    deliveries.body
from raw.deliveries
where deliveries.delivery_id = any(%(delivery_ids)s::bigint[])
order by deliveries.delivery_id;

-- name: purge_profiles
with purged as (
    update core.twitter_profiles as profiles
    set
        username = null,
        name = null,
        description = null,
        location = null,
        profile_picture_url = null,
        cover_picture_url = null,
        profile_url = null,
        automated_by = null,
        content_hash = 0,
        purged_at = now(),
        updated_at = now()
    where profiles.suppressed_at < %(before)s and profiles.purged_at is null
    returning twitter_user_id
),

names as (
    delete from core.twitter_profile_names as names
    using purged
    where names.profile_id = purged.twitter_user_id
)

select purged.twitter_user_id from purged;
