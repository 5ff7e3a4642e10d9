"""Partials that keep windows and all-time totals exact at a flat cost."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_file("0008_windows.sql")
