"""Bring a database to the newest schema, and keep its partitions ahead of the clock.

Belongs here: running the migrations, once at a time.
Does not belong here: the schema itself (``migrations/``), roles and their passwords (``roles.py``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config

from database import partitions

MIGRATIONS = Path(__file__).parent / "migrations"

_ONE_AT_A_TIME = 7_203_001
"""Advisory lock: two processes that start together migrate one after the other."""


def migrate(url: str, *, now: datetime | None = None, first_month: datetime | None = None) -> None:
    """Apply every missing migration and create the partitions that ``now`` calls for.

    Idempotent; safe to call from several processes at once. ``url`` is the owner's.
    ``first_month`` (only used on an empty database) is where monthly partitions begin: older tweets share
    the ``history`` partition.
    """
    now = now or datetime.now(UTC)
    with psycopg.connect(url, autocommit=True, application_name="migrate") as connection:
        connection.execute("select pg_advisory_lock(%s)", (_ONE_AT_A_TIME,))
        command.upgrade(configuration(url), "head")
        partitions.ensure(connection, now=now, first_month=first_month)


def configuration(url: str) -> Config:
    """Return alembic's configuration for the database at ``url``."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config
