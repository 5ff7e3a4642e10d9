-- One row per zone and UTC hour since somebody listens for the zone: how much of the hour was listened to.
with source as (
    select
        source.zone_id,
        source.hour,
        source.is_covered,
        source.covered_seconds
    from {{ source('ops', 'zone_hour_coverage') }} as source
)

select * from source
