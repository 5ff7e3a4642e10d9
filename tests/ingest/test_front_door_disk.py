"""A disk that fills up, a real one: a file system of its own, small enough to be full."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from database import embedded
from database.connections import connect
from database.errors import DatabaseUnavailableError
from database.migrate import migrate
from database.roles import ensure_roles
from tests.ingest.front_door import FrontDoor, serving, settings
from tests.waiting import wait_until

MIB = 1 << 20
WEBHOOK = "/webhooks/twitterapi_io"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 400 MiB in memory with a database server on it, unmounted at the end."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system takes root on Linux: run the tests in a container as root")
    directory = Path(tempfile.mkdtemp(prefix="tweet-pipeline-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m,mode=755", "tmpfs", directory], capture_output=True, check=False
    )
    if mounted.returncode:
        directory.rmdir()
        pytest.skip(f"this machine does not allow mounting: {mounted.stderr.decode().strip()}")
    try:
        yield directory
    finally:
        embedded.stop(directory)
        subprocess.run(["umount", "--lazy", directory], check=True)
        directory.rmdir()


class Ballast:
    """A file that takes the room on a disk."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._file = disk / "ballast"

    def leave(self, room: int) -> None:
        """Fill the disk until that much is free."""
        with self._file.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(self._disk).free - room)

    def drop(self) -> None:
        self._file.unlink()


def post(door: FrontDoor) -> tuple[int, int | None]:
    """Post 200 kB that do not compress; return the status, and the delivery id where it was acknowledged."""
    body = b'{"tweets":[{"id":"1","text":"%b"}]}' % secrets.token_hex(100_000).encode()
    response = door.post(WEBHOOK, body)
    return response.status_code, int(response.json()["delivery_id"]) if response.status_code == 200 else None


def test_a_disk_that_fills_up_costs_nothing_that_was_acknowledged(small_disk: Path) -> None:
    """Refused before harm where the disk is watched; and where it is not, the database fails and 2xx is still true."""
    url = embedded.start(small_disk, preferred_port=54_620).url
    with connect(url, application_name="tests", autocommit=True) as connection:
        ensure_roles(connection, {"ingest_writer": "w", "pipeline": "p", "bi_reader": "b", "api_reader": "a"})
    migrate(url)
    ballast = Ballast(small_disk)
    acknowledged: list[int] = []
    watched = settings(ingest_disk_path=small_disk, ingest_min_free_disk_bytes=64 * MIB)
    with serving(watched, url) as door:
        assert post(door)[0] == 200
        ballast.leave(48 * MIB)
        wait_until(lambda: door.post(WEBHOOK, b"{}").json().get("title") == "disk_nearly_full")
        assert any(problem.startswith("disk") for problem in door.get("/readyz").json()["problems"])
        ballast.drop()
        wait_until(lambda: post(door)[0] == 200)
        wait_until(door.is_ready)
    with serving(settings(ingest_min_free_disk_bytes=0), url) as door:
        ballast.leave(4 * MIB)
        statuses = _post_until_refused(door, acknowledged)
        assert statuses[-1] == 503
        assert set(statuses) <= {200, 503}
        assert door.get("/healthz").status_code == 200
        ballast.drop()
        _revive(small_disk, url)
        wait_until(lambda: post(door)[0] == 200, seconds=60)
        wait_until(door.is_ready)
        status, delivery_id = post(door)
        assert status == 200
        assert delivery_id is not None
        acknowledged.append(delivery_id)
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select delivery_id from raw.deliveries inner join raw.delivery_queue using (delivery_id)"
        )
        kept = {delivery_id for (delivery_id,) in rows}
    assert len(acknowledged) > 1
    assert set(acknowledged) <= kept


def _post_until_refused(door: FrontDoor, acknowledged: list[int]) -> list[int]:
    statuses: list[int] = []
    deadline = time.monotonic() + 60
    while statuses.count(503) < 5:
        assert time.monotonic() < deadline, "the disk never became full"
        status, delivery_id = post(door)
        statuses.append(status)
        if delivery_id is not None:
            acknowledged.append(delivery_id)
    return statuses


def _revive(disk: Path, url: str) -> None:
    """Bring the server back as whoever supervises it would: it ends where it cannot write its log."""
    port = int(url.rpartition(":")[2].partition("/")[0])

    def is_up() -> bool:
        try:
            with psycopg.connect(url, connect_timeout=2):
                return True
        except psycopg.Error:
            try:
                embedded.start(disk, preferred_port=port)
            except DatabaseUnavailableError:
                return False
            return False

    wait_until(is_up, seconds=60)
