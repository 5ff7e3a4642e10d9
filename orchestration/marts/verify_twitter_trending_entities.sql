-- The recount of twitter_trending_entities, straight from core, for the moment that the mart was last built for.
-- All statements run in one transaction with one snapshot.

-- name: choose
create temporary table checked_buckets on commit drop as
with bounds as (
    select
        core.first_tweet_id_of(
            date_bin('10 minutes', state.as_of, timestamptz '2000-01-01 00:00:00+00') - interval '14 days'
        ) as first_tweet_id
    from ops.mart_state as state
    where state.model = 'twitter_trending_entities'
),

claimed as (
    select claims.zone_id, claims.entity_type, claims.entity_value
    from ops.twitter_trending_entities__claims as claims
    order by hashtext(claims.entity_value || %(slice)s::text), claims.entity_type, claims.zone_id
    limit %(claimed_limit)s
),

named as (
    select
        entities.entity_type,
        case entities.entity_type when 'url' then entities.url_host else entities.entity_normalized end as entity_value
    from bounds
    inner join core.twitter_entities as entities on bounds.first_tweet_id <= entities.tweet_id
    union
    select mart.entity_type, mart.entity_value
    from marts.twitter_trending_entities as mart
),

candidates as (
    select claimed.zone_id, claimed.entity_type, claimed.entity_value from claimed
    union
    select zones.id, named.entity_type, named.entity_value
    from named
    cross join core.zones
    where
        named.entity_value is not null
        and mod(hashtext(named.entity_value)::bigint + 2147483648, %(slices)s) = %(slice)s
),

changed_hours as (
    select marks.zone_id, marks.hour, marks.author_profile_id from ops.waiting_author_hours() as marks
    union
    select marks.zone_id, marks.hour, marks.author_profile_id from ops.int_zone_entity_author_hourly__marks as marks
)

select candidates.zone_id, candidates.entity_type, candidates.entity_value
from candidates
except
select marks.zone_id, marks.entity_type, marks.entity_value from ops.twitter_trending_entities__marks as marks
except
select built.zone_id, built.entity_type, built.entity_value
from changed_hours
inner join intermediate.int_zone_entity_author_hourly as built
    on
        changed_hours.zone_id = built.zone_id
        and changed_hours.hour = built.hour
        and changed_hours.author_profile_id = built.author_profile_id
except
select
    changed_hours.zone_id,
    entities.entity_type,
    case entities.entity_type when 'url' then entities.url_host else entities.entity_normalized end
from changed_hours
inner join core.twitter_tweets as tweets
    on
        changed_hours.author_profile_id = tweets.author_profile_id
        and tweets.tweet_id >= core.first_tweet_id_of(changed_hours.hour)
        and tweets.tweet_id < core.end_tweet_id_of(changed_hours.hour + interval '1 hour')
inner join core.twitter_entities as entities on tweets.tweet_id = entities.tweet_id;

-- name: recount
create temporary table recounted on commit drop as
with moment as (
    select date_bin('10 minutes', state.as_of, timestamptz '2000-01-01 00:00:00+00') as end_at
    from ops.mart_state as state
    where state.model = 'twitter_trending_entities'
),

named as (
    select distinct checked_buckets.entity_type, checked_buckets.entity_value
    from checked_buckets
),

-- Handles and tags are found by one index, hosts by another.
naming_tweets as (
    select
        named.entity_type,
        named.entity_value,
        found.tweet_id
    from named
    cross join lateral (
        select distinct entities.tweet_id
        from core.twitter_entities as entities
        where
            entities.entity_type <> 'url'
            and entities.entity_type = named.entity_type
            and entities.entity_normalized = named.entity_value
            and entities.tweet_id >= (select core.first_tweet_id_of(moment.end_at - interval '14 days') from moment)
        offset 0
    ) as found
    where named.entity_type <> 'url'
    union all
    select
        named.entity_type,
        named.entity_value,
        found.tweet_id
    from named
    cross join lateral (
        select distinct entities.tweet_id
        from core.twitter_entities as entities
        where
            entities.entity_type = 'url'
            and entities.url_host = named.entity_value
            and entities.tweet_id >= (select core.first_tweet_id_of(moment.end_at - interval '14 days') from moment)
        offset 0
    ) as found
    where named.entity_type = 'url'
),

