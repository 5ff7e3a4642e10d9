-- The recount of twitter_trending_hashtags, straight from core, for the window that it stands at: of the buckets that
-- its latest build claimed, of those that triggers changed since the verification before, and of a rotating share of
-- all others. And of the rows of its authors, from the tweets as they were counted: what is wrong there need not have
-- reached the mart yet.
-- All statements run in one transaction with one snapshot.

-- name: choose
create temporary table checked_buckets on commit drop as
with bounds as (
    select
        core.first_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') - interval '23 hours') as first_tweet_id
    from ops.mart_state as state
    where state.model = 'twitter_trending_hashtags'
),

changed as (
    select claims.zone_id, claims.hashtag
    from ops.twitter_trending_hashtags__claims as claims
    union
    select touched.zone_id, touched.hashtag
    from ops.twitter_trending_hashtags__touched as touched
),

claimed as (
    select changed.zone_id, changed.hashtag
    from changed
    order by hashtext(changed.hashtag || %(slice)s::text), changed.zone_id
    limit %(claimed_limit)s
),

tags as (
    select entities.entity_normalized as hashtag
    from bounds
    inner join core.twitter_entities as entities on bounds.first_tweet_id <= entities.tweet_id
    where
        entities.entity_type = 'hashtag'
        and mod(hashtext(entities.entity_normalized)::bigint + 2147483648, %(slices)s) = %(slice)s
    union
    select mart.hashtag
    from marts.twitter_trending_hashtags as mart
    where mod(hashtext(mart.hashtag)::bigint + 2147483648, %(slices)s) = %(slice)s
    union
    select present.hashtag
    from intermediate.int_zone_tag_author_window as present
    where mod(hashtext(present.hashtag)::bigint + 2147483648, %(slices)s) = %(slice)s
),

candidates as (
    select claimed.zone_id, claimed.hashtag from claimed
    union
    select zones.id, tags.hashtag
    from tags
    cross join core.zones
),

changed_hours as (
    select marks.zone_id, marks.hour, marks.author_profile_id from ops.waiting_author_hours() as marks
    union
    select marks.zone_id, marks.hour, marks.author_profile_id from ops.int_zone_tag_author_hourly__marks as marks
)

select candidates.zone_id, candidates.hashtag
from candidates
-- Before its first build there is no moment to recount it for.
where exists (select 1 from ops.mart_state as state where state.model = 'twitter_trending_hashtags')
except
select marks.zone_id, marks.hashtag from ops.twitter_trending_hashtags__marks as marks
except
select marks.zone_id, marks.hashtag from ops.int_zone_tag_author_window__marks as marks
except
select built.zone_id, built.hashtag
from changed_hours
inner join intermediate.int_zone_tag_author_hourly as built
    on
        changed_hours.zone_id = built.zone_id
        and changed_hours.hour = built.hour
        and changed_hours.author_profile_id = built.author_profile_id
except
select changed_hours.zone_id, entities.entity_normalized
from changed_hours
inner join core.twitter_tweets as tweets
    on
        changed_hours.author_profile_id = tweets.author_profile_id
        and tweets.tweet_id >= core.first_tweet_id_of(changed_hours.hour)
        and tweets.tweet_id < core.end_tweet_id_of(changed_hours.hour + interval '1 hour')
inner join core.twitter_entities as entities on tweets.tweet_id = entities.tweet_id
where entities.entity_type = 'hashtag';

-- name: recount
create temporary table recounted on commit drop as
with bounds as (
    select
        state.as_of,
        date_trunc('hour', state.as_of, 'UTC') - interval '23 hours' as first_hour,
        core.first_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') - interval '23 hours') as first_tweet_id
    from ops.mart_state as state
    where state.model = 'twitter_trending_hashtags'
),

hashtags as (
    select distinct checked_buckets.hashtag from checked_buckets
),

-- One vote for each tweet: the spelling that stands first in it.
spelled as (
    select distinct on (found.tweet_id, hashtags.hashtag)
        hashtags.hashtag,
        found.tweet_id,
        found.original_hashtag
    from hashtags
    cross join lateral (
        select
            entities.tweet_id,
            entities.entity_value as original_hashtag,
            entities.start_index,
            entities.ordinal
        from core.twitter_entities as entities
        where
            entities.entity_type = 'hashtag'
            and entities.entity_normalized = hashtags.hashtag
            and entities.tweet_id >= (select bounds.first_tweet_id from bounds)
        offset 0
    ) as found
    order by found.tweet_id, hashtags.hashtag, found.start_index, found.ordinal
),

