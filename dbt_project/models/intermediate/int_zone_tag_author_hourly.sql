-- One row per zone, hashtag, UTC hour, author and spelling: the tweets that used the tag.
-- Built from the tweets of the claimed buckets; a tag counts once in a tweet, with the first spelling there (T5).
-- Late data: marked together with int_zone_author_hourly.
-- Read by the data layer: windows other than 24 h, and the span before a window.
-- Built after the model that marks its buckets. depends_on: {{ ref('int_zone_author_hourly') }}
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['zone_id', 'author_profile_id', 'hashtag', 'hour', 'original_hashtag'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with claims as (
    select
        claims.zone_id,
        claims.hour,
        claims.author_profile_id
    from {{ source('ledger', 'int_zone_tag_author_hourly__claims') }} as claims
),

tag_uses as (
    select * from {{ ref('int_zone_hashtag_uses') }}
),

-- Materialised, so that the bounds of an hour are computed once and not for every claim.
hours as materialized (
    select
        claims.hour,
        core.first_tweet_id_of(claims.hour) as first_tweet_id,
        core.end_tweet_id_of(claims.hour + interval '1 hour') as end_tweet_id
    from (select distinct claims.hour from claims) as claims
),

author_hours as (
    select
        claims.hour,
        claims.author_profile_id,
        array_agg(claims.zone_id) as zone_ids
    from claims
    group by claims.hour, claims.author_profile_id
),

-- "offset 0" keeps the search one author and hour at a time, by index, as in int_zone_author_hourly.
uses as (
    select
        found.zone_id,
        author_hours.hour,
        author_hours.author_profile_id,
        found.tweet_id,
        found.twitter_created_at,
        found.total_engagement,
        found.hashtag,
        found.original_hashtag
    from author_hours
    inner join hours on author_hours.hour = hours.hour
    inner join lateral (
        select
            tag_uses.zone_id,
            tag_uses.tweet_id,
            tag_uses.twitter_created_at,
            tag_uses.total_engagement,
            tag_uses.hashtag,
            tag_uses.original_hashtag
        from tag_uses
        where
            tag_uses.author_profile_id = author_hours.author_profile_id
            and tag_uses.tweet_id >= hours.first_tweet_id
            and tag_uses.tweet_id < hours.end_tweet_id
            and tag_uses.hour = author_hours.hour
            and tag_uses.zone_id = any(author_hours.zone_ids)
        offset 0
    ) as found on true
),

final as (
    select
        uses.zone_id,
        uses.hashtag,
        uses.hour,
        uses.author_profile_id,
        uses.original_hashtag,
        count(*) as tweet_count,
        sum(uses.total_engagement)::bigint as total_engagement,
        max(uses.twitter_created_at) as last_used_at
    from uses
    group by uses.zone_id, uses.hashtag, uses.hour, uses.author_profile_id, uses.original_hashtag
)

select * from final