uses as (
    select
        checked_buckets.zone_id,
        checked_buckets.entity_type,
        checked_buckets.entity_value,
        tweets.author_profile_id,
        moment.end_at,
        moment.end_at - tweets.twitter_created_at as age,
        date_bin('10 minutes', tweets.twitter_created_at, timestamptz '2000-01-01 00:00:00+00') as slot
    from naming_tweets
    cross join moment
    inner join core.twitter_tweets as tweets on naming_tweets.tweet_id = tweets.tweet_id
    inner join core.twitter_tweet_zones as links
        on naming_tweets.tweet_id = links.tweet_id and links.suppressed_at is null
    inner join checked_buckets
        on
            links.zone_id = checked_buckets.zone_id
            and naming_tweets.entity_type = checked_buckets.entity_type
            and naming_tweets.entity_value = checked_buckets.entity_value
    where
        tweets.suppressed_at is null
        and tweets.twitter_created_at < moment.end_at
        and tweets.twitter_created_at >= moment.end_at - interval '14 days'
),

windowed as (
    select
        uses.zone_id,
        uses.entity_type,
        uses.entity_value,
        sizes.time_window,
        uses.author_profile_id,
        uses.slot,
        sizes.hour_count,
        uses.age <= sizes.hour_count * interval '1 hour' as is_inside,
        uses.age > greatest(24, sizes.hour_count) * interval '1 hour'
        and uses.age <= (greatest(24, sizes.hour_count) + 168) * interval '1 hour' as is_before
    from uses
    cross join (values ('1h', 1), ('6h', 6), ('24h', 24), ('7d', 168)) as sizes (time_window, hour_count)
),

loudest as (
    select
        by_author.zone_id,
        by_author.entity_type,
        by_author.entity_value,
        by_author.time_window,
        max(by_author.tweet_count) as tweet_count
    from (
        select
            windowed.zone_id,
            windowed.entity_type,
            windowed.entity_value,
            windowed.time_window,
            count(*) as tweet_count
        from windowed
        where windowed.is_inside
        group by
            windowed.zone_id,
            windowed.entity_type,
            windowed.entity_value,
            windowed.time_window,
            windowed.author_profile_id
    ) as by_author
    group by by_author.zone_id, by_author.entity_type, by_author.entity_value, by_author.time_window
),

peaks as (
    select
        by_slot.zone_id,
        by_slot.entity_type,
        by_slot.entity_value,
        by_slot.time_window,
        by_slot.slot
    from (
        select
            windowed.zone_id,
            windowed.entity_type,
            windowed.entity_value,
            windowed.time_window,
            windowed.slot,
            row_number() over (
                partition by windowed.zone_id, windowed.entity_type, windowed.entity_value, windowed.time_window
                order by count(*) desc, windowed.slot desc
            ) as place
        from windowed
        where windowed.is_inside
        group by windowed.zone_id, windowed.entity_type, windowed.entity_value, windowed.time_window, windowed.slot
    ) as by_slot
    where by_slot.place = 1
),

counts as (
    select
        windowed.zone_id,
        windowed.entity_type,
        windowed.entity_value,
        windowed.time_window,
        count(*) filter (where windowed.is_inside) as tweet_count,
        count(distinct windowed.author_profile_id) filter (where windowed.is_inside) as unique_authors,
        round(count(*) filter (where windowed.is_before) * windowed.hour_count / 168.0, 6) as expected_tweet_count,
        min(windowed.slot) filter (where windowed.is_inside) as started_at,
        count(*) filter (where windowed.is_before) = 0 as is_new
    from windowed
    group by
        windowed.zone_id, windowed.entity_type, windowed.entity_value, windowed.time_window, windowed.hour_count
    having count(*) filter (where windowed.is_inside) >= 3
),

-- Side by side and grouped instead of joined: the planner, which cannot know how many rows any of the three has, chose
-- loops within loops (50 s for the 21,000 values of 13 minutes).
parts as (
    select
        counts.*,
        null::bigint as loudest_tweet_count,
        null::timestamptz as peaked_at
    from counts
    union all
    select
        loudest.zone_id,
        loudest.entity_type,
        loudest.entity_value,
        loudest.time_window,
        null,
        null,
        null,
        null,
        null,
        loudest.tweet_count,
        null
    from loudest
    union all
    select
        peaks.zone_id,
        peaks.entity_type,
        peaks.entity_value,
        peaks.time_window,
        null,
        null,
        null,
        null,
        null,
        null,
        peaks.slot
    from peaks
),

