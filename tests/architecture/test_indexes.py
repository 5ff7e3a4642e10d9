"""Every index earns its place: it says which question it answers."""

from __future__ import annotations

import psycopg

WITHOUT_A_WORD = """
select indexes.oid::regclass::text
from pg_index
inner join pg_class as indexes on pg_index.indexrelid = indexes.oid
inner join pg_namespace as namespaces on indexes.relnamespace = namespaces.oid
where
    namespaces.nspname in ('raw', 'core', 'ops')
    and not indexes.relispartition
    and not exists (select from pg_constraint where pg_constraint.conindid = indexes.oid)
    and coalesce(obj_description(indexes.oid, 'pg_class'), '') = ''
order by 1
"""

TABLES_WITHOUT_A_WORD = """
select tables.oid::regclass::text
from pg_class as tables
inner join pg_namespace as namespaces on tables.relnamespace = namespaces.oid
where
    namespaces.nspname in ('raw', 'core', 'ops')
    and tables.relkind in ('r', 'p', 'v')
    and not tables.relispartition
    and tables.relname <> 'schema_version'
    and coalesce(obj_description(tables.oid, 'pg_class'), '') = ''
order by 1
"""


def test_every_index_that_is_no_constraint_says_its_query(connection: psycopg.Connection) -> None:
    assert connection.execute(WITHOUT_A_WORD).fetchall() == []


def test_every_table_and_view_says_what_one_row_is(connection: psycopg.Connection) -> None:
    assert connection.execute(TABLES_WITHOUT_A_WORD).fetchall() == []
