{#- What dbt asks twice for every incremental model, from the catalogue itself: the view information_schema.columns looks
    at everything there is and takes 2 ms each time. An array is called by its name, not ARRAY. -#}
{% macro postgres__get_columns_in_relation(relation) -%}
    {%- set name = relation.include(database=false) -%}
    {% call statement('get_columns_in_relation', fetch_result=True) %}
        select
            columns.attname::text as column_name,
            format_type(columns.atttypid, null) as data_type,
            information_schema._pg_char_max_length(columns.atttypid, columns.atttypmod)::integer
                as character_maximum_length,
            information_schema._pg_numeric_precision(columns.atttypid, columns.atttypmod)::integer as numeric_precision,
            information_schema._pg_numeric_scale(columns.atttypid, columns.atttypmod)::integer as numeric_scale
        from pg_catalog.pg_attribute as columns
        where
            columns.attrelid = to_regclass('{{ name }}')
            and columns.attnum > 0
            and not columns.attisdropped
        order by columns.attnum
    {% endcall %}
    {{ return(sql_convert_columns_in_relation(load_result('get_columns_in_relation').table)) }}
{%- endmacro %}

{#- Likewise, who may do what: dbt's own way, through information_schema.role_table_grants, takes 1 ms. -#}
{% macro postgres__get_show_grant_sql(relation) -%}
    select
        grantees.rolname::text as grantee,
        granted.privilege_type
    from pg_catalog.pg_class as tables
    cross join lateral aclexplode(tables.relacl) as granted
    inner join pg_catalog.pg_roles as grantees on granted.grantee = grantees.oid
    inner join pg_catalog.pg_roles as grantors on granted.grantor = grantors.oid
    where
        tables.oid = to_regclass('{{ relation.include(database=false) }}')
        and grantors.rolname = current_role
        and grantees.rolname <> current_role
{%- endmacro %}
