"""What the tags' statement counted in vain is spared; a profile that returns gets its rows' names back."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    run_file("0021_spared_work_and_profiles_that_return.sql")
