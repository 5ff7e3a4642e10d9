"""What a stolen ingest role can do: add deliveries, and read none."""

from __future__ import annotations

import json

import httpx
import psycopg
import pytest

from database.connections import Role, connect
from tests.ingest.front_door import KEY, FrontDoor


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


def test_ingest_writer_reads_only_dictionaries_and_figures(connection: psycopg.Connection) -> None:
    """The figures are numbers, and the names of zones."""
    assert privileged(connection, "select") == {
        "raw.compression_dictionaries",
        "raw.queue_figures",
        "raw.zone_figures",
    }
    texts = connection.execute(
        "select attname from pg_attribute"
        " where attrelid in ('raw.queue_figures'::regclass, 'raw.zone_figures'::regclass)"
        " and atttypid not in ('bigint'::regtype, 'double precision'::regtype)"
    )
    assert texts.fetchall() == [("zone",)]


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
        "set session authorization pipeline",
        "insert into raw.deliveries select * from raw.deliveries",
        "insert into raw.delivery_queue values (1) on conflict do nothing returning delivery_id",
        "insert into raw.delivery_queue values (1) on conflict (delivery_id) do update set delivery_id = 2",
        "begin; lock table raw.deliveries in share mode",
        "select nextval('core.some_sequence')",
        "select pg_read_file('/etc/hostname')",
        "copy raw.delivery_queue to program 'cat'",
        "copy raw.delivery_queue from '/etc/hostname'",
        "select lo_import('/etc/hostname')",
        "select rolpassword from pg_authid",
        "select stavalues1 from pg_statistic",
        "select subconninfo from pg_subscription",
        "create extension dblink",
        "alter table raw.deliveries enable row level security",
        "create trigger mine before insert on raw.deliveries for each row execute function core.touch_updated_at()",
        "comment on table raw.deliveries is 'mine'",
    ],
)
def test_a_stolen_ingest_role_is_refused(role_urls: dict[Role, str], statement: str) -> None:
    url = role_urls["ingest_writer"]
    with (
        connect(url, application_name="tests", autocommit=True) as stolen,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        stolen.execute(statement)


def test_ingest_writer_is_nobody_else_and_may_use_nothing_else(connection: psycopg.Connection) -> None:
    """Neither by membership nor by attribute, nor through sequences, other schemas, or functions of their owner."""
    attributes = connection.execute(
        "select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls from pg_roles"
        " where rolname = 'ingest_writer'"
    ).fetchall()
    assert attributes == [(False,) * 5]
    memberships = "select roleid::regrole::text from pg_auth_members where member = 'ingest_writer'::regrole"
    assert connection.execute(memberships).fetchall() == []
    ours = "nspname not in ('information_schema') and nspname not like 'pg\\_%%'"
    usable, creatable = (
        {
            name
            for (name,) in connection.execute(
                f"select nspname from pg_namespace where {ours} and has_schema_privilege('ingest_writer', oid, %s)",
                (privilege,),
            )
        }
        for privilege in ("usage", "create")
    )
    assert usable <= {"raw", "public"}
    assert creatable == set()
    sequences = connection.execute(
        "select sequences.oid::regclass::text from (select oid from pg_class where relkind = 'S' offset 0) as sequences"
        " where has_sequence_privilege('ingest_writer', sequences.oid, 'usage, select, update')"
    )
    assert sequences.fetchall() == []
    trusted = connection.execute(
        "select pg_proc.oid::regprocedure::text from pg_proc inner join pg_namespace on pronamespace = pg_namespace.oid"
        f" where prosecdef and {ours} and has_function_privilege('ingest_writer', pg_proc.oid, 'execute')"
        " and has_schema_privilege('ingest_writer', pg_namespace.oid, 'usage')"
    )
    assert trusted.fetchall() == []
    assert connection.execute("select srvname from pg_foreign_server").fetchall() == []


MARKER = "words that nobody else should read"


def test_neither_the_role_nor_the_key_sees_a_delivery_anywhere(
    role_urls: dict[Role, str], door: FrontDoor, connection: psycopg.Connection
) -> None:
    """Statistics, running statements and answers of the service hold no body, not even those of the same role."""
    body = json.dumps({"tweets": [{"id": "1", "text": MARKER}], "rule_tag": MARKER}).encode()
    for _ in range(3):
        assert door.post("/webhooks/twitterapi_io", body).status_code == 200
    connection.commit()
    connection.autocommit = True
    connection.execute("analyze raw.deliveries")
    connection.execute(f"prepare held as select '{MARKER}'")  # Another role's session, with the words in it.
    with connect(role_urls["ingest_writer"], application_name="tests", autocommit=True) as stolen:
        statements = [text for (text,) in stolen.execute("select query from pg_stat_activity where query is not null")]
        known = stolen.execute("select schemaname, tablename from pg_stats").fetchall()
        held = stolen.execute("select statement from pg_prepared_statements").fetchall()
        assert not any(MARKER in text for (text,) in held)
    assert any("insert into raw.deliveries" in text.lower() for text in statements)
    assert not any(MARKER in text for text in statements)
    assert {row for row in known if row[0] not in ("pg_catalog", "information_schema")} == set()
    document = door.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method in operations:
            answer = httpx.request(method, door.url + path, headers={"X-API-Key": KEY}, trust_env=False)
            assert MARKER not in answer.text
