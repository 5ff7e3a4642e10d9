"""The four login roles of the services.

Belongs here: that the roles exist, their passwords and their session settings.
Does not belong here: what they may read and write (``migrations/``).
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import sql

from database.connections import ROLES, Role
from database.errors import DatabaseUnavailableError

_ONE_AT_A_TIME = 7_203_101
"""Advisory lock: two processes altering one role at once fail with "tuple concurrently updated"."""

_SESSION_SETTINGS: dict[Role, dict[str, str]] = {
    "ingest_writer": {"timezone": "UTC"},
    "pipeline": {"timezone": "UTC"},
    # A BI tool's runaway query must not hold back vacuum for hours.
    "bi_reader": {"timezone": "UTC", "default_transaction_read_only": "on", "statement_timeout": "60s"},
    "api_reader": {"timezone": "UTC", "default_transaction_read_only": "on", "statement_timeout": "15s"},
}


def ensure_roles(connection: psycopg.Connection, passwords: Mapping[Role, str | None]) -> None:
    """Make the four roles where they are missing and give each its password; None leaves a password alone.

    Idempotent and safe at the same time from several processes. Runs before the migrations, which grant to these
    roles. The owner needs to be a superuser or to have CREATEROLE; where all roles exist and every password is None,
    it needs neither. Works in one transaction.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))
        present = _present_roles(connection)
        for role in ROLES:
            _ensure(connection, role, passwords[role], is_present=role in present)


def _present_roles(connection: psycopg.Connection) -> set[str]:
    rows = connection.execute("select rolname from pg_roles where rolname = any(%s)", (list(ROLES),)).fetchall()
    return {name for (name,) in rows}


def _ensure(connection: psycopg.Connection, role: Role, password: str | None, *, is_present: bool) -> None:
    if is_present and password is None:
        return
    try:
        if not is_present:
            connection.execute(sql.SQL("create role {} login").format(sql.Identifier(role)))
        if password is not None:
            _set_password(connection, role, password)
        _set_session(connection, role)
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseUnavailableError(
            f"the owner of DATABASE_URL may not create or alter the role {role} ({error.diag.message_primary}). "
            f"Either grant it CREATEROLE (and ADMIN on roles that it did not create itself), "
            f"or create the roles {', '.join(ROLES)} with LOGIN by hand and set INGEST_DATABASE_URL, "
            "PIPELINE_DATABASE_URL, BI_DATABASE_URL and API_DATABASE_URL."
        ) from error


def _set_password(connection: psycopg.Connection, role: Role, password: str) -> None:
    """Send the salted verifier instead of the password: statements may end up in a server's log."""
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    statement = sql.SQL("alter role {} with login password {}").format(sql.Identifier(role), sql.Literal(verifier))
    connection.execute(statement)


def _set_session(connection: psycopg.Connection, role: Role) -> None:
    for name, value in _SESSION_SETTINGS[role].items():
        statement = sql.SQL("alter role {} set {} = {}").format(
            sql.Identifier(role), sql.Identifier(name), sql.Literal(value)
        )
        connection.execute(statement)
