"""The pipeline's own processes in a database of a test's own: the service, the replay, the normaliser, dbt.

Belongs here: starting, killing and awaiting them.
Does not belong here: what must come of it.
"""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from database.connections import Role, connect, with_database
from ingest.normalise.worker import Progress, Worker
from orchestration.marts import ledger
from tests.conftest import SharedState
from tests.dbt.builds import Dbt
from tests.dbt.conftest import as_role, clone, drop
from tests.ingest.front_door import KEY, FrontDoor, bare_environment
from tests.waiting import wait_until

ROLES: tuple[Role, ...] = ("ingest_writer", "pipeline")


@dataclass
class Service:
    """The webhook service as a process on a port that it keeps when it is started again."""

    environment: Mapping[str, str]
    log: Path
    door: FrontDoor
    running: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.running = subprocess.Popen(
                [sys.executable, "-m", "ingest", "serve", "--port", str(self.door.port)],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(self.environment),
            )
        running = self.running
        wait_until(lambda: running.poll() is not None or self.door.is_ready())
        assert running.poll() is None, self.log.read_text()

    def kill(self) -> None:
        """Stop it as ``kill -9`` does."""
        if self.running is not None:
            self.running.kill()
            self.running.wait()


@dataclass(frozen=True)
class Pipeline:
    """A database and everything that works on it."""

    owner: psycopg.Connection[Any]
    urls: Mapping[Role, str]
    service: Service
    dbt: Dbt
    directory: Path

    @contextmanager
    def replaying(self, *files: Path, zone: str) -> Iterator[subprocess.Popen[str]]:
        """Run the replay as a process; killed at the end if it still runs."""
        command = ["replay", "--url", self.service.door.url, "--key", KEY, "--zone", zone, "--drain-timeout", "0"]
        with (self.directory / "replay.log").open("a+") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "ingest", *command, *map(str, files)],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(self.service.environment),
                text=True,
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()

    def replay(self, *files: Path, zone: str) -> None:
        """Replay files to their end."""
        with self.replaying(*files, zone=zone) as process:
            assert process.wait(timeout=240) == 0, (self.directory / "replay.log").read_text()

    def normalise(self) -> Progress:
        """Normalise all that waits."""
        with connect(self.urls["pipeline"], application_name="normalise", autocommit=True) as connection:
            return Worker(connection).drain()

    def build(self, as_of: datetime) -> None:
        """Build and test all models with dbt, as of a moment."""
        ledger.set_as_of(self.owner, as_of)
        self.dbt("build", "--exclude-resource-type", "unit_test")

    def landed(self) -> int:
        """Return how many deliveries the service has committed."""
        return int(self.one("select count(*) from raw.deliveries"))

    def one(self, statement: str, *parameters: object) -> Any:
        """Return the single value of a query."""
        row = self.owner.execute(statement.encode(), parameters).fetchone()
        assert row is not None
        return row[0]

    def accounting(self) -> dict[str, int]:
        """Return the items that were accepted, and what became of them."""
        counts = self.owner.execute(ACCOUNTING.encode()).fetchone()
        assert counts is not None
        return dict(zip(FATES, counts, strict=True))


FATES = ("accepted", "normalised", "duplicate", "control", "dead", "waiting")

ACCOUNTING = """
select
    sum(deliveries.item_count)::bigint,
    coalesce(sum(accounting.normalised_count), 0)::bigint,
    coalesce(sum(accounting.duplicate_count), 0)::bigint,
    coalesce(sum(accounting.control_count), 0)::bigint,
    coalesce(sum(accounting.dead_count), 0)::bigint,
    coalesce(sum(deliveries.item_count) filter (where queue.delivery_id is not null), 0)::bigint
from raw.deliveries
left join ops.delivery_accounting as accounting on deliveries.delivery_id = accounting.delivery_id
left join raw.delivery_queue as queue on deliveries.delivery_id = queue.delivery_id
where deliveries.source <> 'heartbeat'
"""


@contextmanager
def pipeline(server_url: str, template: str, shared_state: SharedState, directory: Path) -> Iterator[Pipeline]:
    """Clone a database and run the service on it; all of it goes at the end."""
    name = f"story_{secrets.token_hex(6)}"
    url = with_database(server_url, name)
    with connect(server_url, application_name="tests", autocommit=True) as administration:
        clone(administration, name, template)
        urls = {role: as_role(url, shared_state, role) for role in ROLES}
        service = Service(_environment(urls, directory), directory / "serve.log", FrontDoor("127.0.0.1", _free_port()))
        try:
            service.start()
            with connect(url, application_name="story", autocommit=True) as owner:
                yield Pipeline(owner, urls, service, Dbt(urls["pipeline"], directory / "dbt"), directory)
        finally:
            service.kill()
            drop(administration, name)


def _environment(urls: Mapping[Role, str], directory: Path) -> dict[str, str]:
    return {
        **bare_environment(directory),
        "TWITTERAPI_IO_WEBHOOK_KEYS": KEY,
        "INGEST_DATABASE_URL": urls["ingest_writer"],
        "PIPELINE_DATABASE_URL": urls["pipeline"],
        "INGEST_LOG_DELIVERIES": "false",
        "INGEST_MIN_FREE_DISK_BYTES": "0",
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
