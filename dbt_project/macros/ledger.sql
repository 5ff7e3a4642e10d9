{#-
    The incremental strategy "ledger": incremental equals full refresh, always.

    A *bucket* is the key that facts are gathered under, for instance (zone_id, hour). Whoever changes a fact appends
    the bucket's key to the model's queue, ops.<model>__marks, in the same transaction. A build then does, in one
    transaction under READ COMMITTED:

        1  ledger_claim, pre-hook     take the model's advisory lock (T17), fix as_of, move marks from the queue into
                                      ops.<model>__claims (T16: marks have no unique key, a late one just stays)
        2  the model's SQL            a later statement, so it sees every fact whose mark was claimed (T18);
                                      it reads its claims as a dbt source and builds exactly those buckets
        3  get_incremental_ledger_sql delete rows of the claimed buckets that are gone (T11), update those that
                                      differ, insert the new ones; a row whose content is the same is not touched
        4  ledger_release, post-hook  mark what depends on the rebuilt buckets, note when and for which as_of

    A crash anywhere undoes all of it and leaves the marks where they were. The claims stay until the next build:
    the verification after a build recounts exactly them.

    A model takes part by its configuration:

        materialized: incremental, incremental_strategy: ledger, unique_key, pre_hook and post_hook as above;
        meta.ledger:
            bucket:         the columns of the claim key; a subset of the unique key
            marked_by:      the columns of the queue, where a mark is not a bucket itself but tells which buckets it
                            touches: <model>__buckets_of(marks) says which
            newest_first:   the column of the queue that tells which buckets come first when a build may not claim all
            dependants:     for each model fed by this one, its bucket's columns: name there -> column here
            not_compared:   columns that say when a row was made, not what it holds
            indexes:        name -> what follows "create index name on table"
            maintains:      functions of triggers that keep partials above this model -> names of these
            begun_with:     partials that are begun anew together with this one
            moment_of:      the partial whose as_of the model takes, so that both speak of the same window
            summed_after:   the table that a partial is first built after, once no backlog waits for that one: what the
                            partial holds from before stays as it is until then
            touched_limit:  for marts that triggers write: so many notes of what they changed, some of them double, wait
                            for a verification (ops.<model>__touched)
            fillfactor:     free space for updates in place
            sealed_by:      the column that tells whether retention has taken what a bucket is built from: tweets in core
                            (tweet_id), or tweets as they were counted (hour, day), which most sealed months still have

    and by macros named after it in ledger_buckets.sql. Every bucket is marked again when the table is new, when the
    model's SQL changed since the rows were made, and by --full-refresh, which never drops or swaps the table (T13).

    A *partial* is a model whose rows are sums over a finer model, without bound in time or over a window. Summing a loud
    author's years anew for every tweet would cost as much as the history is long, so triggers on the finer table
    (maintains) add each difference, new - old, in the transaction that changes it. In every snapshot a partial equals the
    query that is its model. The marks of a partial say what is to be summed anew, by that query: everything at first, and
    what a verification found wrong. Its trigger function takes the partial's advisory lock before it writes, does
    nothing before the partial's first build, and marks what depends on the rows it changed (docs/adr/0010).
-#}

{% macro ledger_queue(name) -%}
    ops.{{ name }}__marks
{%- endmacro %}

{% macro ledger_claims(name) -%}
    ops.{{ name }}__claims
{%- endmacro %}

{% macro ledger_columns(columns, qualifier='') -%}
    {%- for column in columns -%}
        {{ qualifier }}{{ '.' if qualifier }}{{ column }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- The columns of a claim as the model's primary key has them. -#}
{% macro ledger_claims_order(ledger) -%}
    {%- set ordered = [] -%}
    {%- for constraint in model.constraints if constraint.type == 'primary_key' -%}
        {%- for column in constraint.columns if column in ledger.bucket -%}
            {%- do ordered.append(column) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(ordered or ledger.bucket) }}
{%- endmacro %}

{#- Marks of one bucket lie side by side in this order, so that a bound seldom splits them. -#}
{% macro ledger_newest_first(ledger) -%}
    newest.{{ ledger.newest_first }} desc
    {%- for column in ledger.marked_by | default(ledger.bucket) if column != ledger.newest_first %}, newest.{{ column }}{% endfor -%}
{%- endmacro %}

{% macro ledger_equal(columns, left, right) -%}
    {%- for column in columns -%}
        {{ left }}.{{ column }} = {{ right }}.{{ column }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- A digest of the model's SQL without the name of the database, which differs between environments. -#}
{% macro ledger_definition_hash(code) -%}
    {{ local_md5(code | replace('"' ~ target.dbname ~ '".', '')) }}
{%- endmacro %}


{#- Before the first model: create the tables that are missing, and the indexes. One process at a time does it, so two
    first builds cannot collide (T26), and from then on a first build is like any other. -#}
{% macro ledger_create_tables() %}
    {%- if execute -%}
        {%- for node in graph.nodes.values()
            if node.unique_id in selected_resources and node.config.incremental_strategy == 'ledger' -%}
            {{ ledger_create_table(node) }}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{% macro ledger_create_table(node) %}
    {%- set ledger = node.config.meta.ledger -%}
    {%- set relation = api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias, type='table'
    ) -%}
    {%- set existing = adapter.get_relation(node.database, node.schema, node.alias) -%}
    {%- set wanted = ledger.get('indexes', {}) -%}
    {%- set maintains = ledger.get('maintains', {}) -%}
    {%- set begun_with = ledger.get('begun_with', []) -%}
    {%- if existing is none %}
begin;
select pg_advisory_xact_lock(hashtextextended('ledger.create', 0));
do $create$
begin
    if to_regclass('{{ node.schema }}.{{ node.alias }}') is null then
        create table {{ relation }} (
            {{ (
                adapter.render_raw_columns_constraints(raw_columns=node.columns)
                + adapter.render_raw_model_constraints(raw_constraints=node.constraints)
            ) | join(',\n            ') }}
        ) with (fillfactor = {{ ledger.get('fillfactor', 100) }});
        {%- if ledger.sealed_by == 'tweet_id' %}
        update ops.sealed_ranges set is_counted = false where is_counted;
        {%- endif %}
        delete from ops.mart_state
        where model in ('{{ ([node.name] + maintains.values() | sum(start=[]) + begun_with) | join("', '") }}');
    end if;
end
$create$;
commit;
        {%- do adapter.cache_added(relation) -%}
    {%- endif -%}
    {{ ledger_reconcile_indexes(node, relation, wanted) }}
    {%- if existing is not none -%}
        {{ ledger_reconcile_primary_key(node, relation) }}
        {{ ledger_drop_outdated_not_nulls(node, relation) }}
    {%- endif -%}
    {%- set triggers = [] -%}
    {%- if existing is not none and maintains -%}
        {%- set triggers = run_query(
            "select tgname::text from pg_trigger where tgrelid = to_regclass('" ~ node.schema ~ "." ~ node.alias ~ "')"
        ).columns[0].values() | list -%}
    {%- endif -%}
    {%- for function, partials in maintains.items() if partials[0] ~ '_delete' not in triggers -%}
        {{ ledger_create_triggers(relation, partials[0], function) }}
    {%- endfor -%}
{% endmacro %}


{#- Every change of the finer table is carried over to the partial, whoever makes it. -#}
{% macro ledger_create_triggers(relation, partial, function) %}
begin;
select pg_advisory_xact_lock(hashtextextended('ledger.create', 0));
    {%- for event, rows in {
        'insert': 'new table as new_rows',
        'update': 'old table as old_rows new table as new_rows',
        'delete': 'old table as old_rows',
    }.items() %}
create or replace trigger {{ partial }}_{{ event }} after {{ event }} on {{ relation }}
    referencing {{ rows }} for each statement execute function {{ function }}();
    {%- endfor %}
commit;
{% endmacro %}


{#- Pre-hook. Every statement has a snapshot of its own: the lock comes first, the model's SQL reads after the claim. -#}
{% macro ledger_claim() %}
    {%- if execute -%}
    {%- set name = model.name -%}
    {%- set ledger = model.config.meta.ledger -%}
    {%- set bucket = ledger_columns(ledger.bucket) -%}
    {%- set marked_by = ledger.marked_by | default(ledger.bucket) -%}
    {%- set definition_hash = ledger_definition_hash(model.compiled_code) -%}
    {%- set further_marks = context.get(name ~ '__further_marks') -%}
select pg_advisory_xact_lock(hashtextextended('ledger.{{ name }}', 0));

-- A build that a crash of the server undoes leaves its marks where they were: its commit need not wait for the disk.
-- Whoever commits afterwards and waits, waits for this one as well.
set local synchronous_commit = off;

insert into ops.mart_state as state (model, as_of, built_at, claimed_bucket_count)
select
    '{{ name }}',
    {%- if ledger.moment_of is defined %}
    coalesce(
        (select partial.as_of from ops.mart_state as partial where partial.model = '{{ ledger.moment_of }}'),
        present.as_of
    ),
    {%- else %}
    present.as_of,
    {%- endif %}
    clock_timestamp(),
    0
from ops.as_of as present
    {%- if ledger.summed_after is defined %}
-- A partial that is not built yet waits for the whole of what is below it, lest it lose what it holds from before.
where
    exists (select 1 from ops.mart_state as known where known.model = '{{ name }}')
    or not exists (select 1 from {{ this }})
    or exists (
        select 1
        from ops.mart_state as below
        where
            below.model = '{{ ledger.summed_after }}'
            and below.claimed_bucket_count < {{ var('ledger_marks_per_build') }}
    )
    {%- endif %}
on conflict (model) do update set as_of = excluded.as_of, previous_as_of = state.as_of;

-- In a block of its own: merely to begin this query, with its hash table for all buckets, takes 20 ms.
do $mark_all$
begin
    {%- if not flags.FULL_REFRESH %}
    if exists (
        select 1
        from ops.mart_state as state
        inner join ops.model_definitions as definitions on state.model = definitions.model
        where
            state.model = '{{ name }}'
            and state.previous_as_of is not null
            and definitions.definition_hash = '{{ definition_hash }}'
    ) then
        return;
    end if;
    {%- endif %}
    {%- if ledger.summed_after is defined %}
    if not exists (select 1 from ops.mart_state as state where state.model = '{{ name }}') then
        return;
    end if;
    {%- endif %}
    insert into {{ ledger_queue(name) }} ({{ ledger_columns(marked_by) }})
    select {{ ledger_columns(marked_by, 'buckets') }}
    from ({{ context[name ~ '__all_buckets'](this) }}) as buckets;
end
$mark_all$;

insert into ops.model_definitions as definitions (model, definition_hash)
values ('{{ name }}', '{{ definition_hash }}')
on conflict (model) do update set definition_hash = excluded.definition_hash, written_at = now()
where definitions.definition_hash <> excluded.definition_hash;
    {% if further_marks %}
{{ further_marks(this) }}
    {%- endif %}

delete from {{ ledger_claims(name) }};

with taken as (
    delete from {{ ledger_queue(name) }} as marks
    where
        marks.ctid = any(array(
            select newest.ctid
            from {{ ledger_queue(name) }} as newest
            order by {{ ledger_newest_first(ledger) }}
            limit {{ var('ledger_marks_per_build') }}
        ))
        {%- if ledger.summed_after is defined %}
        and exists (select 1 from ops.mart_state as state where state.model = '{{ name }}')
        {%- endif %}
    returning {{ ledger_columns(marked_by, 'marks') }}
)

insert into {{ ledger_claims(name) }} ({{ bucket }})
    {%- if ledger.marked_by is defined %}
select distinct {{ ledger_columns(ledger.bucket, 'touched') }}
from ({{ context[name ~ '__buckets_of']('taken', this) }}) as touched
    {%- else %}
select distinct {{ ledger_columns(ledger.bucket, 'taken') }}
from taken
    {%- endif %}
-- In the order of the primary key, so that the claims are looked up side by side.
order by {{ ledger_columns(ledger_claims_order(ledger)) }};

    {%- if ledger.sealed_by is defined %}

-- Buckets whose tweets have left stay as they are: counted anew, they would be empty (T31).
    {%- set has_left = {
        'tweet_id': 'is_sealed_tweet', 'hour': 'is_uncounted', 'day': 'is_uncounted_day'
    }[ledger.sealed_by] %}
delete from {{ ledger_claims(name) }} as claims
where
    exists (select 1 from ops.sealed_ranges)
    and claims.{{ ledger.sealed_by }} in (
        select moments.{{ ledger.sealed_by }}
        from (select distinct claimed.{{ ledger.sealed_by }} from {{ ledger_claims(name) }} as claimed) as moments
        where ops.{{ has_left }}(moments.{{ ledger.sealed_by }})
    );
    {%- endif %}

-- A handful of claims is looked up by index, a backlog is joined at once: the planner must know which it is.
select ops.analyze_claims('{{ name }}');
{{ ledger_mark_dependants_by_rows() }}
    {%- endif -%}
{% endmacro %}


{#- Dependants whose key is part of this model's bucket are marked from the claims. -#}
{% macro ledger_mark_dependants_by_claims() %}
    {%- set ledger = model.config.meta.ledger -%}
    {%- for dependant, columns in ledger.get('dependants', {}).items()
        if columns.values() | reject('in', ledger.bucket) | list | length == 0 %}
insert into {{ ledger_queue(dependant) }} ({{ ledger_columns(columns.keys()) }})
select distinct {{ ledger_columns(columns.values(), 'claims') }}
from {{ ledger_claims(model.name) }} as claims;
    {% endfor -%}
{% endmacro %}

{#- The others are marked from the rows of the claimed buckets, before they are replaced and after. -#}
{% macro ledger_mark_dependants_by_rows() %}
    {%- set ledger = model.config.meta.ledger -%}
    {%- for dependant, columns in ledger.get('dependants', {}).items()
        if columns.values() | reject('in', ledger.bucket) | list | length > 0 %}
insert into {{ ledger_queue(dependant) }} ({{ ledger_columns(columns.keys()) }})
select distinct {{ ledger_columns(columns.values(), 'built') }}
from {{ ledger_claims(model.name) }} as claims
inner join {{ this }} as built on {{ ledger_equal(ledger.bucket, 'claims', 'built') }};
    {% endfor -%}
{% endmacro %}


{#- The strategy: what dbt runs once the model's rows are in a temporary table. -#}
{% macro get_incremental_ledger_sql(arg_dict) %}
    {%- set ledger = model.config.meta.ledger -%}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set built = arg_dict['temp_relation'] -%}
    {%- set key = arg_dict['unique_key'] -%}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='name') | list -%}
    {%- set others = columns | reject('in', key) | list -%}
    {%- set compared = others | reject('in', ledger.get('not_compared', [])) | list -%}
do $replace$
begin
if not exists (select 1 from {{ ledger_claims(model.name) }}) then
    return;
end if;

-- What differs, found in one pass over what is stored of the claimed buckets. A bucket is looked up by index, whatever
-- the planner thinks of the claims; a search for each row would go through a loud tag's uses again and again.
create temp table ledger_changes on commit drop as
select stored.stored_ctid, {{ ledger_columns(columns, 'built') }}
from {{ built }} as built
full join (
    select found.*
    from {{ ledger_claims(model.name) }} as claims
    cross join lateral (
        select stored.ctid as stored_ctid, {{ ledger_columns(key + compared, 'stored') }}
        from {{ target }} as stored
        where {{ ledger_equal(ledger.bucket, 'stored', 'claims') }}
        offset 0
    ) as found
) as stored on {{ ledger_equal(key, 'stored', 'built') }}
where
    stored.stored_ctid is null
    or built.{{ key[0] }} is null
    or ({{ ledger_columns(compared, 'stored') }}) is distinct from ({{ ledger_columns(compared, 'built') }});

-- How many they are decides whether rows are fetched by their place or the whole table is read.
analyze ledger_changes ({{ key[0] }});

delete from {{ target }} as present
using ledger_changes as gone
where present.ctid = gone.stored_ctid and gone.{{ key[0] }} is null;

update {{ target }} as present
set
    {%- for column in others %} {{ column }} = built.{{ column }}{{ ',' if not loop.last }}{% endfor %}
from ledger_changes as built
where present.ctid = built.stored_ctid and built.{{ key[0] }} is not null;

insert into {{ target }} ({{ ledger_columns(columns) }})
select {{ ledger_columns(columns, 'built') }}
from ledger_changes as built
where built.stored_ctid is null;
end
$replace$;
{% endmacro %}


{#- Post-hook: mark what depends on the rebuilt buckets, and note the build. -#}
{% macro ledger_release() %}
    {%- if execute -%}
    {%- set ledger = model.config.meta.ledger -%}
{{ ledger_mark_dependants_by_claims() }}
{{ ledger_mark_dependants_by_rows() }}
-- The models that read a new table next must know how large it is; later on autovacuum tells.
do $analyze$
begin
    if (
        select tables.reltuples < 0
        from pg_class as tables
        where tables.oid = '{{ this.schema }}.{{ this.identifier }}'::regclass
    ) then
        analyze {{ this }};
    end if;
end
$analyze$;
    {% if ledger.touched_limit is defined %}
    {%- set touched = 'ops.' ~ model.name ~ '__touched' %}
-- Where nobody verifies, the notes for it must not grow without end; a verification that runs is left its snapshot.
delete from {{ touched }}
where
    (
        select notes.reltuples > {{ ledger.touched_limit }}
        from pg_class as notes
        where notes.oid = '{{ touched }}'::regclass
    )
    and (select pg_try_advisory_xact_lock(hashtextextended('verify.{{ model.name }}', 0)));
    {% endif %}
update ops.mart_state
set built_at = clock_timestamp(), claimed_bucket_count = (select count(*) from {{ ledger_claims(model.name) }})
where model = '{{ model.name }}';

-- At the commit the server's count of the rows is that of the table; otherwise it may be ten seconds behind.
select pg_stat_force_next_flush();
    {%- endif -%}
{% endmacro %}
