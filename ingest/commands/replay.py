"""``python -m ingest replay``: what the replay command need not be told.

Belongs here: defaults from the settings.
Does not belong here: options, the replay (``ingest.replay``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import click
import psycopg

from database.connections import connect, role_url
from database.errors import DatabaseUnavailableError
from database.settings import DatabaseSettings
from ingest import settings
from ingest.errors import ConfigurationError
from ingest.replay.command import ReplayDefaults, replay_command


def _defaults() -> ReplayDefaults:
    try:
        chosen = settings.load()
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
    keys = chosen.webhook_keys()
    database = DatabaseSettings()
    return ReplayDefaults(
        url=f"http://{chosen.ingest_host}:{chosen.ingest_port}",
        key=keys[0] if keys else None,
        state_dir=database.state_dir,
        connect=_accounting(database),
    )


def _accounting(database: DatabaseSettings) -> Callable[[], psycopg.Connection] | None:
    """Return how to reach the accounting; ``None`` where no database is known here, as beside a remote service."""
    try:
        url = role_url(database, "pipeline")
    except DatabaseUnavailableError:
        return None
    return partial(connect, url, application_name="replay", autocommit=True)


replay = replay_command(_defaults)
