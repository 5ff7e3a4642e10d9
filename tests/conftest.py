"""Fixtures for everyone: a real PostgreSQL for the session and a fresh, migrated database for each test.

Belongs here: the server, the migrated template, the database cloned from it, connections to it.
Does not belong here: rows, payloads and builders of one layer (they live in that layer's folder).

``TEST_DATABASE_URL`` (an owner's URL) runs the tests against an existing server instead of an embedded one. The four
service roles get new passwords there: never point it at a server that serves anyone.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from database import embedded
from database.connections import ROLES, Role, connect, role_passwords, with_database, with_login
from database.locking import Usage, exclusively
from database.migrate import migrate
from database.roles import ensure_roles
from database.settings import DatabaseSettings

# Each test has a database of its own: 700 small files, copied from the template. On a virtual machine's disk a copy
# took 45 to 500 ms, in memory 20 to 36 ms, always; that is two minutes of the suite.
_MEMORY = Path("/dev/shm")
_ENOUGH_MEMORY = 4 * 2**30


def _memory() -> Path | None:
    """A file system in memory with room for the server's files, or None: the usual place for temporary files."""
    usable = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH_MEMORY
    return _MEMORY if usable else None


class SharedState:
    """What the workers of one test session share: a state directory and the name of the template database."""

    def __init__(self, meeting_place: Path) -> None:
        """Join the session whose workers all know ``meeting_place``."""
        self._agreed = meeting_place / "shared_database.json"
        self._lock = meeting_place / "shared_database.lock"
        self._usage = Usage(meeting_place / "shared_database.users")
        with exclusively(self._lock):
            if not self._agreed.exists():
                # Not under pytest's own directory: that one is closed to the server's system user.
                state_dir = tempfile.mkdtemp(prefix="tweet-pipeline-tests-", dir=_memory())
                self._agreed.write_text(json.dumps([state_dir, f"template_{secrets.token_hex(4)}"]))
        directory, template = json.loads(self._agreed.read_text())
        self.state_dir = Path(directory)
        self.template: str = template

    def make_template_once(self, server_url: str) -> None:
        """Create the roles and the migrated template unless another worker did."""
        done = self.state_dir / "template_is_ready"
        with exclusively(self._lock):
            if done.exists():
                return
            with connect(server_url, application_name="tests", autocommit=True) as connection:
                ensure_roles(connection, role_passwords(DatabaseSettings(state_dir=self.state_dir)))
                _create_database(connection, self.template)
            migrate(with_database(server_url, self.template))
            done.touch()

    def leave(self, server_url: str, stop: Callable[[], object]) -> None:
        """Release the server; the last worker removes the template and the files."""
        with exclusively(self._lock):
            is_last = self._usage.is_last()
            if is_last:
                with connect(server_url, application_name="tests", autocommit=True) as connection:
                    _drop_database(connection, self.template)
            stop()
            if is_last:
                shutil.rmtree(self.state_dir, ignore_errors=True)
                self._agreed.unlink()
        self._usage.end()


def _create_database(connection: psycopg.Connection, name: str, template: str = "template0") -> None:
    statement = sql.SQL("create database {} template {} strategy file_copy")
    if connection.info.server_version < 150000:
        pytest.exit("these tests need PostgreSQL 15 or newer", returncode=2)
    connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))


def _drop_database(connection: psycopg.Connection, name: str) -> None:
    connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def shared_state(tmp_path_factory: pytest.TempPathFactory) -> SharedState:
    """The state that all workers of this session share."""
    base = tmp_path_factory.getbasetemp()
    return SharedState(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


@pytest.fixture(scope="session")
def server_url(shared_state: SharedState) -> Iterator[str]:
    """The owner's URL of the server that all tests share; its own database is used for administration only."""
    with ExitStack() as stack:
        given = os.environ.get("TEST_DATABASE_URL")
        if given is None:
            serving = embedded.serving(shared_state.state_dir, preferred_port=54400, durable=False)
            url = stack.enter_context(serving).url
        else:
            url = given
        yield url
        shared_state.leave(url, stop=stack.close)


@pytest.fixture(scope="session")
def template_database(shared_state: SharedState, server_url: str) -> str:
    """The name of a migrated database without rows that tests clone."""
    shared_state.make_template_once(server_url)
    return shared_state.template


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """The owner's URL of a database of one's own without any schema of ours; dropped afterwards."""
    yield from _own_database(server_url, "template0")


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """The owner's URL of a migrated database of one's own; dropped afterwards."""
    yield from _own_database(server_url, template_database)


def _own_database(server_url: str, template: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    with connect(server_url, application_name="tests", autocommit=True) as administration:
        _create_database(administration, name, template)
        try:
            yield with_database(server_url, name)
        finally:
            _drop_database(administration, name)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to ``database_url``; what a test leaves uncommitted is rolled back."""
    with connect(database_url, application_name="tests") as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def role_urls(database_url: str, shared_state: SharedState) -> dict[Role, str]:
    """The URL of each service role on ``database_url``."""
    passwords = role_passwords(DatabaseSettings(state_dir=shared_state.state_dir))
    return {role: with_login(database_url, role, passwords[role] or "") for role in ROLES}
