{#- The table has a valid primary key over exactly these columns: PostgreSQL then guarantees that they are unique and not
    null, so that a table of any size is tested at once. Fails with one row if it has not. -#}
{% test has_primary_key(model, columns) %}
    select 'no primary key over ({{ columns | join(", ") }})' as failure
    where not exists (
        select 1
        from pg_constraint
        inner join pg_index on pg_constraint.conindid = pg_index.indexrelid
        where
            pg_constraint.conrelid = to_regclass('{{ model.schema }}.{{ model.identifier }}')
            and pg_constraint.contype = 'p'
            and pg_index.indisvalid
            and (
                select array_agg(pg_attribute.attname::text order by pg_attribute.attname::text)
                from pg_attribute
                where
                    pg_attribute.attrelid = pg_constraint.conrelid
                    and pg_attribute.attnum = any(pg_constraint.conkey)
            ) = array[{% for column in columns | sort %}'{{ column }}'{{ ', ' if not loop.last }}{% endfor %}]
    )
{% endtest %}
