"""What runs are given to work with.

Belongs here: Dagster resources.
Does not belong here: how connections are opened (``database.connections``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import psycopg

from database import connections
from database.settings import DatabaseSettings


class PipelineDatabase(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The database, as the role ``pipeline`` or as its owner. Settings are read when a connection is opened."""

    @contextmanager
    def connect(self, *, application_name: str, as_owner: bool = False) -> Iterator[psycopg.Connection[Any]]:
        """Open a connection in autocommit mode: transactions are opened where they are needed, and no longer."""
        settings = DatabaseSettings()
        url = connections.database_url(settings) if as_owner else connections.role_url(settings, "pipeline")
        with connections.connect(url, application_name=application_name, autocommit=True) as connection:
            yield connection
