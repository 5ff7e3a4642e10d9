-- One row per table that the ledger keeps: how fresh it is, what waits to be rebuilt, and how it was verified.
-- Built from the ledger's own notes, as a view.
-- Read by BI tools beside every chart, and by the read API for the version of its answers.
{{ config(materialized='view') }}

with state as (
    select * from {{ source('ledger', 'mart_state') }}
),

verification as (
    select * from {{ source('ledger', 'mart_verification') }}
),

waiting as (
    select
        'int_zone_counted_tweets' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', 'int_zone_counted_tweets__marks') }} as marks
    union all
    select
        'int_zone_author_hourly' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', 'int_zone_author_hourly__marks') }} as marks
    union all
    select
        'int_zone_hourly' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', 'int_zone_hourly__marks') }} as marks
    union all
    select
        'int_zone_tag_author_hourly' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', 'int_zone_tag_author_hourly__marks') }} as marks
    union all
    select
        'int_zone_tag_author_window' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', 'int_zone_tag_author_window__marks') }} as marks
    union all
    select
        'twitter_zone_stats_hourly' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', 'twitter_zone_stats_hourly__marks') }} as marks
    union all
    select
        'twitter_top_profiles_by_zone' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', 'twitter_top_profiles_by_zone__marks') }} as marks
    union all
    select
        'twitter_trending_hashtags' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', 'twitter_trending_hashtags__marks') }} as marks
    union all
    select
        'int_zone_top_tweets_hourly' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', 'int_zone_top_tweets_hourly__marks') }} as marks
    union all
    select
        'twitter_top_engaged_tweets' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', 'twitter_top_engaged_tweets__marks') }} as marks
    union all
    select
        'twitter_zone_stats_daily' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', 'twitter_zone_stats_daily__marks') }} as marks
    union all
    select
        'twitter_top_profiles_by_zone_window' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', 'twitter_top_profiles_by_zone_window__marks') }} as marks
    union all
    select
        'int_zone_entity_author_hourly' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', 'int_zone_entity_author_hourly__marks') }} as marks
    union all
    select
        'twitter_trending_entities' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', 'twitter_trending_entities__marks') }} as marks
),

final as (
    select
        state.model,
        state.as_of,
        state.built_at,
        state.claimed_bucket_count,
        waiting.waiting_mark_count,
        waiting.waiting_since,
        verification.verified_at,
        verification.cycle_completed_at as fully_verified_at,
        verification.drifted_bucket_count
    from state
    left join waiting on state.model = waiting.model
    left join verification on state.model = verification.model
)

select * from final
