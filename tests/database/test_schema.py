"""The schema that the migrations make: readable in one file, granted to each role as promised, fit for every query."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from database import named_sql, schema_dump
from database.connections import Role
from database.migrate import migrate

# Roles belong to all databases of a server, so that two migrations at once can get into each other's way.
pytestmark = pytest.mark.xdist_group("migrations")

ROOT = Path(__file__).parents[2]

_READS_MODELS = re.compile(r"\b(marts|intermediate|staging|checked_buckets|recounted|wrong_buckets)\b")

_COPIED_INTO = re.compile(r"copy ([\w.]+)\s*\(([^)]*)\)\s*from stdin.*", re.DOTALL)

_PARAMETER = re.compile(r"%\((\w+)\)[sbt]|%[sbt]")


def test_the_migrations_from_nothing_make_what_schema_sql_says(
    empty_database_url: str,
    template_database: str,
) -> None:
    with psycopg.connect(empty_database_url) as connection:
        if connection.info.server_version // 10_000 != 18:
            pytest.skip("schema.sql is what PostgreSQL 18 says of itself; older releases word some things differently")
    schema_dump.migrate_without_partitions(empty_database_url)
    expected, found = schema_dump.SCHEMA.read_text(encoding="utf-8"), schema_dump.dump(empty_database_url)
    lines = difflib.unified_diff(
        expected.splitlines(), found.splitlines(), "schema.sql", "migrations", lineterm="", n=1
    )
    difference = "\n".join(lines)
    assert not difference, f"{difference}\n\nIf the migrations are right: python -m database.schema_dump"


def test_migrating_again_changes_nothing(database_url: str) -> None:
    before = schema_dump.dump(database_url)
    migrate(database_url)
    assert schema_dump.dump(database_url) == before


def granted(connection: psycopg.Connection, role: Role) -> dict[str, set[str]]:
    """Return the privileges of a role on tables and views of the database, by their schema and name."""
    found = connection.execute(
        """
        select namespaces.nspname || '.' || relations.relname, privileges.privilege
        from pg_class as relations
        inner join pg_namespace as namespaces on relations.relnamespace = namespaces.oid
        cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger'])
            as privileges (privilege)
        where
            namespaces.nspname in ('raw', 'core', 'ops', 'marts', 'staging', 'intermediate', 'public')
            and relations.relkind in ('r', 'p', 'v', 'm', 'f')
            and has_table_privilege(%s, relations.oid, privileges.privilege)
        """,
        (role,),
    )
    privileges: dict[str, set[str]] = {}
    for name, privilege in found:
        privileges.setdefault(name, set()).add(privilege)
    return privileges


class TestGrants:
    """Architecture, section 9."""

    def test_the_front_door_appends_to_raw_and_reads_nothing_of_anybody(self, connection: psycopg.Connection) -> None:
        privileges = granted(connection, "ingest_writer")
        assert privileges["raw.deliveries"] == {"insert"}
        assert privileges["raw.delivery_queue"] == {"insert"}
        others = {name for name in privileges if name not in {"raw.deliveries", "raw.delivery_queue"}}
        assert others == {"raw.compression_dictionaries", "raw.queue_figures", "raw.zone_figures"}
        assert privileges["raw.compression_dictionaries"] == {"select", "insert"}

    @pytest.mark.parametrize(
        "statement",
        [
            "select body from raw.deliveries",
            "select * from core.twitter_tweets",
            "select * from core.twitter_profiles",
            "delete from raw.delivery_queue",
            "update raw.deliveries set zone = 'x'",
            "insert into core.zones (name) values ('x')",
            "create table raw.mine ()",
            "create table public.mine ()",
        ],
    )
    def test_the_front_door_is_refused_everything_else(self, role_urls: dict[Role, str], statement: str) -> None:
        with (
            psycopg.connect(role_urls["ingest_writer"]) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)

    def test_bi_tools_see_the_marts_and_nothing_else(self, connection: psycopg.Connection) -> None:
        visible = connection.execute(
            "select nspname from pg_namespace where has_schema_privilege('bi_reader', oid, 'usage')"
            " and nspname in ('raw', 'core', 'ops', 'marts', 'staging', 'intermediate')"
        ).fetchall()
        assert visible == [("marts",)]
        assert {privilege for found in granted(connection, "bi_reader").values() for privilege in found} <= {"select"}

    @pytest.mark.parametrize("role", ["bi_reader", "api_reader"])
    def test_readers_cannot_write_and_cannot_run_for_ever(self, role_urls: dict[Role, str], role: Role) -> None:
        with psycopg.connect(role_urls[role]) as connection:
            settings = connection.execute(
                "select current_setting('default_transaction_read_only'), current_setting('statement_timeout')"
            ).fetchone()
            assert settings is not None
            assert settings[0] == "on"
            assert settings[1] != "0"

    def test_the_pipeline_writes_rows_and_no_schema(self, connection: psycopg.Connection) -> None:
        privileges = granted(connection, "pipeline")
        assert privileges["core.twitter_tweets"] == {"select", "insert", "update", "delete"}
        assert "truncate" not in {privilege for found in privileges.values() for privilege in found}
        assert "ops.schema_version" not in privileges
        creatable = connection.execute(
            "select nspname from pg_namespace where has_schema_privilege('pipeline', oid, 'create')"
            " and nspname !~ '^pg_' order by nspname"
        ).fetchall()
        assert creatable == [("intermediate",), ("marts",), ("staging",)]

    def test_nobody_writes_straight_into_a_partition(self, connection: psycopg.Connection) -> None:
        """T19: the triggers of the ledger are on the parents and do not see such rows."""
        children = {
            name
            for (name,) in connection.execute(
                "select inhrelid::regclass::text from pg_inherits inner join pg_class on inhrelid = pg_class.oid"
                " where relkind = 'r'"
            )
        }
        assert children
        for role in ("ingest_writer", "pipeline", "bi_reader", "api_reader"):
            assert not children & granted(connection, role).keys()

    @pytest.mark.parametrize("role", ["ingest_writer", "pipeline", "bi_reader", "api_reader"])
    def test_no_service_is_more_than_its_grants(self, connection: psycopg.Connection, role: Role) -> None:
        attributes = connection.execute(
            "select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls from pg_roles"
            " where rolname = %s",
            (role,),
        ).fetchone()
        assert attributes == (False,) * 5
        assert connection.execute(
            "select count(*) from pg_auth_members where member = %s::regrole", (role,)
        ).fetchone() == (0,)


def named_statements() -> Iterator[tuple[str, str]]:
    for package in ("database", "ingest", "datalayer", "api", "orchestration"):
        for path in sorted((ROOT / package).rglob("*.sql")):
            for name, statement in named_sql.statements(path).items():
                yield f"{path.relative_to(ROOT)}::{name}", statement


def test_every_named_statement_fits_the_schema(connection: psycopg.Connection) -> None:
    """Each is prepared by the server, which knows every table, column, function and type that it names.

    Statements that read what dbt builds are left to the tests that build it.
    """
    statements = {name: text for name, text in named_statements() if not _READS_MODELS.search(text)}
    assert len(statements) > 100
    for text in statements.values():
        if _makes_temporary_tables(text):
            connection.execute(text)
    failures = {}
    for name, text in statements.items():
        if not _makes_temporary_tables(text):
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute("deallocate all")
                    connection.execute(_prepared(text))
            except psycopg.Error as error:
                failures[name] = str(error)
    assert not failures, "\n".join(f"{name}: {message}" for name, message in failures.items())


def _makes_temporary_tables(statement: str) -> bool:
    return statement.startswith("create temp table")


def _prepared(statement: str) -> str:
    """Return what makes the server look at a statement without running it; utility statements are run."""
    numbers: dict[str, int] = {}

    def numbered(match: re.Match[str]) -> str:
        name = match[1] or str(len(numbers))
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    text = _PARAMETER.sub(numbered, statement).replace("%%", "%")
    first_word = re.sub(r"--.*\n", "", text).split(maxsplit=1)[0].lower()
    is_query = first_word in {"select", "insert", "update", "delete", "with", "merge", "values"}
    if first_word == "copy":
        text = _COPIED_INTO.sub(r"select \2 from \1", text)
    return f"prepare looked_at as {text}" if is_query or first_word == "copy" else text
