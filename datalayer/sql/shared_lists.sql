-- What two lists have in common: the tweets of a zone, and the tweets of a kind (see core.newest_of), newest first.
-- Look-ups begin with the newest and end when there are enough. They go by the index of the zone, which is denser than
-- the one of all tweets: a range of one id asks for that.

-- The newest of the kind that are in the zone, and how far the same number of either list reaches back.
-- name: sample
with scanned as materialized (
    select ids.tweet_id
    from core.newest_of(%(kind)s, %(value)s, %(first)s, %(end)s, %(scan_limit)s) as ids (tweet_id)
)

select
    array(
        select newest.tweet_id
        from (select scanned.tweet_id from scanned order by scanned.tweet_id desc offset 0) as newest
        cross join lateral (
            select links.zone_id
            from core.twitter_tweet_zones as links
            where
                links.zone_id = %(zone_id)s
                and links.suppressed_at is null
                and links.tweet_id >= newest.tweet_id
                and links.tweet_id <= newest.tweet_id
            limit 1
        ) as in_zone
        limit %(limit)s
    ) as ids,
    (select count(*) from scanned) as scanned_count,
    (select max(scanned.tweet_id) from scanned) as newest_id,
    (select min(scanned.tweet_id) from scanned) as last_id,
    zone.scanned_count as zone_scanned_count,
    zone.newest_id as zone_newest_id,
    zone.last_id as zone_last_id
from (
    select
        count(*) as scanned_count,
        max(ids.tweet_id) as newest_id,
        min(ids.tweet_id) as last_id
    from core.newest_in_zone(%(zone_id)s, %(first)s, %(end)s, %(scan_limit)s) as ids (tweet_id)
) as zone;

-- The newest of the kind, looked up in the zone one by one.
-- name: kind_looked_up
with scanned as materialized (
    select ids.tweet_id
    from core.newest_of(%(kind)s, %(value)s, %(first)s, %(end)s, %(scan_limit)s) as ids (tweet_id)
)

select
    array(
        select newest.tweet_id
        from (select scanned.tweet_id from scanned order by scanned.tweet_id desc offset 0) as newest
        cross join lateral (
            select links.zone_id
            from core.twitter_tweet_zones as links
            where
                links.zone_id = %(zone_id)s
                and links.suppressed_at is null
                and links.tweet_id >= newest.tweet_id
                and links.tweet_id <= newest.tweet_id
            limit 1
        ) as in_zone
        limit %(limit)s
    ) as ids,
    (select count(*) from scanned) as scanned_count,
    (select min(scanned.tweet_id) from scanned) as last_id;

-- The newest of the zone, looked up one by one.
-- name: zone_looked_up
with scanned as materialized (
    select ids.tweet_id
    from core.newest_in_zone(%(zone_id)s, %(first)s, %(end)s, %(scan_limit)s) as ids (tweet_id)
)

select
    array(
        select newest.tweet_id
        from (select scanned.tweet_id from scanned order by scanned.tweet_id desc offset 0) as newest
        cross join lateral (
            select entities.tweet_id
            from core.twitter_entities as entities
            where
                entities.tweet_id = newest.tweet_id
                and entities.entity_type = %(kind)s
                and (
                    entities.entity_normalized = %(value)s
                    or (entities.entity_type = 'url' and entities.url_host = %(value)s)
                )
            union all
            select tweets.tweet_id
            from core.twitter_tweets as tweets
            where
                tweets.tweet_id = newest.tweet_id
                and tweets.suppressed_at is null
                and %(kind)s = 'author'
                and tweets.author_profile_id::text = %(value)s
            limit 1
        ) as found
        limit %(limit)s
    ) as ids,
    (select count(*) from scanned) as scanned_count,
    (select min(scanned.tweet_id) from scanned) as last_id;

-- Both lists side by side, over a range of ids.
-- name: merged
select
    array(
        select ids.tweet_id
        from core.newest_in_zone_of(
            %(zone_id)s, %(kind)s, %(value)s, %(first)s, %(end)s, %(limit)s
        ) as ids (tweet_id)
    ) as ids;
