"""What following tweets, profiles and rules over time needs to remember."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_file("0007_snapshots.sql")
