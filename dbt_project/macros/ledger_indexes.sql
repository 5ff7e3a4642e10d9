{#-
    Indexes follow their definitions (T12). Each carries a digest of the definition that it was made from, as its comment:
    an index that is missing, invalid or made from another definition is made anew, beside the old one, which readers use
    until both are exchanged; one that the ledger made and the model no longer names is dropped. Indexes without the
    digest and with a name of their own are somebody else's, and stay.
-#}
{% macro ledger_reconcile_indexes(node, relation, wanted) %}
    {%- set present = {} -%}
    {%- set found = run_query(
        "select pg_class.relname::text, case when pg_index.indisvalid then coalesce(pg_description.description, '')"
        ~ " else 'invalid' end"
        ~ " from pg_index"
        ~ " inner join pg_class on pg_index.indexrelid = pg_class.oid"
        ~ " left join pg_description on pg_class.oid = pg_description.objoid"
        ~ " and pg_description.classoid = 'pg_class'::regclass and pg_description.objsubid = 0"
        ~ " where pg_index.indrelid = to_regclass('" ~ node.schema ~ "." ~ node.alias ~ "')"
    ) -%}
    {%- for row in found.rows -%}
        {%- do present.update({row[0]: row[1]}) -%}
    {%- endfor -%}
    {%- for name, definition in wanted.items() if present.get(name) != ledger_index_digest(definition) %}
begin;
select pg_advisory_xact_lock(hashtextextended('ledger.create', 0));
        {%- if name in present %}
create index {{ name }}__next on {{ relation }} {{ definition }};
drop index {{ node.schema }}.{{ name }};
alter index {{ node.schema }}.{{ name }}__next rename to {{ name }};
        {%- else %}
create index if not exists {{ name }} on {{ relation }} {{ definition }};
        {%- endif %}
comment on index {{ node.schema }}.{{ name }} is '{{ ledger_index_digest(definition) }}';
commit;
    {%- endfor -%}
    {%- for name, digest in present.items() if name not in wanted and digest.startswith('made from ') %}
drop index if exists {{ node.schema }}.{{ name }};
commit;
    {%- endfor -%}
{% endmacro %}

{#- So does the primary key: the order of its columns says what it finds. Built beside the old one, then exchanged. -#}
{% macro ledger_reconcile_primary_key(node, relation) %}
    {%- set found = run_query(
        "select conname::text, pg_get_constraintdef(oid) from pg_constraint where contype = 'p'"
        ~ " and conrelid = to_regclass('" ~ node.schema ~ "." ~ node.alias ~ "')"
    ) -%}
    {%- for wanted in node.constraints if wanted.type == 'primary_key' -%}
        {%- set definition = '(' ~ wanted.columns | join(', ') ~ ')' -%}
        {%- for row in found.rows if row[1] != 'PRIMARY KEY ' ~ definition %}
begin;
select pg_advisory_xact_lock(hashtextextended('ledger.create', 0));
create unique index {{ wanted.name }}__next on {{ relation }} {{ definition }};
alter table {{ relation }}
    drop constraint {{ row[0] }},
    add constraint {{ wanted.name }} primary key using index {{ wanted.name }}__next;
commit;
        {%- endfor -%}
    {%- endfor -%}
{% endmacro %}

{% macro ledger_index_digest(definition) -%}
    made from {{ local_md5(definition) }}
{%- endmacro %}


{#- A column that may be NULL now could not be in a table of before: what a contract only says, when it makes a table. -#}
{% macro ledger_drop_outdated_not_nulls(node, relation) %}
    {%- set nullable = [] -%}
    {%- for name, column in node.columns.items()
        if 'not_null' not in column.constraints | map(attribute='type') | list
        and name not in node.config.unique_key -%}
        {%- do nullable.append(name) -%}
    {%- endfor -%}
    {%- set found = run_query(
        "select attname::text from pg_attribute where attnotnull and attnum > 0"
        ~ " and attrelid = to_regclass('" ~ node.schema ~ "." ~ node.alias ~ "')"
        ~ " and attname in ('" ~ nullable | join("', '") ~ "')"
    ) -%}
    {%- for row in found.rows %}
alter table {{ relation }} alter column {{ row[0] }} drop not null;
commit;
    {%- endfor -%}
{% endmacro %}