uses as (
    select
        links.zone_id,
        spelled.hashtag,
        spelled.original_hashtag,
        spelled.tweet_id,
        tweets.author_profile_id,
        tweets.twitter_created_at,
        metrics.total_engagement,
        row_number() over (
            partition by links.zone_id, spelled.hashtag
            order by metrics.total_engagement desc nulls last, spelled.tweet_id desc
        ) as place
    from spelled
    cross join bounds
    inner join core.twitter_tweets as tweets on spelled.tweet_id = tweets.tweet_id
    inner join core.twitter_tweet_zones as links on spelled.tweet_id = links.tweet_id and links.suppressed_at is null
    inner join checked_buckets on links.zone_id = checked_buckets.zone_id and spelled.hashtag = checked_buckets.hashtag
    left join core.twitter_tweet_metrics as metrics on spelled.tweet_id = metrics.tweet_id
    where
        tweets.suppressed_at is null
        and tweets.twitter_created_at >= bounds.first_hour
        and tweets.twitter_created_at <= bounds.as_of
),

votes as (
    select
        uses.zone_id,
        uses.hashtag,
        uses.original_hashtag,
        count(*) as vote_count
    from uses
    group by uses.zone_id, uses.hashtag, uses.original_hashtag
),

spelled_tags as (
    select
        votes.zone_id,
        votes.hashtag,
        array_agg(votes.original_hashtag order by votes.vote_count desc, votes.original_hashtag collate "C")
            as spellings,
        array_agg(votes.vote_count order by votes.vote_count desc) as spelling_counts
    from votes
    group by votes.zone_id, votes.hashtag
)

select
    uses.zone_id,
    uses.hashtag,
    spelled_tags.spellings[1] as original_hashtag,
    count(*) as tweet_count_24h,
    count(distinct uses.author_profile_id) as unique_authors_24h,
    sum(uses.total_engagement)::bigint as total_engagement_24h,
    count(uses.total_engagement) as engagement_known_count_24h,
    max(uses.twitter_created_at) as last_used_at,
    spelled_tags.spellings,
    spelled_tags.spelling_counts,
    array_agg(uses.tweet_id::text order by uses.place) filter (where uses.place <= 3) as sample_tweets,
    array_agg(uses.total_engagement order by uses.place) filter (where uses.place <= 3) as sample_engagements
from uses
inner join spelled_tags on uses.zone_id = spelled_tags.zone_id and uses.hashtag = spelled_tags.hashtag
group by uses.zone_id, uses.hashtag, spelled_tags.spellings, spelled_tags.spelling_counts;

-- name: compare
create temporary table drifted_buckets on commit drop as
with present as (
    select
        mart.zone_id,
        mart.hashtag,
        mart.original_hashtag,
        mart.tweet_count_24h,
        mart.unique_authors_24h,
        mart.total_engagement_24h,
        mart.engagement_known_count_24h,
        mart.last_used_at,
        mart.spellings,
        mart.spelling_counts,
        mart.sample_tweets,
        mart.sample_engagements
    from marts.twitter_trending_hashtags as mart
    inner join checked_buckets on mart.zone_id = checked_buckets.zone_id and mart.hashtag = checked_buckets.hashtag
),

authors as (
    select
        present.zone_id,
        present.hashtag,
        present.author_profile_id,
        present.tweet_count,
        present.last_used_at,
        present.best_engagement,
        present.best_tweet_id
    from checked_buckets
    inner join intermediate.int_zone_tag_author_window as present
        on checked_buckets.zone_id = present.zone_id and checked_buckets.hashtag = present.hashtag
),

-- What was counted in the window: first the tweets, then the tags.
read_uses as materialized (
    select
        counted.zone_id,
        used.hashtag,
        counted.author_profile_id,
        counted.tweet_id,
        counted.twitter_created_at,
        counted.total_engagement
    from ops.mart_state as state
    inner join intermediate.int_zone_counted_tweets as counted
        on
            counted.tweet_id >= core.first_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') - interval '23 hours')
            and counted.tweet_id < core.end_tweet_id_of(state.as_of + interval '1 millisecond')
            and counted.hour >= date_trunc('hour', state.as_of, 'UTC') - interval '23 hours'
            and state.as_of >= counted.twitter_created_at
    cross join lateral unnest(counted.hashtags) as used (hashtag)
    where state.model = 'int_zone_tag_author_window'
),

uses as (
    select read_uses.*
    from read_uses
    inner join checked_buckets
        on read_uses.zone_id = checked_buckets.zone_id and read_uses.hashtag = checked_buckets.hashtag
),

authors_counted as (
    select
        uses.zone_id,
        uses.hashtag,
        uses.author_profile_id,
        count(*) as tweet_count,
        max(uses.twitter_created_at) as last_used_at,
        (array_agg(uses.total_engagement order by uses.total_engagement desc nulls last, uses.tweet_id desc))[1]
            as best_engagement,
        (array_agg(uses.tweet_id order by uses.total_engagement desc nulls last, uses.tweet_id desc))[1]
            as best_tweet_id
    from uses
    group by uses.zone_id, uses.hashtag, uses.author_profile_id
),

