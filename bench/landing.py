"""P4 and P1: the real service under load, landing alone, and landing with the normaliser beside it.

Belongs here: both, with the service and the normaliser as processes of their own beside the load generator.
Does not belong here: the load generator (``load.py``).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import httpx

from bench import processor
from bench.figures import Figure, at_least, at_most
from bench.ground import BATCH, Connection, Ground, fill, synthetic
from bench.load import Load, Plan, Renewed, Target, run
from database import embedded, snowflake
from database.connections import connect
from ingest.normalise.crew import Crew
from ingest.normalise.settings import NormaliseSettings

PATH = "/webhooks/twitterapi_io"
MAX_WAITING = 400
"""Deliveries that may wait to be normalised before the sender holds back: a full batch for each of two workers."""

PATIENCE_SECONDS = 120.0


def measure_landing(ground: Ground) -> Iterator[Figure]:
    """Return the figures of P4: full speed, then half of it at an even pace."""
    url = ground.database("landing")
    bodies = [payload.body for payload in synthetic(min(ground.scale.payloads, 8_000))]
    seconds = max(2.0, min(ground.scale.seconds / 2, 30.0))
    with _service(ground, ground.as_role(url, "ingest_writer")) as target:
        run(target, itertools.cycle(bodies), Plan(seconds / 4))
        full = run(target, itertools.cycle(bodies), Plan(seconds))
        speed = len(full.latencies) * BATCH / full.seconds
        half = run(target, itertools.cycle(bodies), Plan(seconds, connections=64, rate=speed / BATCH / 2))
    ground.drop("landing")
    yield at_least("P4", "durable landing, deliveries of 20", speed, "tweets/s", 40_000, note=_refusals(full))
    yield Figure("P4", "p50 at full speed, 32 connections", 1000 * statistics.median(full.latencies), "ms")
    yield Figure("P4", "p50 at half that load", 1000 * statistics.median(half.latencies), "ms", note=_refusals(half))
    p99 = statistics.quantiles(half.latencies, n=100)[-1]
    yield at_most("P4", "p99 at half that load", 1000 * p99, "ms", 50)


def measure_end_to_end(ground: Ground) -> Iterator[Figure]:
    """Return the figures of P1: HTTP, durable, in ``core``, for as long as the scale says, on top of what is stored."""
    url = ground.database("end_to_end")
    with connect(url, application_name="bench", autocommit=True) as connection:
        fill(connection, count=ground.scale.stored, until=ground.now - timedelta(days=2))
        bodies = iter(_renewed(ground))
        with (
            _service(ground, ground.as_role(url, "ingest_writer")) as target,
            _normaliser(ground.as_role(url, "pipeline")) as normaliser,
        ):
            gate = Gate(connection)
            at_work = {
                "load generator": os.getpid(),
                "service": target.process_id,
                "normaliser": normaliser.pid or 0,
                "PostgreSQL": _postmaster(ground),
            }
            before, began = _rows(connection), time.perf_counter()
            spent = {name: processor.seconds(process_id) for name, process_id in at_work.items()}
            load = run(target, bodies, Plan(ground.scale.seconds, gate=gate.wait))
            _await(lambda: _waiting(connection) == 0 or not normaliser.is_alive())
            seconds = time.perf_counter() - began
            spent = {name: processor.seconds(at_work[name]) - earlier for name, earlier in spent.items()}
            rows = _rows(connection) - before
    ground.drop("end_to_end")
    delivered = len(load.latencies) * BATCH
    note = f"{delivered:,} delivered in {seconds:.0f} s, at most {gate.most:,} deliveries waiting"
    yield at_least("P1", "HTTP, durable, in core: sustained", delivered / seconds, "tweets/s", 10_000, note=note)
    yield Figure("P1", "new rows of core (tweets and their originals)", rows / seconds, "rows/s", note=_refusals(load))
    yield from _costs(spent, delivered)


def _costs(spent: dict[str, float], delivered: int) -> Iterator[Figure]:
    """Yield the processor time of a tweet. The load generator and the normaliser are children of this process."""
    spent = {**spent, "load generator": spent["load generator"] - spent["service"] - spent["normaliser"]}
    costs = {name: 1e6 * seconds / delivered for name, seconds in spent.items()}
    for name, cost in costs.items():
        yield Figure("P1", f"processor time of a tweet: {name}", cost, "µs")
    total = sum(costs.values())
    most = f"{(os.cpu_count() or 1) * 1e6 / total:,.0f} tweets/s would fill this machine" if total else ""
    yield Figure("P1", "processor time of a tweet: all", total, "µs", note=most)


def _postmaster(ground: Ground) -> int:
    server = embedded.running(ground.directory)
    return server.pid if server else 0


def _renewed(ground: Ground) -> Renewed:
    payloads = list(synthetic(min(ground.scale.payloads, 20_000)))
    return Renewed(payloads, since_ms=snowflake.to_unix_ms(ground.now - timedelta(days=2)))


class Gate:
    """Holds the sender back while too many deliveries wait, and remembers how many waited at most."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._looked_at = 0.0
        self._waiting = 0
        self.most = 0

    async def wait(self) -> None:
        """Return once few enough deliveries wait; looks at most twenty times a second."""
        while self._count() > MAX_WAITING:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def _count(self) -> int:
        now = time.perf_counter()
        if now - self._looked_at > 0.05:
            self._looked_at = now
            self._waiting = _waiting(self._connection)
            self.most = max(self.most, self._waiting)
        return self._waiting


