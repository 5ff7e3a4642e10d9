-- Lists of tweets are read in two steps: ids first, from one narrow index, then the rows of one page. The functions
-- core.newest_… return ids in descending order, whatever plan the planner would prefer.
-- The statements that filter read a bounded number of ids (scan_limit) and say how far they came; "offset 0" keeps
-- them looking up one id after the other, whatever the planner thinks of a table that was filled a moment ago.

-- The rows of a page, whatever list it is of. An array does not say which partitions it lies in; its bounds do.
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
where
    tweets.tweet_id = any(%(ids)s::bigint[])
    and tweets.tweet_id >= %(lowest)s
    and tweets.tweet_id <= %(highest)s
    and tweets.suppressed_at is null;

-- name: feed_ids
select ids.tweet_id
from core.newest_in_zone(%(zone_id)s, %(first)s, %(end)s, %(limit)s) as ids (tweet_id);

-- name: filtered_feed_ids
with scanned as materialized (
    select ids.tweet_id
    from core.newest_in_zone(%(zone_id)s, %(first)s, %(end)s, %(scan_limit)s) as ids (tweet_id)
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
            where tweets.tweet_id = scanned.tweet_id and tweets.suppressed_at is null
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
    select ids.tweet_id
    from core.newest_of('author', %(author_id)s::bigint::text, %(first)s, %(end)s, %(scan_limit)s) as ids (tweet_id)
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
            where tweets.tweet_id = scanned.tweet_id and tweets.suppressed_at is null
            offset 0
        ) as tweets
        cross join lateral (
            select links.zone_id
            from core.twitter_tweet_zones as links
            where links.tweet_id = scanned.tweet_id and links.zone_id = %(zone_id)s and links.suppressed_at is null
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
select ids.tweet_id
from core.newest_of('author', %(author_id)s::bigint::text, %(first)s, %(end)s, %(limit)s) as ids (tweet_id);

-- The best of a span of whole hours are among the best of its whole days and of the hours beside them.
-- Some more than asked for are looked up, so that counts which came after the build still find their place.
-- name: top_engaged_ids
with candidates as materialized (
    select
        listed.tweet_id,
        listed.total_engagement
    from (
        select
            daily.tweet_id,
            daily.total_engagement
        from marts.twitter_top_engaged_tweets as daily
        where
            daily.zone_id = %(zone_id)s
            and daily.day >= %(first_day)s
            and daily.day < %(end_day)s
        union all
        select
            hourly.tweet_id,
            hourly.total_engagement
        from intermediate.int_zone_top_tweets_hourly as hourly
        where
            hourly.zone_id = %(zone_id)s
            and hourly.hour >= %(first_hour)s
            and hourly.hour < %(end_of_first_hours)s
        union all
        select
            hourly.tweet_id,
            hourly.total_engagement
        from intermediate.int_zone_top_tweets_hourly as hourly
        where
            hourly.zone_id = %(zone_id)s
            and hourly.hour >= %(first_of_last_hours)s
            and hourly.hour <= %(last_hour)s
    ) as listed
    order by listed.total_engagement desc, listed.tweet_id desc
    limit %(candidate_limit)s
)

select candidates.tweet_id
from candidates
cross join lateral (
    select metrics.total_engagement
    from core.twitter_tweet_metrics as metrics
    where metrics.tweet_id = candidates.tweet_id
    offset 0
) as latest
cross join lateral (
    select tweets.tweet_id
    from core.twitter_tweets as tweets
    where tweets.tweet_id = candidates.tweet_id and tweets.suppressed_at is null
    offset 0
) as shown
where latest.total_engagement is not null
order by latest.total_engagement desc, candidates.tweet_id desc
limit %(limit)s;

-- name: conversation_ids
select tweets.tweet_id
from core.twitter_tweets as tweets
where
    tweets.conversation_id = %(conversation_id)s
    and tweets.suppressed_at is null
    and tweets.conversation_id <> tweets.tweet_id
    and tweets.tweet_id >= %(first)s
order by tweets.tweet_id
limit %(limit)s;

-- name: conversation_of
select coalesce(tweets.conversation_id, tweets.tweet_id) as conversation_id
from core.twitter_tweets as tweets
where tweets.tweet_id = %(tweet_id)s and tweets.suppressed_at is null;

-- name: delivery_of
select
    tweets.delivery_id,
    deliveries.body,
    deliveries.dictionary_id,
    deliveries.source,
    deliveries.received_at
from core.twitter_tweets as tweets
left join raw.deliveries as deliveries on tweets.delivery_id = deliveries.delivery_id
where tweets.tweet_id = %(tweet_id)s and tweets.suppressed_at is null;

-- name: dictionaries
select
    dictionaries.dictionary_id,
    dictionaries.dictionary
from raw.compression_dictionaries as dictionaries
where dictionaries.dictionary_id = %(dictionary_id)s;

-- name: newest_id
select max(ids.tweet_id) as tweet_id
from core.newest_in_zone(%(zone_id)s, %(first)s, %(end)s, 1) as ids (tweet_id);

-- name: zone_names_of
select
    links.tweet_id,
    zones.name
from core.twitter_tweet_zones as links
inner join core.zones as zones on links.zone_id = zones.id
where
    links.tweet_id = any(%(ids)s::bigint[])
    and links.tweet_id >= %(lowest)s
    and links.tweet_id <= %(highest)s
    and links.suppressed_at is null;
