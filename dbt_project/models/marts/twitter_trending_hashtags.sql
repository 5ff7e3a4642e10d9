-- One row per zone and hashtag (normal form) used in the 24 h that end at as_of: 23 whole hours and the open one.
-- Built from int_zone_counted_tweets, together with int_zone_tag_author_window, by differences (new - old): triggers
-- write every change here at once, and the build of int_zone_tag_author_window moves the window to its as_of (T21).
-- This query is what they keep true; it builds the buckets that are marked: all at first, and wrong ones.
-- Late data: a tweet that is counted anew changes the row in the same transaction.
-- Read by BI tools and the data layer's trending; sample texts are in twitter_trending_hashtag_samples.
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['zone_id', 'hashtag'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with claims as (
    select
        claims.zone_id,
        claims.hashtag
    from {{ source('ledger', 'twitter_trending_hashtags__claims') }} as claims
),

tag_uses as (
    select * from {{ ref('int_zone_hashtag_uses') }}
),

tag_authors as (
    select * from {{ ref('int_zone_tag_author_window') }}
),

bounds as materialized (
    select
        state.as_of,
        date_trunc('hour', state.as_of, 'UTC') - interval '23 hours' as first_hour,
        core.first_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') - interval '23 hours') as first_tweet_id,
        core.end_tweet_id_of(state.as_of + interval '1 millisecond') as end_tweet_id
    from {{ source('ledger', 'mart_state') }} as state
    where state.model = 'twitter_trending_hashtags'
),

-- One claim at a time, by index: a join would read every tag for the sake of the claimed ones.
authors as (
    select distinct found.author_profile_id
    from claims
    inner join lateral (
        select tag_authors.author_profile_id
        from tag_authors
        where tag_authors.zone_id = claims.zone_id and tag_authors.hashtag = claims.hashtag
        offset 0
    ) as found on true
),

-- The tweets of one author at a time, by index, and only then the claims: joined the other way round, an author's
-- tweets are gone through for each tag.
found_uses as materialized (
    select
        authors.author_profile_id,
        found.zone_id,
        found.hashtag,
        found.original_hashtag,
        found.tweet_id,
        found.twitter_created_at,
        found.total_engagement
    from authors
    cross join bounds
    inner join lateral (
        select
            tag_uses.zone_id,
            tag_uses.hashtag,
            tag_uses.original_hashtag,
            tag_uses.tweet_id,
            tag_uses.twitter_created_at,
            tag_uses.total_engagement
        from tag_uses
        where
            tag_uses.author_profile_id = authors.author_profile_id
            and tag_uses.tweet_id >= bounds.first_tweet_id
            and tag_uses.tweet_id < bounds.end_tweet_id
            and tag_uses.hour >= bounds.first_hour
            and tag_uses.twitter_created_at <= bounds.as_of
        offset 0
    ) as found on true
),

uses as (
    select
        found_uses.*,
        count(*) over spelling as vote_count,
        row_number() over (spelling order by found_uses.tweet_id) = 1 as is_first_of_spelling
    from found_uses
    inner join claims on found_uses.zone_id = claims.zone_id and found_uses.hashtag = claims.hashtag
    window spelling as (
        partition by found_uses.zone_id, found_uses.hashtag, found_uses.original_hashtag
    )
),

sums as (
    select
        uses.zone_id,
        uses.hashtag,
        count(*) as tweet_count,
        count(distinct uses.author_profile_id) as author_count,
        sum(uses.total_engagement)::bigint as total_engagement,
        count(uses.total_engagement) as engagement_known_count,
        max(uses.twitter_created_at) as last_used_at,
        array_agg(
            uses.original_hashtag
            order by uses.vote_count desc, uses.original_hashtag collate "C"  -- noqa: references.consistent
        ) filter (where uses.is_first_of_spelling) as spellings,
        array_agg(
            uses.vote_count
            order by uses.vote_count desc, uses.original_hashtag collate "C"  -- noqa: references.consistent
        ) filter (where uses.is_first_of_spelling) as spelling_counts,
        (array_agg(uses.tweet_id order by uses.total_engagement desc nulls last, uses.tweet_id desc))[1:3]
            as top_tweet_ids,
        (array_agg(uses.total_engagement order by uses.total_engagement desc nulls last, uses.tweet_id desc))[1:3]
            as top_tweet_engagements
    from uses
    group by uses.zone_id, uses.hashtag
),

final as (
    select
        sums.zone_id,
        sums.hashtag,
        sums.spellings[1] as original_hashtag,
        sums.tweet_count as tweet_count_24h,
        sums.author_count as unique_authors_24h,
        sums.total_engagement as total_engagement_24h,
        sums.engagement_known_count as engagement_known_count_24h,
        sums.last_used_at,
        sums.spellings,
        sums.spelling_counts,
        sums.top_tweet_ids::text[] as sample_tweets,
        sums.top_tweet_engagements as sample_engagements,
        bounds.as_of
    from sums
    cross join bounds
)

select * from final
