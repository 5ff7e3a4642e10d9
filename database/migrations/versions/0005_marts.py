"""What the builders of the marts remember between two builds."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_file("0005_marts.sql")
