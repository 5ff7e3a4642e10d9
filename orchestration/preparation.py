"""What must be there before anything runs: a database, roles, the schema, Dagster's home, and the environment of all.

Belongs here: the order of these steps, and the variables that children get.
Does not belong here: how each step is done (``database/``, ``dagster_home.py``), long-lived processes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from database import embedded
from database.connections import Role, connect, role_passwords, role_url
from database.errors import DatabaseUnavailableError
from database.migrate import migrate
from database.roles import ensure_roles
from ingest import dictionaries
from orchestration import dagster_home
from orchestration.settings import RuntimeSettings

PROJECT = Path(__file__).resolve().parents[1]
"""Where ``python -m ingest`` and the others are found, installed or not."""

_REVIVAL_PAUSE_SECONDS = 5.0

_QUIET = {
    # Nothing here looks up a name outside or tells anybody that it runs.
    "DO_NOT_TRACK": "1",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DBT_VERSION_CHECK": "false",
    # Logs appear when they are written, not when a buffer is full.
    "PYTHONUNBUFFERED": "1",
}

_OWNERS_VARIABLES = ("DATABASE_URL", "DAGSTER_DATABASE_URL", "DAGSTER_POSTGRES_URL")

_ROLE_VARIABLES: dict[Role, str] = {
    "ingest_writer": "INGEST_DATABASE_URL",
    "pipeline": "PIPELINE_DATABASE_URL",
    "bi_reader": "BI_DATABASE_URL",
    "api_reader": "API_DATABASE_URL",
}


@dataclass(frozen=True)
class Prepared:
    """A database with the newest schema, and who runs it. ``settings`` names it, embedded or not."""

    settings: RuntimeSettings
    server: embedded.Server | None
    dagster_environment: dict[str, str] = field(repr=False)

    def environment(self, *roles: Role) -> dict[str, str]:
        """Return the environment of a service that may act as ``roles``, and as nobody else."""
        hidden = (*_OWNERS_VARIABLES, *_ROLE_VARIABLES.values())
        kept = {name: value for name, value in os.environ.items() if name not in hidden}
        urls = {_ROLE_VARIABLES[role]: role_url(self.settings, role) for role in roles}
        return kept | _QUIET | {"STATE_DIR": str(self.settings.state_dir)} | urls


@contextmanager
def prepared(settings: RuntimeSettings, *, with_dagster: bool = True) -> Iterator[Prepared]:
    """Have a database with the newest schema while the block lasts: the configured one, or the embedded one.

    Making Dagster's tables takes seconds; ``with_dagster=False`` spares them who runs nothing of Dagster's. Raises
    ``DatabaseUnavailableError``.
    """
    if settings.database_url is not None:
        yield _prepare(settings, None, with_dagster=with_dagster)
        return
    with embedded.serving(settings.state_dir, preferred_port=settings.embedded_postgres_port) as server:
        own = settings.model_copy(update={"database_url": server.url})
        yield _prepare(own, server, with_dagster=with_dagster)


class DatabaseWatch:
    """Starts the embedded server again, on the port that everybody knows, when it has died."""

    def __init__(self, prepared_database: Prepared, say: Callable[[str], None]) -> None:
        self._server = prepared_database.server
        self._state_dir = prepared_database.settings.state_dir
        self._say = say
        self._next_look = 0.0

    def look(self) -> None:
        """Look, and act where needed; does nothing for a database that is not ours to start."""
        if self._server is None or time.monotonic() < self._next_look:
            return
        if embedded.running(self._state_dir) is not None:
            return
        self._say("the embedded PostgreSQL ended; it starts again")
        try:
            embedded.revive(self._state_dir, preferred_port=self._server.port)
        except DatabaseUnavailableError as error:
            self._say(str(error))
            self._next_look = time.monotonic() + _REVIVAL_PAUSE_SECONDS


def _prepare(settings: RuntimeSettings, server: embedded.Server | None, *, with_dagster: bool) -> Prepared:
    owner_url = settings.database_url or ""
    with connect(owner_url, application_name="prepare", autocommit=True) as connection:
        ensure_roles(connection, role_passwords(settings))
    migrate(owner_url)
    with connect(owner_url, application_name="prepare", autocommit=True) as connection:
        dictionaries.ensure(connection)
    if not with_dagster:
        return Prepared(settings, server, {})
    home = settings.state_dir / "dagster"
    storage_url = settings.dagster_database_url or dagster_home.database_beside(owner_url)
    variables = dagster_home.prepare(home, storage_url)
    first = Prepared(settings, server, {})
    full = first.environment("pipeline") | {"DATABASE_URL": owner_url} | variables
    dagster_home.make_tables(home, full)
    return Prepared(settings, server, full)
