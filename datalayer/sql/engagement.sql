-- name: curve
select
    history.snapshot_at,
    history.retweet_count,
    history.reply_count,
    history.like_count,
    history.quote_count,
    history.view_count,
    history.bookmark_count,
    history.total_engagement,
    history.delta_retweets,
    history.delta_replies,
    history.delta_likes,
    history.delta_quotes,
    history.delta_views,
    history.engagement_velocity::double precision as engagement_velocity
from core.twitter_engagement_history_with_deltas as history
where
    history.tweet_id = %(tweet_id)s
    and exists (
        select from core.twitter_tweets as tweets
        where tweets.tweet_id = %(tweet_id)s and tweets.suppressed_at is null
    )
order by history.snapshot_at;

-- The change per hour between the last two observations of each of some tweets, the fastest first.
-- name: fastest
select
    candidates.tweet_id,
    latest.engagement_velocity,
    latest.snapshot_at
from unnest(%(ids)s::bigint[]) as candidates (tweet_id)
cross join lateral (
    select
        observed.snapshot_at,
        (
            (observed.total_engagement - lead(observed.total_engagement) over newest_first)
            / nullif(extract(epoch from observed.snapshot_at - lead(observed.snapshot_at) over newest_first) / 3600, 0)
        )::double precision as engagement_velocity
    from (
        select
            history.snapshot_at,
            coalesce(history.retweet_count, 0) + coalesce(history.reply_count, 0)
            + coalesce(history.like_count, 0) + coalesce(history.quote_count, 0) as total_engagement
        from core.twitter_engagement_history as history
        where
            history.tweet_id = candidates.tweet_id
            and coalesce(history.retweet_count, history.reply_count, history.like_count, history.quote_count)
            is not null
        order by history.snapshot_at desc
        limit 2
    ) as observed
    window newest_first as (order by observed.snapshot_at desc)
    order by observed.snapshot_at desc
    limit 1
) as latest
where latest.engagement_velocity > 0
order by latest.engagement_velocity desc, candidates.tweet_id desc
limit %(limit)s;
