"""One run: everything is started in a scratch directory, harmed under load, left to recover, and audited.

Belongs here: the order of things, and the summary.
Does not belong here: faults, load, what is audited.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from database.connections import connect, database_url, role_url
from database.errors import DatabaseUnavailableError
from database.snowflake import to_unix_ms
from ingest.standin.stream import SyntheticDay
from orchestration.chaos import faults
from orchestration.chaos.audit import Findings, Pages, audit_core, audit_marts, sizes, waiting
from orchestration.chaos.builds import DagsterBuilds, DbtBuilds
from orchestration.chaos.clock import write_shift
from orchestration.chaos.sender import Load, posts
from orchestration.demonstration import register
from orchestration.preparation import PROJECT, DatabaseWatch, Prepared, prepared
from orchestration.process import Process
from orchestration.processes import all_processes, ingest_process
from orchestration.settings import RuntimeSettings
from orchestration.supervisor import Supervisor

HOURS = 12
"""The stretch of tweets that is delivered ends some hours ago: a clock that is behind must not make them future."""

ENDED_HOURS_AGO = 8

RESTART_SECONDS = 1.0
"""The longest pause before a killed process starts again: the supervisor's usual patience would be calm, not chaos."""

AUDIT_SECONDS = 10.0
"""An audit follows a fault, unless another began so shortly before it."""

CALM_SECONDS = 420.0
"""How long recovery may take: Dagster's web server, daemon and code servers start within a minute on two busy cores."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What is asked for. At least ``kills`` processes are killed, however long it takes."""

    minutes: float
    seed: int
    kills: int = 0
    tweets_per_second: float = 100.0
    with_dagster: bool = True

    @property
    def pause_seconds(self) -> float:
        """Return the mean time between two faults."""
        least = 5.0 if self.with_dagster else 1.0
        # Three of four faults are kills.
        return min(least, 0.75 * 60 * self.minutes / self.kills) if self.kills else least


