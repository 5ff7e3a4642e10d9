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
where history.tweet_id = %(tweet_id)s
order by history.snapshot_at;

-- The change per hour between the last two observations, among the most engaged tweets of a span.
-- name: viral
with candidates as materialized (
    select
        links.tweet_id,
        metrics.total_engagement
    from core.twitter_tweet_zones as links
    inner join core.twitter_tweet_metrics as metrics on links.tweet_id = metrics.tweet_id
    where
        links.zone_id = %(zone_id)s
        and links.tweet_id >= %(first)s
        and links.tweet_id < %(end)s
        and metrics.tweet_id >= %(first)s
        and metrics.tweet_id < %(end)s
        and metrics.total_engagement is not null
    order by metrics.total_engagement desc, links.tweet_id desc
    limit %(candidate_limit)s
)

select
    candidates.tweet_id,
    latest.engagement_velocity,
    latest.snapshot_at
from candidates
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
