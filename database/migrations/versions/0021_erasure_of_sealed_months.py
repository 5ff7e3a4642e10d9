"""Sealed months can be summed anew, for erasures; a profile that returns gets its names back; work is spared."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    run_file("0021_erasure_of_sealed_months.sql")