@dataclass
class Report:
    """What happened and what was found."""

    options: Options
    struck: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    findings: Findings = field(default_factory=Findings)
    audits: int = 0
    builds: int = 0
    acknowledged: int = 0
    acknowledged_tweets: int = 0
    tweets: int = 0
    letters: int = 0
    troubles: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Tell whether the promise held."""
        return self.findings.is_clean and not self.troubles and self.acknowledged > 0

    def lines(self) -> Iterator[str]:
        """Yield the summary."""
        counts = self.findings.counts
        yield f"seed                  {self.options.seed}"
        yield f"kills                 {self.killed.total()}: {_listed(self.killed)}"
        yield f"other faults          {self.struck.total() - self.killed.total()}: {_listed(self.struck - self.killed)}"
        yield f"answers to the sender {_listed(self.answers)}"
        yield f"acknowledged          {self.acknowledged:,} deliveries with {self.acknowledged_tweets:,} tweets"
        yield f"in core               {self.tweets:,} tweets; {self.letters:,} dead letters"
        yield f"audits                {self.audits}, of {self.findings.buckets:,} buckets"
        yield f"builds of marts       {self.builds} begun under faults"
        yield f"lost                  {counts['lost']}"
        yield f"duplicated            {counts['duplicated']}"
        yield f"wrong counters        {counts['wrong']}"
        yield f"unbalanced accounts   {counts['unbalanced']}"
        yield f"drift                 {self.findings.drift}"
        yield from (f"  {example}" for example in self.findings.examples)
        yield from (f"  {trouble}" for trouble in self.troubles)
        yield "the promise held" if self.is_clean else "THE PROMISE WAS BROKEN"


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common()) or "none"


def run(options: Options, say: Say) -> Report:
    """Do it in a directory of its own, which goes again unless something was wrong."""
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    report = Report(options)
    try:
        with (
            _without_settings_of_others(),
            prepared(_settings(directory), with_dagster=options.with_dagster) as database,
        ):
            _Run(options, database, report, say).go()
    finally:
        if report.is_clean:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            say(f"what was written is kept in {directory}")
    return report


def _settings(directory: Path) -> RuntimeSettings:
    """Return settings that name nothing outside ``directory``, whatever the environment says."""
    names = ("ingest_port", "api_port", "dagster_port", "standin_port", "embedded_postgres_port")
    ports: dict[str, Any] = dict(zip(names, _free_ports(len(names)), strict=True))
    elsewhere: dict[str, Any] = dict.fromkeys(
        ("database_url", "dagster_database_url", "redis_url", "twitterapi_io_key", "x_api_bearer_token")
    )
    roles: dict[str, Any] = dict.fromkeys(
        ("ingest_database_url", "pipeline_database_url", "bi_database_url", "api_database_url")
    )
    return RuntimeSettings(state_dir=directory, **ports, **elsewhere, **roles)


@contextmanager
def _without_settings_of_others() -> Iterator[None]:
    """Let nobody that is started here see a real provider, whatever the environment and ``.env`` name."""
    names = ("TWITTERAPI_IO_KEY", "X_API_BEARER_TOKEN", "X_API_CONSUMER_SECRETS", "REDIS_URL")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, ""))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class _Run:
    """A run in a prepared database."""

    def __init__(self, options: Options, database: Prepared, report: Report, say: Say) -> None:
        self._options = options
        self._database = database
        self._report = report
        self._say = say
        self._began = time.monotonic()
        self._chance = Random(options.seed)  # noqa: S311 -- to be repeated, not to be secret
        self._url = database_url(database.settings)
        self._directory = database.settings.state_dir
        self._clock = self._directory / "clock"
        self._audited_at = 0.0
        self._dbt = DbtBuilds(role_url(database.settings, "pipeline"), self._directory / "dbt")
        write_shift(self._clock, 0.0)

    def go(self) -> None:
        """Start, harm, let recover, audit."""
        key = secrets.token_urlsafe(16)
        sockets = Path(tempfile.mkdtemp(prefix="chaos-"))
        supervisor = Supervisor(
            self._processes(key, sockets),
            log_directory=self._directory / "logs",
            working_directory=PROJECT,
            say=self._tell,
            longest_pause_seconds=RESTART_SECONDS,
        )
        watch = DatabaseWatch(self._database, self._tell)
        keeper = threading.Thread(target=supervisor.supervise, args=(watch.look,), name="supervisor", daemon=True)
        try:
            load = self._load(key)
            if not supervisor.start():
                self._report.troubles.append("the pipeline did not start")
                return
            keeper.start()
            self._make_marts()
            load.start()
            self._harm(supervisor, load)
            self._settle(load)
        finally:
            supervisor.ask_to_stop()
            if keeper.is_alive():
                keeper.join(30)
            supervisor.stop()
            shutil.rmtree(sockets, ignore_errors=True)

    def _processes(self, key: str, sockets: Path) -> list[Process]:
        shared = {"TWITTERAPI_IO_WEBHOOK_KEYS": key, "INGEST_LOG_DELIVERIES": "false"}
        shared["INGEST_MIN_FREE_DISK_BYTES"] = "0"
        service = ingest_process(self._database, shared)
        launcher = (sys.executable, "-m", "orchestration.chaos.clock", str(self._clock), "ingest", "serve")
        service = dataclasses.replace(service, command=launcher)
        if not self._options.with_dagster:
            return [service, self._normaliser()]
        others = all_processes(self._database, with_standin=False, redis=None, socket_directory=sockets)
        return [service, *(process for process in others if process.name.startswith("dagster"))]

    def _normaliser(self) -> Process:
        return Process(
            name="normaliser",
            command=(sys.executable, "-m", "orchestration.chaos.normaliser"),
            environment=self._database.environment("pipeline"),
            is_well=lambda: True,
        )

    def _load(self, key: str) -> Load:
        end = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=ENDED_HOURS_AGO)
        # Rules match seven of ten tweets; twice as many as are posted, so that the day does not end before the run.
        count = int(2 * 60 * max(1.0, self._options.minutes) * self._options.tweets_per_second)
        day = SyntheticDay(self._options.seed, to_unix_ms(end - timedelta(hours=HOURS)), HOURS, count)
        with connect(self._url, application_name="chaos") as connection:
            register(connection, day.rules)
        url = f"http://127.0.0.1:{self._database.settings.ingest_port}"
        source = posts(day, Random(self._options.seed))  # noqa: S311
        return Load(url, key, source, tweets_per_second=self._options.tweets_per_second)

    def _harm(self, supervisor: Supervisor, load: Load) -> None:
        builds = self._builds()
        scene = faults.Scene(
            state_dir=self._directory,
            url=self._url,
            clock=self._clock,
            process_ids=supervisor.pids,
            build_process_id=lambda: self._dbt.process_id,
            chance=self._chance,
        )
        chosen_from = faults.WITH_DAGSTER if self._options.with_dagster else faults.WITHOUT_DAGSTER
        end = time.monotonic() + 60 * self._options.minutes
        while time.monotonic() < end or self._report.killed.total() < self._options.kills:
            time.sleep(min(self._chance.expovariate(1 / self._options.pause_seconds), 4 * self._options.pause_seconds))
            builds.look()
            self._strike(faults.choose(chosen_from, self._chance), scene)
            self._audit_if_due(load)
        write_shift(self._clock, 0.0)
        self._report.builds = builds.started

    def _make_marts(self) -> None:
        """Build once in peace, so that every audit has marts to recount. Short runs begin with a build under fire."""
        if not self._options.with_dagster:
            return
        with connect(self._url, application_name="chaos", autocommit=True) as connection:
            if not self._dbt.finish(connection):
                self._report.troubles.append("the marts could not be built before anything was harmed")

    def _builds(self) -> DbtBuilds | DagsterBuilds:
        return DagsterBuilds(self._database.settings.dagster_port) if self._options.with_dagster else self._dbt

    def _strike(self, fault: faults.Fault, scene: faults.Scene) -> None:
        if not faults.strike(fault, scene):
            return
        self._report.struck[fault.name] += 1
        if fault.is_kill:
            self._report.killed[fault.name] += 1
        self._tell(f"{'killed' if fault.is_kill else 'struck'}: {fault.name}")

    def _audit_if_due(self, load: Load) -> None:
        if time.monotonic() - self._audited_at < AUDIT_SECONDS:
            return
        self._audited_at = time.monotonic()
        try:
            with connect(self._url, application_name="audit", autocommit=True) as connection:
                self._audit(connection, load.book.pages(), is_the_end=False)
        except (psycopg.Error, DatabaseUnavailableError):
            return

    def _audit(self, connection: psycopg.Connection[Any], pages: Pages, *, is_the_end: bool) -> None:
        found = audit_core(connection, pages, is_the_end=is_the_end)
        found.add(audit_marts(connection))
        self._report.audits += 1
        self._report.findings.add(found)
        self._tell(f"audit {self._report.audits}: {found.counts}, drift {found.drift} in {found.buckets} buckets")

    def _settle(self, load: Load) -> None:
        """Harm nothing any more, and see whether everything comes to rest, complete."""
        self._tell("calm: everything must recover by itself now")
        if not load.finish(CALM_SECONDS):
            self._report.troubles.append(f"deliveries were not acknowledged within {CALM_SECONDS:.0f} s of calm")
        self._report.troubles += load.refusals
        if not self._is_drained():
            self._report.troubles.append(f"deliveries were not normalised within {CALM_SECONDS:.0f} s of calm")
        with connect(self._url, application_name="audit", autocommit=True) as connection:
            if not self._dbt.finish(connection):
                self._report.troubles.append("the marts could not be built in calm")
            pages = load.book.pages()
            self._audit(connection, pages, is_the_end=True)
            _, self._report.tweets, self._report.letters = sizes(connection)
        self._report.answers = load.answers
        self._report.acknowledged = len(pages)
        self._report.acknowledged_tweets = sum(len(facts.matched) for _, facts in pages)

    def _is_drained(self) -> bool:
        deadline = time.monotonic() + CALM_SECONDS
        while time.monotonic() < deadline:
            try:
                with connect(self._url, application_name="audit", autocommit=True) as connection:
                    if waiting(connection) == 0:
                        return True
            except (psycopg.Error, DatabaseUnavailableError):
                pass
            time.sleep(0.5)
        return False

    def _tell(self, line: str) -> None:
        self._say(f"{time.monotonic() - self._began:7.1f} s  {line}")
