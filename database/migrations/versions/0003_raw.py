"""Raw, deliveries as they arrived."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_file("0003_raw.sql")
