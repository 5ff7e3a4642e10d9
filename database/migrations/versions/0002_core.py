"""Core, the normalised facts."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_file("0002_core.sql")
