-- Hashtags that stand beside a given one, counted over its newest uses.
-- name: co_occurring
with uses as materialized (
    select ids.tweet_id
    from core.newest_of('hashtag', %(hashtag)s, %(first)s, %(end)s, %(sample_limit)s) as ids (tweet_id)
),

in_zone as materialized (
    select distinct uses.tweet_id
    from uses
    cross join lateral (
        select links.zone_id
        from core.twitter_tweet_zones as links
        where links.tweet_id = uses.tweet_id and links.zone_id = %(zone_id)s and links.suppressed_at is null
        offset 0
    ) as linked
),

pairs as (
    select distinct
        in_zone.tweet_id,
        beside.entity_normalized as hashtag
    from in_zone
    cross join lateral (
        select entities.entity_normalized
        from core.twitter_entities as entities
        where
            entities.tweet_id = in_zone.tweet_id
            and entities.entity_type = 'hashtag'
            and entities.entity_normalized <> %(hashtag)s
        offset 0
    ) as beside
)

select
    pairs.hashtag,
    count(*) as tweet_count,
    (select count(*) from in_zone) as sampled_tweet_count
from pairs
group by pairs.hashtag
order by tweet_count desc, pairs.hashtag
limit %(limit)s;

-- What the newest tweets of a zone mention or link to, by number of tweets.
-- name: top_of_type
with newest as materialized (
    select ids.tweet_id
    from core.newest_in_zone(%(zone_id)s, %(first)s, %(end)s, %(sample_limit)s) as ids (tweet_id)
)

select
    coalesce(entities.url_host, entities.entity_normalized) as value,
    count(distinct entities.tweet_id) as tweet_count,
    (select count(*) from newest) as sampled_tweet_count
from newest
inner join core.twitter_entities as entities on newest.tweet_id = entities.tweet_id
where entities.entity_type = %(entity_type)s
group by coalesce(entities.url_host, entities.entity_normalized)
order by tweet_count desc, value
limit %(limit)s;
