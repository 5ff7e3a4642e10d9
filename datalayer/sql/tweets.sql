-- Lists of tweets are read in two steps: ids first, from one narrow index, then the rows of one page.
-- The statements that filter read a bounded number of ids (scan_limit) and say how far they came; "offset 0" keeps
-- them looking up one id after the other, whatever the planner thinks of a table that was filled a moment ago.

-- The rows of a page, whatever list it is of.
-- name: by_ids
select
    tweets.tweet_id,
    tweets.text,
    tweets.lang,
    tweets.twitter_created_at,
    tweets.collected_at,
    tweets.conversation_id,
    tweets.in_reply_to_tweet_id,
    tweets.in_reply_to_username,
    tweets.retweeted_tweet_id,
    tweets.quoted_tweet_id,
    tweets.has_media,
    tweets.has_links,
    tweets.is_reply,
    tweets.sentiment_score::double precision as sentiment_score,
    tweets.author_profile_id,
    profiles.username,
    profiles.name,
    profiles.profile_picture_url,
    profiles.is_verified,
    profiles.is_blue_verified,
    profiles.followers_count,
    metrics.retweet_count,
    metrics.reply_count,
    metrics.like_count,
    metrics.quote_count,
    metrics.view_count,
    metrics.bookmark_count,
    metrics.total_engagement,
    metrics.observed_at,
    found.entities
from core.twitter_tweets as tweets
inner join core.twitter_profiles as profiles on tweets.author_profile_id = profiles.twitter_user_id
left join core.twitter_tweet_metrics as metrics on tweets.tweet_id = metrics.tweet_id
left join lateral (
    select
        json_agg(
            json_build_array(
                entities.entity_type, entities.entity_value, entities.entity_normalized, entities.start_index,
                entities.end_index, entities.mentioned_user_id
            )
            order by entities.ordinal
        ) as entities
    from core.twitter_entities as entities
    where entities.tweet_id = tweets.tweet_id
) as found on true
where tweets.tweet_id = any(%(ids)s::bigint[]);

-- name: feed_ids
select links.tweet_id
from core.twitter_tweet_zones as links
where links.zone_id = %(zone_id)s and links.tweet_id >= %(first)s and links.tweet_id < %(end)s
order by links.tweet_id desc
limit %(limit)s;

-- name: filtered_feed_ids
with scanned as materialized (
    select links.tweet_id
    from core.twitter_tweet_zones as links
    where links.zone_id = %(zone_id)s and links.tweet_id >= %(first)s and links.tweet_id < %(end)s
    order by links.tweet_id desc
    limit %(scan_limit)s
)

select
    array(
        select scanned.tweet_id
        from scanned
        cross join lateral (
            select
                tweets.has_media,
                tweets.has_links,
                tweets.is_reply,
                tweets.lang
            from core.twitter_tweets as tweets
            where tweets.tweet_id = scanned.tweet_id
            offset 0
        ) as tweets
        left join lateral (
            select metrics.total_engagement
            from core.twitter_tweet_metrics as metrics
            where metrics.tweet_id = scanned.tweet_id
            offset 0
        ) as metrics on true
        where
            tweets.has_media = coalesce(%(has_media)s::boolean, tweets.has_media)
            and tweets.has_links = coalesce(%(has_links)s::boolean, tweets.has_links)
            and tweets.is_reply = coalesce(%(is_reply)s::boolean, tweets.is_reply)
            and (%(lang)s::text is null or tweets.lang = %(lang)s::text)
            and (%(min_engagement)s::bigint is null or metrics.total_engagement >= %(min_engagement)s::bigint)
        order by scanned.tweet_id desc
        limit %(limit)s
    ) as ids,
    (select count(*) from scanned) as scanned_count,
    (select min(scanned.tweet_id) from scanned) as last_id;

-- name: filtered_author_ids
with scanned as materialized (
    select tweets.tweet_id
    from core.twitter_tweets as tweets
    where
        tweets.author_profile_id = %(author_id)s and tweets.tweet_id >= %(first)s and tweets.tweet_id < %(end)s
    order by tweets.tweet_id desc
    limit %(scan_limit)s
)

select
    array(
        select scanned.tweet_id
        from scanned
        cross join lateral (
            select
                tweets.has_media,
                tweets.has_links,
                tweets.is_reply,
                tweets.lang
            from core.twitter_tweets as tweets
            where tweets.tweet_id = scanned.tweet_id
            offset 0
        ) as tweets
        cross join lateral (
            select links.zone_id
            from core.twitter_tweet_zones as links
            where links.tweet_id = scanned.tweet_id and links.zone_id = %(zone_id)s
            offset 0
        ) as in_zone
        left join lateral (
            select metrics.total_engagement
            from core.twitter_tweet_metrics as metrics
            where metrics.tweet_id = scanned.tweet_id
            offset 0
        ) as metrics on true
        where
            tweets.has_media = coalesce(%(has_media)s::boolean, tweets.has_media)
            and tweets.has_links = coalesce(%(has_links)s::boolean, tweets.has_links)
            and tweets.is_reply = coalesce(%(is_reply)s::boolean, tweets.is_reply)
            and (%(lang)s::text is null or tweets.lang = %(lang)s::text)
            and (%(min_engagement)s::bigint is null or metrics.total_engagement >= %(min_engagement)s::bigint)
        order by scanned.tweet_id desc
        limit %(limit)s
    ) as ids,
    (select count(*) from scanned) as scanned_count,
    (select min(scanned.tweet_id) from scanned) as last_id;

