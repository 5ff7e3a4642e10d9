"""Schemas, grants and the functions that everything else uses."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_file("0001_schemas.sql")
