"""The promise of 2xx under faults: kills, a database that stops, stalls or cuts the line, signals, colliding ids."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
import pytest

from database import embedded
from database.connections import Role, connect
from database.migrate import migrate
from database.roles import ensure_roles
from ingest.delivery import Arrival, DeliveryIds
from ingest.landing import Landing
from tests.ingest.front_door import (
    KEY,
    FrontDoor,
    Process,
    bare_environment,
    process,
    serving,
    settings,
)
from tests.waiting import wait_until

WEBHOOK = "/webhooks/twitterapi_io"


def tweets(number: int) -> bytes:
    return json.dumps({"event_type": "tweet", "tweets": [{"id": str(number)}]}).encode()


class Senders:
    """Threads that post deliveries one after another and remember the ids that were acknowledged."""

    def __init__(self, door: FrontDoor, count: int = 4) -> None:
        self.acknowledged: list[int] = []
        self.statuses: list[int] = []
        self._door = door
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        with httpx.Client(base_url=self._door.url, headers={"X-API-Key": KEY}, timeout=20, trust_env=False) as client:
            while not self._stop.is_set():
                try:
                    response = client.post(WEBHOOK, content=tweets(random.getrandbits(40)))
                except httpx.TransportError:
                    if self._stop.wait(0.01):
                        return
                    continue
                self.statuses.append(response.status_code)
                if response.status_code == 200:
                    self.acknowledged.append(int(response.json()["delivery_id"]))


def kept(connection: psycopg.Connection) -> set[int]:
    rows = connection.execute(
        "select delivery_id from raw.deliveries inner join raw.delivery_queue using (delivery_id)"
    ).fetchall()
    connection.rollback()
    return {delivery_id for (delivery_id,) in rows}


def test_every_acknowledged_delivery_is_there_after_kill_9(
    role_urls: dict[Role, str], connection: psycopg.Connection, tmp_path: Path
) -> None:
    acknowledged: list[int] = []
    for _ in range(3):
        with process(role_urls["ingest_writer"], tmp_path) as service, Senders(service.door) as senders:
            wait_until(lambda senders=senders: len(senders.acknowledged) >= 40)  # type: ignore[misc]
            service.kill()
        acknowledged += senders.acknowledged
    assert len(set(acknowledged)) == len(acknowledged) >= 120
    assert set(acknowledged) <= kept(connection)


def test_sigterm_drains_what_is_under_way_and_ends_with_code_0(
    service_process: Process, connection: psycopg.Connection
) -> None:
    with Senders(service_process.door) as senders:
        wait_until(lambda: len(senders.acknowledged) >= 20)
        service_process.process.send_signal(signal.SIGTERM)
        assert service_process.process.wait(timeout=20) == 0
    assert set(senders.statuses) == {200}
    assert set(senders.acknowledged) == kept(connection)


def test_sigterm_lets_a_slow_body_finish(service_process: Process, connection: psycopg.Connection) -> None:
    def slowly() -> Any:
        yield tweets(1)[:10]
        time.sleep(0.5)  # The request must be under way: a connection that has said nothing yet may be closed.
        service_process.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        yield tweets(1)[10:]

    response = httpx.post(
        service_process.door.url + WEBHOOK, content=slowly(), headers={"X-API-Key": KEY}, timeout=20, trust_env=False
    )
    assert response.status_code == 200
    assert service_process.process.wait(timeout=20) == 0
    assert kept(connection) == {int(response.json()["delivery_id"])}


@pytest.fixture
def server_dir() -> Iterator[Path]:
    """A state directory for a server of one's own, stopped at the end. Not pytest's: it is closed to other users."""
    directory = Path(tempfile.mkdtemp(prefix="tweet-pipeline-tests-"))
    try:
        yield directory
    finally:
        embedded.stop(directory)
        shutil.rmtree(directory, ignore_errors=True)


def test_a_database_that_stops_gives_503_and_deliveries_are_kept_again_when_it_is_back(server_dir: Path) -> None:
    with embedded.serving(server_dir, preferred_port=54_600) as server:
        migrate_with_roles(server.url)
        with serving(settings(), server.url) as door, Senders(door, 2) as senders:
            wait_until(lambda: len(senders.acknowledged) >= 20)
            embedded.stop(server_dir)
            wait_until(lambda: 503 in senders.statuses)
            assert door.get("/readyz").status_code == 503
            assert door.get("/healthz").status_code == 200
            embedded.start(server_dir, preferred_port=54_600)
            before = len(senders.acknowledged)
            wait_until(lambda: len(senders.acknowledged) > before + 20)
            wait_until(door.is_ready)
        assert set(senders.statuses) == {200, 503}
        with connect(server.url, application_name="tests") as connection:
            assert set(senders.acknowledged) <= kept(connection)


def migrate_with_roles(url: str) -> None:
    with connect(url, application_name="tests", autocommit=True) as connection:
        ensure_roles(connection, {"ingest_writer": "w", "pipeline": "p", "bi_reader": "b", "api_reader": "a"})
    migrate(url)


def test_connections_that_are_cut_under_load_lose_nothing(door: FrontDoor, connection: psycopg.Connection) -> None:
    connection.autocommit = True
    cut = """
        select count(pg_terminate_backend(pid))
        from pg_stat_activity
        where application_name = 'ingest' and datname = current_database()
    """
    with Senders(door) as senders:
        for round_ in range(1, 6):
            wait_until(lambda least=round_ * 20: len(senders.acknowledged) >= least)  # type: ignore[misc]
            connection.execute(cut)
    assert set(senders.statuses) <= {200, 503}
    connection.autocommit = False
    assert set(senders.acknowledged) <= kept(connection)


def test_a_commit_that_stalls_is_answered_with_503_in_time(
    role_urls: dict[Role, str], connection: psycopg.Connection
) -> None:
    with serving(settings(ingest_commit_seconds=0.5), role_urls["ingest_writer"]) as door:
        connection.execute("lock table raw.delivery_queue in access exclusive mode")
        began = time.monotonic()
        response = door.post(WEBHOOK, tweets(1))
        assert time.monotonic() - began < 5
        assert response.status_code == 503
        assert response.json()["title"] == "database_unavailable"
        assert response.headers["retry-after"] == "5"
        connection.rollback()
        wait_until(lambda: door.post(WEBHOOK, tweets(2)).status_code == 200)


def test_ids_that_are_taken_are_replaced_and_the_deliveries_kept(
    role_urls: dict[Role, str], connection: psycopg.Connection
) -> None:
    async def two_processes_with_the_same_bits() -> list[int]:
        landings = [Landing(role_urls["ingest_writer"], flushers=1) for _ in range(2)]
        drawn = [iter([5, 6, 7, 8]), iter([5, 9, 10, 11])]
        for landing, bits in zip(landings, drawn, strict=True):
            landing._ids = DeliveryIds(bits.__next__)
            landing.start()
            await landing.wait_until_connected()
        ids = [await landing.land(arrival()) for landing in landings]
        await asyncio.gather(*(landing.stop() for landing in landings))
        return ids

    ids = asyncio.run(two_processes_with_the_same_bits())
    assert len(set(ids)) == 2
    assert kept(connection) == set(ids)


def arrival() -> Arrival:
    return Arrival(
        received_ms=int(time.time() // 60 * 60_000),
        source="v1_1",
        zone="z",
        body=b"frame",
        body_bytes=5,
        item_count=1,
        dictionary_id=0,
    )


def test_a_landing_that_stops_commits_what_waits_and_refuses_what_comes(
    role_urls: dict[Role, str], connection: psycopg.Connection
) -> None:
    async def stop_under_load() -> tuple[list[int], list[str]]:
        landing = Landing(role_urls["ingest_writer"])
        landing.start()
        await landing.wait_until_connected()
        early = [asyncio.create_task(landing.land(arrival())) for _ in range(500)]
        await asyncio.sleep(0)
        await landing.stop()
        late = await asyncio.gather(landing.land(arrival()), return_exceptions=True)
        return list(await asyncio.gather(*early)), [str(error) for error in late]

    ids, refusals = asyncio.run(stop_under_load())
    assert kept(connection) == set(ids)
    assert len(ids) == 500
    assert refusals == ["draining"]


def test_the_service_starts_without_a_database_and_takes_deliveries_once_there_is_one(server_dir: Path) -> None:
    url = embedded.start(server_dir, preferred_port=54_610).url
    migrate_with_roles(url)
    embedded.stop(server_dir)
    with serving(settings(), url, wait_until_ready=False) as door:
        assert door.get("/healthz").status_code == 200
        assert door.post(WEBHOOK, tweets(1)).status_code == 503
        embedded.start(server_dir, preferred_port=54_610)
        wait_until(lambda: door.post(WEBHOOK, tweets(1)).status_code == 200)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, ["TWITTERAPI_IO_WEBHOOK_KEYS"]),
        ({"TWITTERAPI_IO_WEBHOOK_KEYS": " , "}, ["TWITTERAPI_IO_WEBHOOK_KEYS"]),
        ({"TWITTERAPI_IO_WEBHOOK_KEYS": "k", "INGEST_PORT": "high"}, ["INGEST_PORT", "integer"]),
        ({"TWITTERAPI_IO_WEBHOOK_KEYS": "k", "INGEST_HOST": "203.0.113.1"}, ["203.0.113.1", "INGEST_HOST"]),
    ],
)
def test_the_service_refuses_to_start_where_it_cannot_and_names_the_variable(
    tmp_path: Path, environment: dict[str, str], words: list[str]
) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "ingest", "serve"],
        env={**bare_environment(tmp_path), "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 2
    assert "Traceback" not in finished.stderr
    for word in words:
        assert word in finished.stderr
