-- name: marts
select
    state.model,
    state.as_of,
    state.built_at
from ops.mart_state as state
order by state.model;

-- name: version
select
    state.model,
    (extract(epoch from state.built_at) * 1000000)::bigint as built_us,
    (extract(epoch from state.as_of) * 1000000)::bigint as as_of_us
from ops.mart_state as state
order by state.model;

-- name: suppressed
select (extract(epoch from suppression.changed_at) * 1000000)::bigint as suppressed_us
from ops.suppression_state as suppression;

-- name: newest_tweet
select
    links.tweet_id,
    links.twitter_created_at,
    tweets.collected_at
from core.twitter_tweet_zones as links
inner join core.twitter_tweets as tweets on links.tweet_id = tweets.tweet_id
where links.zone_id = %(zone_id)s and links.suppressed_at is null
order by links.tweet_id desc
limit 1;
