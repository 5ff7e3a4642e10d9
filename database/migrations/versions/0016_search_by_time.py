"""Full text by span of time: the newest matches are found without fetching the others."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_file("0016_search_by_time.sql")
