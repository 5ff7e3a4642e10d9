"""Statistics of tables that autovacuum does not look at, or has not looked at yet."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_file("0015_statistics.sql")
