"""Counting each tweet once: what was counted of it is kept, and every sum above follows by differences."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run_file("0019_counted_tweets.sql")
