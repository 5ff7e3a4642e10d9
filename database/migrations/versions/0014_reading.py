"""What the reads of the data layer need at five million tweets."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_file("0014_reading.sql")