def _waiting(connection: Connection) -> int:
    row = connection.execute("select count(*) from raw.delivery_queue").fetchone()
    return int(row[0]) if row else 0


def _rows(connection: Connection) -> int:
    row = connection.execute("select count(*) from core.twitter_tweets").fetchone()
    return int(row[0]) if row else 0


def _refusals(load: Load) -> str:
    return f"{load.refused:,} of {load.posted:,} deliveries refused" if load.refused else ""


@contextmanager
def _service(ground: Ground, url: str) -> Iterator[Target]:
    """Run ``python -m ingest serve`` on a free port with its usual settings."""
    key, log = secrets.token_urlsafe(12), ground.directory / "serve.log"
    ours = ("DATABASE_URL", "INGEST_", "TWITTERAPI_", "X_API_", "STATE_DIR")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {"DATABASE_URL": url, "INGEST_DATABASE_URL": url, "TWITTERAPI_IO_WEBHOOK_KEYS": key}
    environment |= {"STATE_DIR": str(ground.directory)}
    with log.open("wb") as output:
        command = [sys.executable, "-m", "ingest", "serve", "--port", "0"]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        _await(lambda: process.poll() is not None or _port(log) is not None)
        port = _port(log)
        if port is None:
            raise RuntimeError(f"the service did not start: {log.read_text()[-2_000:]}")
        target = Target("127.0.0.1", port, PATH, key, process.pid)
        _await(lambda: _is_ready(target))
        yield target
    finally:
        process.terminate()
        process.wait(30)


def _port(log: Path) -> int | None:
    for line in log.read_bytes().splitlines():
        if b'"event":"listening"' in line:
            return int(json.loads(line)["port"])
    return None


def _is_ready(target: Target) -> bool:
    try:
        return httpx.get(f"http://{target.host}:{target.port}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _await(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing changed for {PATIENCE_SECONDS:.0f} seconds")
        time.sleep(0.02)


@contextmanager
def _normaliser(url: str) -> Iterator[BaseProcess]:
    """Run a normaliser in a process of its own, which it yields."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    process = context.Process(target=_normalise, args=(url, stop))
    process.start()
    try:
        yield process
    finally:
        stop.set()
        process.join(30)
        if process.is_alive():
            process.kill()


def _normalise(url: str, stop: Event) -> None:
    with (
        connect(url, application_name="normalise", autocommit=True) as connection,
        Crew(connection, NormaliseSettings().normalize_workers) as crew,
    ):
        crew.worker.follow(until=stop.is_set)
