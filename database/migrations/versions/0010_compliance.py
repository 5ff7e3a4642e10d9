"""What deletions, erasure and dead letters need to remember."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_file("0010_compliance.sql")
