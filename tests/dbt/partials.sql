-- What the partials must hold, counted from core with nothing in between: rows that one side has and the other has not.

-- name: int_zone_author_totals
with expected as (
    select
        links.zone_id,
        tweets.author_profile_id,
        count(*) as tweet_count,
        coalesce(sum(metrics.total_engagement), 0)::bigint as known_engagement,
        count(metrics.total_engagement) as engagement_known_count
    from core.twitter_tweets as tweets
    inner join core.twitter_tweet_zones as links on tweets.tweet_id = links.tweet_id
    left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
    where tweets.suppressed_at is null and links.suppressed_at is null
    group by links.zone_id, tweets.author_profile_id
)

(select * from expected except all select * from intermediate.int_zone_author_totals)
union all
(select * from intermediate.int_zone_author_totals except all select * from expected);

-- name: int_zone_tag_window
with uses as (
    select distinct on (links.zone_id, tweets.tweet_id, entities.entity_normalized)
        links.zone_id,
        entities.entity_normalized as hashtag,
        entities.entity_value as spelling,
        tweets.tweet_id,
        tweets.author_profile_id,
        tweets.twitter_created_at,
        date_trunc('hour', tweets.twitter_created_at, 'UTC') as hour,
        metrics.total_engagement
    from ops.mart_state as state
    cross join core.twitter_tweets as tweets
    inner join core.twitter_tweet_zones as links on tweets.tweet_id = links.tweet_id
    inner join core.twitter_entities as entities on tweets.tweet_id = entities.tweet_id
    left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
    where
        state.model = 'int_zone_tag_window'
        and entities.entity_type = 'hashtag'
        and tweets.suppressed_at is null
        and links.suppressed_at is null
        and tweets.twitter_created_at >= date_trunc('hour', state.as_of, 'UTC') - interval '23 hours'
        and tweets.twitter_created_at < date_trunc('hour', state.as_of, 'UTC') + interval '1 hour'
    order by
        links.zone_id, tweets.tweet_id, entities.entity_normalized, entities.start_index nulls last, entities.ordinal
),

expected as (
    select
        uses.zone_id,
        uses.hashtag,
        count(*) as tweet_count,
        count(distinct uses.author_profile_id) as author_count,
        coalesce(sum(uses.total_engagement), 0)::bigint as known_engagement,
        count(distinct (uses.hour, uses.author_profile_id, uses.spelling)) filter (
            where uses.total_engagement is not null
        ) as known_row_count,
        max(uses.twitter_created_at) as last_used_at,
        (
            select array_agg(votes.spelling order by votes.vote_count desc, votes.spelling collate "C")
            from (
                select same.spelling, count(*) as vote_count
                from uses as same
                where same.zone_id = uses.zone_id and same.hashtag = uses.hashtag
                group by same.spelling
            ) as votes
        ) as spellings,
        (
            select array_agg(votes.vote_count order by votes.vote_count desc)
            from (
                select same.spelling, count(*) as vote_count
                from uses as same
                where same.zone_id = uses.zone_id and same.hashtag = uses.hashtag
                group by same.spelling
            ) as votes
        ) as spelling_counts,
        (array_agg(uses.tweet_id order by uses.total_engagement desc nulls last, uses.tweet_id desc))[1:3]
            as top_tweet_ids,
        (array_agg(uses.total_engagement order by uses.total_engagement desc nulls last, uses.tweet_id desc))[1:3]
            as top_tweet_engagements
    from uses
    group by uses.zone_id, uses.hashtag
)

(select * from expected except all select * from intermediate.int_zone_tag_window)
union all
(select * from intermediate.int_zone_tag_window except all select * from expected);
