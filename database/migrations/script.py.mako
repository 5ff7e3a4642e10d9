"""${message}."""

from __future__ import annotations

from database.migrations.sql import run_file

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    run_file("${up_revision}_${slug if slug is defined else message}.sql")
