"""What the further marts need: queues, claims and grants."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_file("0009_further_marts.sql")
