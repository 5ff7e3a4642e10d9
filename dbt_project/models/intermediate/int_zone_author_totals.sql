-- One row per zone and author: what all the author's tweets in the zone add up to.
-- Built from int_zone_author_hourly: triggers there carry every change over as a difference (new - old), in the same
-- transaction; this query is what they keep true, and builds the buckets that are marked: all at first, and wrong ones.
-- Late data: an hour that is counted anew changes the totals in the same transaction.
-- Read by twitter_top_profiles_by_zone.
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['zone_id', 'author_profile_id'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with claims as (
    select
        claims.zone_id,
        claims.author_profile_id
    from {{ source('ledger', 'int_zone_author_totals__claims') }} as claims
),

hours as (
    select * from {{ ref('int_zone_author_hourly') }}
),

final as (
    select
        claims.zone_id,
        claims.author_profile_id,
        sum(hours.tweet_count)::bigint as tweet_count,
        coalesce(sum(hours.total_engagement), 0)::bigint as known_engagement,
        sum(hours.engagement_known_count)::bigint as engagement_known_count
    from claims
    inner join hours on claims.zone_id = hours.zone_id and claims.author_profile_id = hours.author_profile_id
    group by claims.zone_id, claims.author_profile_id
)

select * from final
