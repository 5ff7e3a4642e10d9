"""What a stolen ingest role can do: add deliveries, and read none."""

from __future__ import annotations

import psycopg
import pytest

from database.connections import Role, connect


def privileged(connection: psycopg.Connection, *privileges: str) -> set[str]:
    """Return the tables and views, of any schema of ours, on which ``ingest_writer`` has any of the privileges."""
    rows = connection.execute(
        """
        select relations.oid::regclass::text
        from pg_class as relations
        inner join pg_namespace on relations.relnamespace = pg_namespace.oid
        where
            relations.relkind in ('r', 'p', 'v', 'm', 'f')
            and pg_namespace.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
            and (
                has_table_privilege('ingest_writer', relations.oid, %(privileges)s)
                or has_any_column_privilege('ingest_writer', relations.oid, %(column_privileges)s)
            )
        """,
        {
            "privileges": ",".join(privileges),
            "column_privileges": ",".join(name for name in privileges if name not in ("delete", "truncate", "trigger")),
        },
    )
    return {name for (name,) in rows}


def test_every_table_that_ingest_writer_can_write_is_in_raw(connection: psycopg.Connection) -> None:
    written = privileged(connection, "insert", "update", "delete", "truncate")
    assert written == {"raw.deliveries", "raw.delivery_queue", "raw.compression_dictionaries"}


def test_ingest_writer_changes_and_deletes_nothing(connection: psycopg.Connection) -> None:
    assert privileged(connection, "update", "delete", "truncate", "trigger", "references") == set()


def test_ingest_writer_reads_only_dictionaries(connection: psycopg.Connection) -> None:
    assert privileged(connection, "select") == {"raw.compression_dictionaries"}


@pytest.mark.parametrize(
    "statement",
    [
        "select body from raw.deliveries",
        "delete from raw.deliveries returning body",
        "update raw.deliveries set zone = 'z' returning body",
        "copy raw.deliveries to stdout",
        "insert into raw.deliveries values (1, now(), 0, 1, 0, 's', null, '') returning body",
        "select delivery_id from raw.delivery_queue",
        "select text from core.twitter_tweets",
        "select username from core.twitter_profiles",
        "select detail from raw.dead_letters",
        "create table raw.mine (id int)",
        "create table public.mine (id int)",
        "set role pipeline",
    ],
)
def test_a_stolen_ingest_role_is_refused(role_urls: dict[Role, str], statement: str) -> None:
    url = role_urls["ingest_writer"]
    with (
        connect(url, application_name="tests", autocommit=True) as stolen,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        stolen.execute(statement)
