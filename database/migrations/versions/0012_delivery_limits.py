"""What the front door shows of itself."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_file("0012_delivery_limits.sql")