-- name: profile_ids
select tweets.tweet_id
from core.twitter_tweets as tweets
where tweets.author_profile_id = %(author_id)s and tweets.tweet_id >= %(first)s and tweets.tweet_id < %(end)s
order by tweets.tweet_id desc
limit %(limit)s;

-- A tag that occurs twice in a tweet comes twice, side by side: whoever reads the ids drops the second.
-- name: entity_ids
with scanned as materialized (
    select entities.tweet_id
    from core.twitter_entities as entities
    where
        entities.entity_type = %(entity_type)s
        and entities.entity_type <> 'url'
        and entities.entity_normalized = %(normalized)s
        and entities.tweet_id >= %(first)s
        and entities.tweet_id < %(end)s
    order by entities.tweet_id desc
    limit %(scan_limit)s
)

select
    array(
        select scanned.tweet_id
        from scanned
        cross join lateral (
            select links.zone_id
            from core.twitter_tweet_zones as links
            where links.tweet_id = scanned.tweet_id and links.zone_id = %(zone_id)s
            offset 0
        ) as in_zone
        order by scanned.tweet_id desc
        limit %(limit)s
    ) as ids,
    (select count(*) from scanned) as scanned_count,
    (select min(scanned.tweet_id) from scanned) as last_id;

-- name: host_ids
with scanned as materialized (
    select entities.tweet_id
    from core.twitter_entities as entities
    where
        entities.entity_type = 'url'
        and entities.url_host = %(normalized)s
        and entities.tweet_id >= %(first)s
        and entities.tweet_id < %(end)s
    order by entities.tweet_id desc
    limit %(scan_limit)s
)

select
    array(
        select scanned.tweet_id
        from scanned
        cross join lateral (
            select links.zone_id
            from core.twitter_tweet_zones as links
            where links.tweet_id = scanned.tweet_id and links.zone_id = %(zone_id)s
            offset 0
        ) as in_zone
        order by scanned.tweet_id desc
        limit %(limit)s
    ) as ids,
    (select count(*) from scanned) as scanned_count,
    (select min(scanned.tweet_id) from scanned) as last_id;

-- The same lists, read along the zone's tweets instead: cheaper where the tag is common and the zone is small.
-- name: zone_entity_ids
with scanned as materialized (
    select links.tweet_id
    from core.twitter_tweet_zones as links
    where links.zone_id = %(zone_id)s and links.tweet_id >= %(first)s and links.tweet_id < %(end)s
    order by links.tweet_id desc
    limit %(scan_limit)s
)

select
    array(
        select scanned.tweet_id
        from scanned
        cross join lateral (
            select entities.tweet_id
            from core.twitter_entities as entities
            where
                entities.tweet_id = scanned.tweet_id
                and entities.entity_type = %(entity_type)s
                and (
                    entities.entity_normalized = %(normalized)s
                    or (entities.entity_type = 'url' and entities.url_host = %(normalized)s)
                )
            limit 1
        ) as found
        order by scanned.tweet_id desc
        limit %(limit)s
    ) as ids,
    (select count(*) from scanned) as scanned_count,
    (select min(scanned.tweet_id) from scanned) as last_id;

-- name: top_engaged_ids
select links.tweet_id
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
limit %(limit)s;

-- name: conversation_ids
select tweets.tweet_id
from core.twitter_tweets as tweets
where
    tweets.conversation_id = %(conversation_id)s
    and tweets.conversation_id <> tweets.tweet_id
    and tweets.tweet_id >= %(first)s
order by tweets.tweet_id
limit %(limit)s;

-- name: conversation_of
select coalesce(tweets.conversation_id, tweets.tweet_id) as conversation_id
from core.twitter_tweets as tweets
where tweets.tweet_id = %(tweet_id)s;

-- name: delivery_of
select
    tweets.delivery_id,
    deliveries.body,
    deliveries.dictionary_id,
    deliveries.source,
    deliveries.received_at
from core.twitter_tweets as tweets
left join raw.deliveries as deliveries on tweets.delivery_id = deliveries.delivery_id
where tweets.tweet_id = %(tweet_id)s;

-- name: dictionaries
select
    dictionaries.dictionary_id,
    dictionaries.dictionary
from raw.compression_dictionaries as dictionaries
where dictionaries.dictionary_id = %(dictionary_id)s;

-- name: newest_id
select max(links.tweet_id) as tweet_id
from core.twitter_tweet_zones as links
where links.zone_id = %(zone_id)s and links.tweet_id >= %(first)s and links.tweet_id < %(end)s;

-- name: zone_names_of
select zones.name
from core.twitter_tweet_zones as links
inner join core.zones as zones on links.zone_id = zones.id
where links.tweet_id = %(tweet_id)s
order by zones.name;
