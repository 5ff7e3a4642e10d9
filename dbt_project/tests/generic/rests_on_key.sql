{#- A view shows the rows of a table one to one, and that table has a primary key over these columns. Reading millions
    of rows to count them would say nothing more. -#}
{% test rests_on_key(model, column_name, source_table, columns) %}
    select 'no primary key over ({{ columns | join(", ") }}) on {{ source_table }}' as failure
    where not exists (
        select 1
        from pg_constraint
        where
            pg_constraint.conrelid = to_regclass('{{ source_table }}')
            and pg_constraint.contype = 'p'
            and (
                select array_agg(pg_attribute.attname::text order by pg_attribute.attname::text)
                from pg_attribute
                where
                    pg_attribute.attrelid = pg_constraint.conrelid
                    and pg_attribute.attnum = any(pg_constraint.conkey)
            ) = array[{% for column in columns | sort %}'{{ column }}'{{ ', ' if not loop.last }}{% endfor %}]
    )
{% endtest %}
