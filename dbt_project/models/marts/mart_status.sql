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
    {%- for name in [
        'int_zone_author_hourly', 'int_zone_tag_author_hourly', 'twitter_zone_stats_hourly',
        'twitter_top_profiles_by_zone', 'twitter_trending_hashtags',
    ] %}
    select
        '{{ name }}' as model,
        count(*) as waiting_mark_count,
        min(marks.marked_at) as waiting_since
    from {{ source('ledger', name ~ '__marks') }} as marks
        {%- if not loop.last %}
    union all
        {%- endif %}
    {%- endfor %}
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
