-- One row per zone, kind and value of an entity, ten minutes and author: the tweets that named it.
-- Built from the tweets of the claimed buckets of the last two weeks before as_of; older buckets are empty.
-- Late data: marked together with int_zone_author_hourly; buckets that time takes out, or brings back, are claimed too.
-- Read by twitter_trending_entities. depends_on: {{ ref('int_zone_author_hourly') }}, {{ ref('stg_core__zones') }}
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['zone_id', 'entity_type', 'entity_value', 'slot', 'author_profile_id', 'hour'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with claims as (
    select
        claims.zone_id,
        claims.hour,
        claims.author_profile_id
    from {{ source('ledger', 'int_zone_entity_author_hourly__claims') }} as claims
    inner join {{ source('ledger', 'mart_state') }} as state
        on claims.hour >= date_trunc('hour', state.as_of, 'UTC') - interval '{{ var("trending_hours_kept") }} hours'
    where state.model = 'int_zone_entity_author_hourly'
),

entity_uses as (
    select * from {{ ref('int_zone_entity_uses') }}
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
        found.entity_type,
        found.entity_value,
        date_bin('10 minutes', found.twitter_created_at, author_hours.hour) as slot,
        author_hours.author_profile_id,
        author_hours.hour
    from author_hours
    inner join hours on author_hours.hour = hours.hour
    inner join lateral (
        select
            entity_uses.zone_id,
            entity_uses.entity_type,
            entity_uses.entity_value,
            entity_uses.twitter_created_at
        from entity_uses
        where
            entity_uses.author_profile_id = author_hours.author_profile_id
            and entity_uses.tweet_id >= hours.first_tweet_id
            and entity_uses.tweet_id < hours.end_tweet_id
            and entity_uses.hour = author_hours.hour
            and entity_uses.zone_id = any(author_hours.zone_ids)
        offset 0
    ) as found on true
),

final as (
    select
        uses.zone_id,
        uses.entity_type,
        uses.entity_value,
        uses.slot,
        uses.author_profile_id,
        uses.hour,
        count(*) as tweet_count
    from uses
    group by uses.zone_id, uses.entity_type, uses.entity_value, uses.slot, uses.author_profile_id, uses.hour
)

select * from final
