"""Dagster's own directory and database: ``dagster.yaml``, the tables for runs and events, the workspace.

Belongs here: what Dagster is configured with, each setting with its reason.
Does not belong here: definitions (``locations/``), processes (``processes.py``).
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
import yaml
from psycopg import sql

from database.connections import connect, with_database, without_password
from database.errors import DatabaseUnavailableError

DATABASE = "dagster"

URL_VARIABLE = "DAGSTER_POSTGRES_URL"
"""dagster.yaml names this variable instead of holding a password."""

_PROJECT = Path(__file__).resolve().parents[1]


def configuration() -> dict[str, object]:
    """Return what ``dagster.yaml`` says."""
    ticks = {"skipped": 1, "failure": 14, "success": 3, "started": -1}
    return {
        "telemetry": {"enabled": False},
        # Otherwise a sign-up dialog covers every page.
        "nux": {"enabled": False},
        "storage": {"postgres": {"postgres_url": {"env": URL_VARIABLE}}},
        # The default is 5 s, which every run would wait.
        "run_queue": {"dequeue_interval_seconds": 1},
        "concurrency": {
            "runs": {"max_concurrent_runs": 4},
            # One run at a time in each pool: normalising and the mart builds each have theirs.
            "pools": {"default_limit": 1, "granularity": "op"},
        },
        # For crashed run processes; a failing asset has a retry policy of its own.
        "run_retries": {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False},
        "run_monitoring": {
            "enabled": True,
            "start_timeout_seconds": 180,
            # A killed run holds one of the four places, and its place in a pool, until this finds out. The default is
            # two minutes; each look asks a code server whether each live run is still alive.
            "poll_interval_seconds": 10,
            "free_slots_after_run_end_seconds": 10,
        },
        "sensors": {"use_threads": True, "num_workers": 2},
        "schedules": {"use_threads": True, "num_workers": 2},
        # In days. A sensor ticks every five seconds, and nearly all of its ticks are skipped.
        "retention": {"schedule": {"purge_after_days": ticks}, "sensor": {"purge_after_days": ticks}},
    }


def prepare(home: Path, url: str) -> dict[str, str]:
    """Make Dagster's directory, database and tables; return the environment that names them. Idempotent."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(yaml.safe_dump(configuration(), sort_keys=False))
    # SQLAlchemy does not know the short form of the scheme.
    storage_url = url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url
    return {"DAGSTER_HOME": str(home), URL_VARIABLE: storage_url}


def database_beside(owner_url: str) -> str:
    """Return the URL of the database ``dagster`` on the owner's server, making it if it is missing."""
    with connect(owner_url, application_name="prepare dagster", autocommit=True) as connection:
        if connection.execute("select 1 from pg_database where datname = %s", (DATABASE,)).fetchone() is None:
            try:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
            except psycopg.errors.InsufficientPrivilege as error:
                raise DatabaseUnavailableError(
                    f"the owner of {without_password(owner_url)} may not create the database {DATABASE} for "
                    "Dagster's runs and events: grant it CREATEDB, or create a database by hand and set "
                    "DAGSTER_DATABASE_URL."
                ) from error
    return with_database(owner_url, DATABASE)


def make_tables(home: Path, environment: Mapping[str, str]) -> None:
    """Create or upgrade Dagster's tables, once for each release of Dagster and database.

    Done before anything starts: five processes that all find an empty database would create the tables at once.
    """
    done = home / "tables_made"
    state = f"{importlib.metadata.version('dagster')} {without_password(environment[URL_VARIABLE])}"
    if done.exists() and done.read_text() == state and _has_tables(environment[URL_VARIABLE]):
        return
    command = [sys.executable, "-m", "dagster", "instance", "migrate"]
    result = subprocess.run(command, env=dict(environment), cwd=_PROJECT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = "\n".join((result.stdout + result.stderr).strip().splitlines()[-12:])
        raise DatabaseUnavailableError(f"Dagster cannot make its tables ({' '.join(command[1:])}):\n{lines}")
    done.write_text(state)


def write_workspace(path: Path, sockets: Mapping[str, str]) -> None:
    """Write a workspace file that names the code server of each location by its Unix socket."""
    servers = [{"grpc_server": {"socket": place, "location_name": name}} for name, place in sockets.items()]
    path.write_text(yaml.safe_dump({"load_from": servers}, sort_keys=False))


def _has_tables(url: str) -> bool:
    with connect(url, application_name="prepare dagster") as connection:
        row = connection.execute("select to_regclass('public.event_logs') is not null").fetchone()
    return row is not None and bool(row[0])
