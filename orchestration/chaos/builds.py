"""Builds of the marts during a run and after it.

Belongs here: starting dbt, asking Dagster for its jobs, building until nothing waits.
Does not belong here: whether the marts are right (``audit.py``).
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import psycopg

from orchestration.marts import ledger
from orchestration.marts.project import EXECUTABLE, PROJECT_DIR, ensure_manifest, environment

JOBS = ("refresh_zone_stats", "refresh_top_profiles", "refresh_trending")

PASSES = 10
"""Builds at the end: each takes 50,000 marks a model, and marks what depends on them."""

LONGEST_BUILD_SECONDS = 300.0

_ANSWER_SECONDS = 5.0
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))

_LAUNCH = """
    mutation ($job: String!) {
        launchRun(
            executionParams: {
                selector: {jobName: $job, repositoryName: "__repository__", repositoryLocationName: "marts"}
                runConfigData: "{}"
            }
        ) { __typename }
    }
"""
_UNFINISHED = """
    { runsOrError(filter: {statuses: [QUEUED, NOT_STARTED, STARTING, STARTED]}) {
        ... on Runs { results { jobName } } } }
"""


class DbtBuilds:
    """dbt itself, one build after another, without Dagster."""

    def __init__(self, url: str, directory: Path) -> None:
        self._url = url
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.started = 0
        ensure_manifest()

    @property
    def process_id(self) -> int | None:
        """Return the process id of the build that runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def look(self) -> None:
        """Start a build if none runs."""
        if self.process_id is None:
            self._process = self._start()
            self.started += 1

    def finish(self, connection: psycopg.Connection[Any]) -> bool:
        """Build until no mark waits; return whether that succeeded."""
        self.end()
        ledger.set_as_of(connection, None)
        for _ in range(PASSES):
            if self._start().wait(LONGEST_BUILD_SECONDS) != 0:
                return False
            if not any(ledger.waiting(connection).values()):
                return True
        return False

    def end(self) -> None:
        """Let a build that runs come to its end."""
        if self._process is not None:
            self._process.wait(LONGEST_BUILD_SECONDS)

    def _start(self) -> subprocess.Popen[bytes]:
        command = [str(EXECUTABLE), "--no-use-colors", "run"]
        places = ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)]
        written = ["--target-path", str(self._directory / "target"), "--log-path", str(self._directory / "logs")]
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / "dbt.log").open("ab") as log:
            return subprocess.Popen(
                [*command, *places, *written],
                env={**os.environ, **environment(self._url), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )


class DagsterBuilds:
    """The marts' jobs as Dagster's daemon runs them, one asked for whenever none is under way."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/graphql"
        self._jobs = itertools.cycle(JOBS)
        self._next_look = 0.0
        self.started = 0

    def look(self) -> None:
        """Ask for the next job if none of the three waits or runs; a web server that is down is asked again later."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _ANSWER_SECONDS
        try:
            runs = self._ask(_UNFINISHED)["runsOrError"].get("results", [])
            if not any(run["jobName"] in JOBS for run in runs):
                answer = self._ask(_LAUNCH, job=next(self._jobs))
                self.started += answer["launchRun"]["__typename"] == "LaunchRunSuccess"
        except (OSError, ValueError, KeyError, TypeError):
            return

    def _ask(self, query: str, **variables: str) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self._url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310
        with _NO_PROXY.open(request, timeout=_ANSWER_SECONDS) as response:
            return json.load(response)["data"]
