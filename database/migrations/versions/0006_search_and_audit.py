"""Search in scripts without spaces; an audit log of what people change by hand."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_file("0006_search_and_audit.sql")
