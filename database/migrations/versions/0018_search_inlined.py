"""What a tweet is searched by, computed without a function call."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    run_file("0018_search_inlined.sql")