shares as (
    select
        parts.zone_id,
        parts.entity_type,
        parts.entity_value,
        parts.time_window,
        max(parts.tweet_count) as tweet_count,
        max(parts.unique_authors) as unique_authors,
        max(parts.expected_tweet_count) as expected_tweet_count,
        max(parts.started_at) as started_at,
        bool_or(parts.is_new) as is_new,
        round(max(parts.loudest_tweet_count) / max(parts.tweet_count)::numeric, 6) as loudest_author_share,
        max(parts.peaked_at) as peaked_at
    from parts
    group by parts.zone_id, parts.entity_type, parts.entity_value, parts.time_window
    having max(parts.tweet_count) is not null
)

select
    shares.zone_id,
    shares.entity_type,
    shares.time_window,
    shares.entity_value,
    shares.tweet_count,
    shares.unique_authors,
    shares.loudest_author_share,
    shares.expected_tweet_count,
    round((shares.tweet_count + 1) / (shares.expected_tweet_count + 1), 6) as lift,
    round(
        (shares.tweet_count - shares.expected_tweet_count)
        / sqrt(1 + shares.expected_tweet_count + power(0.3 * shares.expected_tweet_count, 2))
        * (1 - shares.loudest_author_share),
        6
    ) as score,
    shares.started_at,
    shares.peaked_at,
    shares.is_new
from shares;

-- name: compare
create temporary table drifted_buckets on commit drop as
with present as (
    select
        mart.zone_id,
        mart.entity_type,
        mart.time_window,
        mart.entity_value,
        mart.tweet_count,
        mart.unique_authors,
        mart.loudest_author_share,
        mart.expected_tweet_count,
        mart.lift,
        mart.score,
        mart.started_at,
        mart.peaked_at,
        mart.is_new
    from marts.twitter_trending_entities as mart
    inner join checked_buckets
        on
            mart.zone_id = checked_buckets.zone_id
            and mart.entity_type = checked_buckets.entity_type
            and mart.entity_value = checked_buckets.entity_value
),

differences as (
    (select * from present except all select * from recounted)
    union all
    (select * from recounted except all select * from present)
)

select distinct differences.zone_id, differences.entity_type, differences.entity_value
from differences;

-- name: mark
-- From the bottom: what the mart is built from may be what is wrong.
with bounds as (
    select date_trunc('hour', state.as_of, 'UTC') - interval '337 hours' as first_hour
    from ops.mart_state as state
    where state.model = 'twitter_trending_entities'
),

hours as (
    select built.zone_id, built.hour, built.author_profile_id
    from intermediate.int_zone_entity_author_hourly as built
    inner join drifted_buckets
        on
            built.zone_id = drifted_buckets.zone_id
            and built.entity_type = drifted_buckets.entity_type
            and built.entity_value = drifted_buckets.entity_value
    union
    select links.zone_id, date_trunc('hour', tweets.twitter_created_at, 'UTC'), tweets.author_profile_id
    from drifted_buckets
    inner join core.twitter_entities as entities
        on
            drifted_buckets.entity_type = entities.entity_type
            and drifted_buckets.entity_value
            = case entities.entity_type when 'url' then entities.url_host else entities.entity_normalized end
            and entities.tweet_id >= (select core.first_tweet_id_of(bounds.first_hour) from bounds)
    inner join core.twitter_tweets as tweets on entities.tweet_id = tweets.tweet_id
    inner join core.twitter_tweet_zones as links
        on drifted_buckets.zone_id = links.zone_id and tweets.tweet_id = links.tweet_id
),

from_below as (
    insert into ops.int_zone_author_hourly__marks (zone_id, hour, author_profile_id)
    select hours.zone_id, hours.hour, hours.author_profile_id
    from hours
    returning zone_id, hour, author_profile_id
),

tweets_below as (
    insert into ops.int_zone_counted_tweets__marks (tweet_id)
    select distinct found.tweet_id
    from from_below
    cross join lateral ops.tweets_of_author_hour(from_below.hour, from_below.author_profile_id) as found (tweet_id)
)

insert into ops.twitter_trending_entities__marks (zone_id, entity_type, entity_value)
select drifted_buckets.zone_id, drifted_buckets.entity_type, drifted_buckets.entity_value
from drifted_buckets;
