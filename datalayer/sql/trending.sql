-- Trending hashtags, one row per zone and normal form.
-- The baseline of a tag is its use in the span before the window: the change is what "trending" means, not the volume.

-- name: trending_24h
with candidates as materialized (
    select
        trending.hashtag,
        trending.original_hashtag,
        trending.tweet_count_24h as tweet_count,
        trending.unique_authors_24h as unique_authors,
        trending.total_engagement_24h as total_engagement,
        trending.last_used_at,
        trending.sample_tweets
    from marts.twitter_trending_hashtags as trending
    where trending.zone_id = %(zone_id)s
    order by trending.tweet_count_24h desc, trending.hashtag
    limit %(candidate_limit)s
)

select
    candidates.hashtag,
    candidates.original_hashtag,
    candidates.tweet_count,
    candidates.unique_authors,
    candidates.total_engagement,
    candidates.last_used_at,
    candidates.sample_tweets,
    baseline.tweet_count as baseline_tweet_count
from candidates
cross join lateral (
    select coalesce(sum(hourly.tweet_count), 0)::bigint as tweet_count
    from intermediate.int_zone_tag_author_hourly as hourly
    where
        hourly.zone_id = %(zone_id)s
        and hourly.hashtag = candidates.hashtag
        and hourly.hour >= %(baseline_first_hour)s
        and hourly.hour < %(first_hour)s
) as baseline
order by candidates.tweet_count desc, candidates.hashtag;

-- Planned for its values: of all tags (NULL) the hours are read, of some of them their uses.
-- name: trending_window
with uses as (
    select
        hourly.hashtag,
        hourly.author_profile_id,
        hourly.original_hashtag,
        sum(hourly.tweet_count)::bigint as tweet_count,
        sum(hourly.total_engagement)::bigint as total_engagement,
        max(hourly.last_used_at) as last_used_at
    from intermediate.int_zone_tag_author_hourly as hourly
    where
        hourly.zone_id = %(zone_id)s
        and hourly.hour >= %(first_hour)s
        and hourly.hour <= %(last_hour)s
        and (%(hashtags)s::text[] is null or hourly.hashtag = any(%(hashtags)s::text[]))
    group by hourly.hashtag, hourly.author_profile_id, hourly.original_hashtag
),

candidates as materialized (
    select
        uses.hashtag,
        sum(uses.tweet_count)::bigint as tweet_count,
        count(distinct uses.author_profile_id) as unique_authors,
        sum(uses.total_engagement)::bigint as total_engagement,
        max(uses.last_used_at) as last_used_at
    from uses
    group by uses.hashtag
    order by tweet_count desc, uses.hashtag
    limit %(candidate_limit)s
)

select
    candidates.hashtag,
    spelling.original_hashtag,
    candidates.tweet_count,
    candidates.unique_authors,
    candidates.total_engagement,
    candidates.last_used_at,
    '{}'::text[] as sample_tweets,
    baseline.tweet_count as baseline_tweet_count
from candidates
cross join lateral (
    select uses.original_hashtag
    from uses
    where uses.hashtag = candidates.hashtag
    group by uses.original_hashtag
    order by sum(uses.tweet_count) desc, uses.original_hashtag collate "C"
    limit 1
) as spelling
cross join lateral (
    select coalesce(sum(hourly.tweet_count), 0)::bigint as tweet_count
    from intermediate.int_zone_tag_author_hourly as hourly
    where
        hourly.zone_id = %(zone_id)s
        and hourly.hashtag = candidates.hashtag
        and hourly.hour >= %(baseline_first_hour)s
        and hourly.hour < %(first_hour)s
) as baseline
order by candidates.tweet_count desc, candidates.hashtag;

-- What rises: by how far it stands above its own baseline.
-- name: entities_by_score
select
    trending.entity_value,
    trending.tweet_count,
    trending.unique_authors,
    trending.loudest_author_share::double precision as loudest_author_share,
    trending.expected_tweet_count::double precision as expected_tweet_count,
    trending.lift::double precision as lift,
    trending.score::double precision as score,
    trending.started_at,
    trending.peaked_at,
    trending.is_new
from marts.twitter_trending_entities as trending
where
    trending.zone_id = %(zone_id)s
    and trending.entity_type = %(entity_type)s
    and trending.time_window = %(time_window)s
order by trending.score desc, trending.entity_value
limit %(limit)s;

-- name: entities_by_tweet_count
select
    trending.entity_value,
    trending.tweet_count,
    trending.unique_authors,
    trending.loudest_author_share::double precision as loudest_author_share,
    trending.expected_tweet_count::double precision as expected_tweet_count,
    trending.lift::double precision as lift,
    trending.score::double precision as score,
    trending.started_at,
    trending.peaked_at,
    trending.is_new
from marts.twitter_trending_entities as trending
where
    trending.zone_id = %(zone_id)s
    and trending.entity_type = %(entity_type)s
    and trending.time_window = %(time_window)s
order by trending.tweet_count desc, trending.entity_value
limit %(limit)s;

-- The use of one tag by hour, for a small chart; hours without it are 0.
-- name: hashtag_hourly
select
    hours.hour,
    coalesce(uses.tweet_count, 0)::bigint as tweet_count,
    coalesce(uses.unique_authors, 0)::bigint as unique_authors
from generate_series(%(first_hour)s::timestamptz, %(last_hour)s::timestamptz, interval '1 hour') as hours (hour)
left join (
    select
        hourly.hour,
        sum(hourly.tweet_count) as tweet_count,
        count(distinct hourly.author_profile_id) as unique_authors
    from intermediate.int_zone_tag_author_hourly as hourly
    where
        hourly.zone_id = %(zone_id)s
        and hourly.hashtag = %(hashtag)s
        and hourly.hour >= %(first_hour)s
        and hourly.hour <= %(last_hour)s
    group by hourly.hour
) as uses on hours.hour = uses.hour
order by hours.hour;
