-- One row per zone: its name, beside the zone_id that the other marts have.
-- Built from core.zones, as it is now.
-- Read by BI tools.
{{ config(materialized='view') }}

with zones as (
    select * from {{ ref('stg_core__zones') }}
),

final as (
    select
        zones.id as zone_id,
        zones.name as zone_name,
        zones.description,
        zones.timezone,
        zones.is_active
    from zones
)

select * from final
