{#-
    Views that people stand on. The stock materialisation renames the old view away and drops it with everything that
    depends on it, at every run; a query that comes in between fails. Here a view whose SQL is the same as before is
    left alone, without any lock; a changed one is replaced in place; only one that lost or retyped a column is dropped.
-#}
{% materialization view, adapter='postgres' %}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set definition_hash = ledger_definition_hash(sql) -%}
    {%- set known = run_query(
        "select 1 from ops.model_definitions where model = '" ~ model.name
        ~ "' and definition_hash = '" ~ definition_hash ~ "'"
    ) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% if existing_relation is not none and known.rows | length == 1 %}
        {% call statement('main') %}
            select 'unchanged'
        {% endcall %}
    {% else %}
        {% if existing_relation is not none and not view_can_be_replaced(existing_relation, sql) %}
            {% do adapter.drop_relation(existing_relation) %}
        {% endif %}
        {% call statement('main') %}
            select pg_advisory_xact_lock(hashtextextended('ledger.create', 0));
            create or replace view {{ target_relation }} as (
                {{ sql }}
            );
            insert into ops.model_definitions (model, definition_hash)
            values ('{{ model.name }}', '{{ definition_hash }}')
            on conflict (model) do update set definition_hash = excluded.definition_hash, written_at = now()
        {% endcall %}
    {% endif %}

    {% do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing_relation, False)) %}
    {% do persist_docs(target_relation, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#- PostgreSQL replaces a view in place as long as its first columns stay what they are. -#}
{% macro view_can_be_replaced(relation, sql) %}
    {%- if not relation.is_view -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set before = get_column_schema_from_query('select * from ' ~ relation) -%}
    {%- set after = get_column_schema_from_query(sql) -%}
    {%- set found = namespace(difference=after | length < before | length) -%}
    {%- for column, present in zip(after, before) -%}
        {%- if column.name != present.name or column.dtype != present.dtype -%}
            {%- set found.difference = true -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(not found.difference) }}
{% endmacro %}
