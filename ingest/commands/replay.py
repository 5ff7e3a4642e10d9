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
from ingest import settings, zones
from ingest.errors import ConfigurationError
from ingest.replay.command import ReplayDefaults, replay_command
from ingest.sources.signatures import secret_bytes
from ingest.standin.key import demonstration_key


def _defaults() -> ReplayDefaults:
    try:
        chosen = settings.load()
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
    keys, signing_secrets = chosen.webhook_keys(), chosen.signing_secrets()
    database = DatabaseSettings()
    connect = _pipeline(database)
    return ReplayDefaults(
        url=f"http://{chosen.ingest_host}:{chosen.ingest_port}",
        key=keys[0] if keys else demonstration_key(database.state_dir),
        signing_secret=secret_bytes(signing_secrets[0]) if signing_secrets else None,
        state_dir=database.state_dir,
        connect=connect,
        add_zone=partial(_add_zone, connect) if connect else None,
    )


def _add_zone(connect: Callable[[], psycopg.Connection], name: str) -> bool:
    with connect() as connection:
        if any(zone.name == name for zone in zones.every(connection)):
            return False
        zones.add(connection, name)
        return True


def _pipeline(database: DatabaseSettings) -> Callable[[], psycopg.Connection] | None:
    """Return how to reach the database; ``None`` where none is known here, as beside a remote service."""
    try:
        url = role_url(database, "pipeline")
    except DatabaseUnavailableError:
        return None
    return partial(connect, url, application_name="replay", autocommit=True)


replay = replay_command(_defaults)
