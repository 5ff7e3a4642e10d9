"""A moment that somebody asked the marts for stays for a while."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_file("0013_held_moment.sql")
