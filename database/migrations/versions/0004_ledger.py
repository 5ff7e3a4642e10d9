"""The ledger of what changed behind a mart."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_file("0004_ledger.sql")