-- The hours of the tags are another way from the tweets to the same counts.
hours as (
    select
        hourly.zone_id,
        hourly.hashtag,
        hourly.author_profile_id,
        sum(hourly.tweet_count)::bigint as tweet_count,
        max(hourly.last_used_at) as last_used_at,
        max(state.as_of) as as_of
    from ops.mart_state as state
    cross join checked_buckets
    inner join intermediate.int_zone_tag_author_hourly as hourly
        on checked_buckets.zone_id = hourly.zone_id and checked_buckets.hashtag = hourly.hashtag
    where
        state.model = 'int_zone_tag_author_window'
        and hourly.hour >= date_trunc('hour', state.as_of, 'UTC') - interval '23 hours'
        and hourly.hour <= date_trunc('hour', state.as_of, 'UTC')
    group by hourly.zone_id, hourly.hashtag, hourly.author_profile_id
),

differences as (
    (select * from present except all select * from recounted)
    union all
    (select * from recounted except all select * from present)
),

author_differences as (
    (select * from authors except all select * from authors_counted)
    union all
    (select * from authors_counted except all select * from authors)
),

hour_differences as (
    select
        coalesce(authors.zone_id, hours.zone_id) as zone_id,
        coalesce(authors.hashtag, hours.hashtag) as hashtag
    from authors
    full join hours
        on
            authors.zone_id = hours.zone_id
            and authors.hashtag = hours.hashtag
            and authors.author_profile_id = hours.author_profile_id
    where
        (authors.tweet_count, authors.last_used_at) is distinct from (hours.tweet_count, hours.last_used_at)
        -- Whole hours cannot tell what an author's share of the open one was until as_of.
        and coalesce(hours.last_used_at <= hours.as_of, true)
)

select differences.zone_id, differences.hashtag
from differences
union
select author_differences.zone_id, author_differences.hashtag
from author_differences
union
select hour_differences.zone_id, hour_differences.hashtag
from hour_differences;

-- name: mark
-- From the bottom: what the mart is built from may be what is wrong.
with from_below as (
    insert into ops.int_zone_author_hourly__marks (zone_id, hour, author_profile_id)
    select tags.zone_id, tags.hour, tags.author_profile_id
    from intermediate.int_zone_tag_author_hourly as tags
    inner join drifted_buckets on tags.zone_id = drifted_buckets.zone_id and tags.hashtag = drifted_buckets.hashtag
    inner join ops.mart_state as state on state.model = 'twitter_trending_hashtags'
    where tags.hour >= date_trunc('hour', state.as_of, 'UTC') - interval '23 hours'
    union
    select links.zone_id, date_trunc('hour', tweets.twitter_created_at, 'UTC'), tweets.author_profile_id
    from drifted_buckets
    inner join ops.mart_state as state on state.model = 'twitter_trending_hashtags'
    inner join core.twitter_entities as entities
        on
            entities.entity_type = 'hashtag'
            and drifted_buckets.hashtag = entities.entity_normalized
            and entities.tweet_id
            >= core.first_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') - interval '23 hours')
    inner join core.twitter_tweets as tweets on entities.tweet_id = tweets.tweet_id
    inner join core.twitter_tweet_zones as links
        on tweets.tweet_id = links.tweet_id and drifted_buckets.zone_id = links.zone_id
    returning zone_id, hour, author_profile_id
),

tweets_below as (
    insert into ops.int_zone_counted_tweets__marks (tweet_id)
    select distinct found.tweet_id
    from from_below
    cross join lateral ops.tweets_of_author_hour(from_below.hour, from_below.author_profile_id) as found (tweet_id)
),

authors as (
    insert into ops.int_zone_tag_author_window__marks (zone_id, hashtag, author_profile_id)
    select present.zone_id, present.hashtag, present.author_profile_id
    from drifted_buckets
    inner join intermediate.int_zone_tag_author_window as present
        on drifted_buckets.zone_id = present.zone_id and drifted_buckets.hashtag = present.hashtag
    union
    select drifted_buckets.zone_id, drifted_buckets.hashtag, tweets.author_profile_id
    from drifted_buckets
    inner join ops.mart_state as state on state.model = 'twitter_trending_hashtags'
    inner join core.twitter_entities as entities
        on
            entities.entity_type = 'hashtag'
            and drifted_buckets.hashtag = entities.entity_normalized
            and entities.tweet_id
            >= core.first_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') - interval '23 hours')
    inner join core.twitter_tweets as tweets on entities.tweet_id = tweets.tweet_id
    inner join core.twitter_tweet_zones as links
        on tweets.tweet_id = links.tweet_id and drifted_buckets.zone_id = links.zone_id
)

insert into ops.twitter_trending_hashtags__marks (zone_id, hashtag)
select drifted_buckets.zone_id, drifted_buckets.hashtag
from drifted_buckets;

-- name: forget
-- What this snapshot shows was recounted, or is a sample of it; what was touched since is not seen here.
delete from ops.twitter_trending_hashtags__touched;
