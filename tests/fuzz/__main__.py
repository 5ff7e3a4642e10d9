"""``python -m tests.fuzz``: fire mutated requests at the real service, normalise what it kept, settle the accounts.

Belongs here: options, processes, the report. ``REAL_DATA_DIR`` adds real payloads to what is mutated.
Does not belong here: making and sending requests, judging.
"""

from __future__ import annotations

import asyncio
import json
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import psycopg

from database import embedded
from database.connections import ROLES, Role, connect, with_login
from database.migrate import migrate
from database.roles import ensure_roles
from ingest.normalise.worker import Worker
from ingest.outcomes import Reason
from tests.fuzz import accounts
from tests.fuzz.fire import Tally, fire
from tests.fuzz.mutations import Mutator, Secrets
from tests.ingest.front_door import FrontDoor, process

PORT = 54_640

BOUNDS = {
    "INGEST_HEADER_SECONDS": "2",
    "INGEST_BODY_SECONDS": "2",
    "INGEST_KEEP_ALIVE_SECONDS": "2",
    "INGEST_MAX_DECOMPRESSED_BYTES": str(8 << 20),
    "INGEST_MAX_BODY_BYTES": str(2 << 20),
    "INGEST_MAX_ITEMS": "2000",
    "INGEST_LOG_DELIVERIES": "false",
}
"""Tighter than the defaults, so that every bound is met within seconds."""

MIN_SAMPLES = 20
"""Of memory, one each thousand requests: fewer say nothing about growth."""

MAX_GROWTH = 0.15
"""Of the most memory that the service had, from the first half of a run to the second. It goes up and down by 20 MiB
with the bodies under way; in 100,000 requests the most was 229 MiB in the first half and 247 in the second, without an
object more that Python knows of: the allocator keeps what bodies of every size leave between each other.
"""


@contextmanager
def scratch_database() -> Iterator[tuple[str, dict[Role, str]]]:
    """Give the owner's URL and those of the roles, of a database with the zone and the rules that payloads name."""
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-") as directory,
        embedded.serving(Path(directory), preferred_port=PORT, durable=False) as server,
    ):
        passwords = {role: secrets.token_urlsafe(18) for role in ROLES}
        with connect(server.url, application_name="fuzz", autocommit=True) as connection:
            ensure_roles(connection, dict(passwords))
        migrate(server.url)
        with connect(server.url, application_name="fuzz", autocommit=True) as connection:
            accounts.add_rules(connection)
        yield server.url, {role: with_login(server.url, role, passwords[role]) for role in ROLES}


def resident_mib(pid: int) -> float:
    """Return the memory of a process, in MiB. Linux alone says it this way; elsewhere it is not known: 0."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * resource.getpagesize() / (1 << 20)


@dataclass
class Run:
    """What was measured of one run."""

    tally: Tally
    seconds: float
    memory: list[float]
    counted: dict[Reason, int]
    is_ready: bool

    @property
    def peaks(self) -> tuple[float, float]:
        """The most memory that the service had in the first half of the run, and in the second."""
        half = len(self.memory) // 2
        return max(self.memory[: half or 1]), max(self.memory[half:])

    def problems(self) -> list[str]:
        """Return what is wrong with the service itself."""
        found = [] if self.is_ready else ["the service was not ready afterwards"]
        first, second = self.peaks
        if len(self.memory) >= MIN_SAMPLES and second > first * (1 + MAX_GROWTH):
            found.append(f"the service's memory grew: at most {first:.0f} MiB in the first half, {second:.0f} then")
        return found


@click.command()
@click.option("--requests", type=click.IntRange(min=100), default=10_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--normalise", "url", hidden=True, help="Normalise everything in this database and say what it took.")
def main(requests: int, seed: int, url: str | None) -> None:
    """Fire mutated requests at the webhook service on a scratch database; exit code 1 if anything does not add up."""
    if url is not None:
        _normalise(url)
        return
    with scratch_database() as (owner_url, urls):
        run = _fired(urls["ingest_writer"], requests, seed)
        command = [sys.executable, "-m", "tests.fuzz", "--normalise", urls["pipeline"]]
        normalising = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        with psycopg.connect(owner_url) as connection:
            found = accounts.audit(connection, run.tally, run.counted)
    _report(seed, run, normalising, found)
    problems = [*found.problems, *run.problems()]
    for problem in problems:
        click.echo(f"PROBLEM: {problem}", err=True)
    sys.exit(1 if problems else 0)


def _fired(database_url: str, requests: int, seed: int) -> Run:
    signing_secret = f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"
    known = Secrets(secrets.token_urlsafe(12), secrets.token_urlsafe(12), signing_secret)
    settings = BOUNDS | {
        "X_API_CONSUMER_SECRETS": known.consumer_secret,
        "STANDARD_WEBHOOK_SECRETS": known.signing_secret,
    }
    memory: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-state-") as state,
        process(database_url, Path(state), keys=known.key, **settings) as service,
    ):

        def on_progress(count: int) -> None:
            memory.append(resident_mib(service.process.pid))
            if count % 10_000 == 0:
                click.echo(f"{count:>9,} requests, {memory[-1]:.0f} MiB")

        began = time.monotonic()
        shots = Mutator(seed, known).shots(requests)
        tally = asyncio.run(fire(service.door.host, service.door.port, shots, on_progress))
        seconds = time.monotonic() - began
        memory.append(resident_mib(service.process.pid))
        return Run(tally, seconds, memory, _settled_outcomes(service.door), service.door.is_ready())


def _report(seed: int, run: Run, normalising: dict[str, float], found: accounts.Accounts) -> None:
    tally, (first_peak, second_peak) = run.tally, run.peaks
    outcomes = {reason.value: number for reason, number in run.counted.items() if number}
    click.echo(
        f"{tally.count:,} requests of seed {seed} in {run.seconds:.0f} s ({tally.count / run.seconds:,.0f} a second)\n"
        f"  sent         {_listed(tally.sent)}\n"
        f"  answers      {_listed(dict(sorted(tally.statuses.items())))}\n"
        f"  unanswered   {_listed(tally.unanswered)} (senders that went away, broken framing)\n"
        f"  outcomes     {_listed(outcomes)}\n"
        f"  memory       at most {first_peak:.0f} MiB in the first half, {second_peak:.0f} in the second,"
        f" {run.memory[-1]:.0f} at the end\n"
        f"  kept         {found.deliveries:,} deliveries of {found.accepted:,} items = {found.normalised:,} normalised"
        f" + {found.duplicate:,} duplicate + {found.control:,} control + {found.dead:,} dead + 0 waiting\n"
        f"  normalising  {normalising['seconds']:.0f} s, at most {normalising['mib']:.0f} MiB"
    )
    for source, stage, reason, count in found.letters:
        click.echo(f"    {count:>9,} {source} {stage} {reason}")


def _settled_outcomes(door: FrontDoor) -> dict[Reason, int]:
    """Return the outcomes once the requests whose senders left have been dealt with as well."""
    deadline = time.monotonic() + 30
    while door.metric("ingest_in_flight_requests") and time.monotonic() < deadline:
        time.sleep(0.1)
    return accounts.outcomes(door.get("/metrics").text)


def _normalise(url: str) -> None:
    began = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        Worker(connection).drain()
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    click.echo(json.dumps({"seconds": time.monotonic() - began, "mib": mib}))


def _listed(counts: Mapping[str, int] | Mapping[int, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items()) or "none"


if __name__ == "__main__":
    main(prog_name="python -m tests.fuzz")
