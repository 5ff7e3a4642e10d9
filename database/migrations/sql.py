"""Run a migration that is written as a plain SQL file.

Belongs here: reading the file and handing it to the driver untouched.
Does not belong here: any schema.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import psycopg
from alembic import op

VERSIONS = Path(__file__).parent / "versions"


def run_file(name: str) -> None:
    """Execute ``versions/<name>`` within the migration's transaction.

    The driver is called directly: SQLAlchemy would pass a parameter list, and with one PostgreSQL takes a
    single statement only and reads every ``%`` as a placeholder.
    """
    driver = cast("psycopg.Connection[object]", op.get_bind().connection.driver_connection)
    driver.execute((VERSIONS / name).read_bytes())
