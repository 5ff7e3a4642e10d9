"""Top profiles and trending hashtags are written by triggers: the partials that they were copied from are gone."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    run_file("0020_marts_kept_by_differences.sql")
