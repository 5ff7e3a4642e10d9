"""Builds of the models: real ones through dbt's command line, and quick ones that repeat its statements.

Belongs here: running dbt, recording what it sends, sending it again.
Does not belong here: facts and expectations.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from database import named_sql
from database.connections import connect
from orchestration.marts.ledger import MODELS
from orchestration.marts.project import EXECUTABLE, PROJECT_DIR, environment
from orchestration.marts.verification import MARTS, verify

STEPS = {
    "claim": "pg_advisory_xact_lock",
    "compute": "create temporary table",
    "replace": "ledger_changes",
    "release": "set built_at",
}
"""The steps of a build, and what is found in the text of each and of no other."""


PARTIALS = named_sql.statements(Path(__file__).parent / "partials.sql")
"""What differs between a partial and a recount of core that reads none of the tables in between."""


@dataclass(frozen=True)
class Dbt:
    """dbt's command line against one database, with a directory of its own for everything it writes."""

    url: str
    directory: Path

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run dbt and return what became of it; by default its failure is a failure."""
        with self.started(*arguments) as process:
            output, _ = process.communicate(timeout=240)
        if check:
            assert process.returncode == 0, output
        return subprocess.CompletedProcess(process.args, process.returncode, output, "")

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start dbt and leave it running; killed at the end if it still is."""
        command = [
            str(EXECUTABLE),
            *("--no-use-colors", "--log-level-file", "debug", "--log-format-file", "json"),
            *arguments,
            *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)),
            *("--target-path", str(self.directory / "target"), "--log-path", str(self.directory / "logs")),
        ]
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment(self.url), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def statements(self) -> dict[str, list[str]]:
        """Return the statements that dbt has sent, by model, as its log has them."""
        sent: dict[str, list[str]] = {}
        for line in (self.directory / "logs" / "dbt.log").read_text().splitlines():
            event = json.loads(line)
            if event["info"]["name"] == "SQLQuery":
                node = event["data"].get("node_info", {}).get("node_name", "")
                sent.setdefault(node, []).append(event["data"]["sql"])
        return sent


@dataclass(frozen=True)
class ModelBuild:
    """What dbt sends to build one model, step by step."""

    model: str
    steps: dict[str, str]


def recorded(dbt: Dbt, database: str) -> tuple[ModelBuild, ...]:
    """Return the builds that ``dbt`` has logged, free of the name of its database."""
    statements = dbt.statements()
    return tuple(ModelBuild(model, _steps(statements[model], database)) for model in MODELS)


def _steps(statements: Sequence[str], database: str) -> dict[str, str]:
    steps = {}
    for name, sign in STEPS.items():
        (statement,) = [text for text in statements if sign in text]
        without_comment = re.sub(r"/\* \{.*?\} \*/", "", statement, flags=re.DOTALL)
        steps[name] = without_comment.replace(f'"{database}".', "")
    return steps


class Builder:
    """Builds the models in one session of the role ``pipeline``, by the recorded statements."""

    def __init__(self, connection: psycopg.Connection[Any], builds: Iterable[ModelBuild]) -> None:
        """Use ``connection``, which must be in autocommit mode."""
        self.connection = connection
        self.builds = {build.model: build for build in builds}

    def __call__(self, models: Sequence[str] = MODELS) -> None:
        """Build ``models``, each in a transaction of its own."""
        for model in models:
            with self.connection.transaction():
                for step in STEPS:
                    self.step(model, step)
            self.connection.execute("discard temp")

    def step(self, model: str, step: str) -> None:
        """Do one step of a build; the caller holds the transaction."""
        self.connection.execute(self.builds[model].steps[step].encode())


@contextmanager
def builder(url: str, builds: Iterable[ModelBuild]) -> Iterator[Builder]:
    """Open a session that builds."""
    with connect(url, application_name="builder", autocommit=True) as connection:
        yield Builder(connection, builds)


def drift(connection: psycopg.Connection[Any]) -> dict[str, tuple[str, ...]]:
    """Return the rows that differ from their recount, by mart and partial, after making sure that none waits."""
    waiting = connection.execute("select model, waiting_mark_count from marts.mart_status").fetchall()
    assert {model for model, count in waiting if count} == set(), waiting
    found = [verify(connection, mart, slice_number=0, slice_count=1) for mart in MARTS]
    drifted = {verification.mart: verification.examples for verification in found if not verification.passed}
    for partial, query in PARTIALS.items():
        if rows := connection.execute(query.encode()).fetchall():
            drifted[partial] = tuple(map(str, rows))
    return drifted


def contents(connection: psycopg.Connection[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of every table that the ledger keeps, without the moment at which each was made."""
    tables = {}
    for model in MODELS:
        schema = "intermediate" if model.startswith("int_") else "marts"
        rows = connection.execute(
            f"select to_jsonb(present) - 'as_of' from {schema}.{model} as present order by 1".encode()
        )
        tables[model] = rows.fetchall()
    return tables
