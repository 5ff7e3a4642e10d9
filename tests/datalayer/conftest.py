"""The synthetic world as a fixture."""

from __future__ import annotations

import psycopg
import pytest

from tests.datalayer.world import World


@pytest.fixture
def world(connection: psycopg.Connection) -> World:
    """An empty world on a database of its own; rows are rolled back unless a test commits."""
    return World(connection)
