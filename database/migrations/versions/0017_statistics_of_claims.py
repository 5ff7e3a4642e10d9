"""Statistics of claimed buckets, on servers where only an owner may analyse as well."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run_file("0017_statistics_of_claims.sql")
