"""What knowing the gaps, and keeping or dropping partitions, needs to remember."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_file("0011_coverage_and_retention.sql")
