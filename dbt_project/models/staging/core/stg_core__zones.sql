-- One row per zone.
with source as (
    select
        source.id,
        source.name,
        source.description,
        source.timezone,
        source.is_active
    from {{ source('core', 'zones') }} as source
)

select * from source
