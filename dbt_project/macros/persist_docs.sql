{#- Write comments only where they differ: a comment takes a lock that waits for autovacuum, and these models are built
    every few minutes. -#}
{% macro postgres__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- set rows = run_query(
        "select coalesce(columns.attname, '') as name, coalesce(pg_description.description, '') as description"
        ~ " from pg_class"
        ~ " inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid"
        ~ " cross join lateral ("
        ~ "select null::text as attname, 0 as attnum union all"
        ~ " select pg_attribute.attname::text, pg_attribute.attnum from pg_attribute"
        ~ " where pg_attribute.attrelid = pg_class.oid and pg_attribute.attnum > 0 and not pg_attribute.attisdropped"
        ~ ") as columns"
        ~ " left join pg_description on pg_class.oid = pg_description.objoid"
        ~ " and pg_description.classoid = 'pg_class'::regclass and columns.attnum = pg_description.objsubid"
        ~ " where pg_namespace.nspname = '" ~ relation.schema ~ "' and pg_class.relname = '" ~ relation.identifier ~ "'"
    ) -%}
    {%- set present = {} -%}
    {%- for row in rows.rows -%}
        {%- do present.update({row[0]: row[1]}) -%}
    {%- endfor -%}
    {%- if for_relation and config.persist_relation_docs() and model.description
        and present.get('') != model.description -%}
        {%- do run_query(alter_relation_comment(relation, model.description)) -%}
    {%- endif -%}
    {%- if for_columns and config.persist_column_docs() and model.columns -%}
        {%- set changed = {} -%}
        {%- for name, column in model.columns.items()
            if name in present and column.description and present[name] != column.description -%}
            {%- do changed.update({name: column}) -%}
        {%- endfor -%}
        {%- if changed -%}
            {%- do run_query(alter_column_comment(relation, changed)) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
