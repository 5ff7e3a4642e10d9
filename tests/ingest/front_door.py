"""Running the front door in tests: in this process for its behaviour, in one of its own for signals and kills.

Belongs here: starting, stopping and talking to the service.
Does not belong here: assertions.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from ingest.server import listening_socket, prepare
from ingest.settings import IngestSettings
from tests.waiting import wait_until

KEY = "the key that is in use"
NEXT_KEY = "the key that comes next"
SECRET = "the consumer secret"

PATIENCE_SECONDS = 30.0


def settings(**chosen: Any) -> IngestSettings:
    """Return settings with keys, whatever this machine's environment says."""
    given = {
        "twitterapi_io_webhook_keys": f"{KEY},{NEXT_KEY}",
        "x_api_consumer_secrets": SECRET,
        "ingest_port": 0,
        "ingest_min_free_disk_bytes": 0,
        **chosen,
    }
    return IngestSettings(_env_file=None, **given)


@dataclass(frozen=True)
class FrontDoor:
    """A running service."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def post(self, path: str, body: bytes = b"", *, key: str | None = KEY, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            named["X-API-Key"] = key
        return httpx.post(self.url + path, content=body, headers=named, timeout=PATIENCE_SECONDS, trust_env=False)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=PATIENCE_SECONDS, trust_env=False)

    def exchange(self, request: bytes, *, seconds: float = PATIENCE_SECONDS) -> bytes:
        """Send bytes and return everything that comes back until the service closes, or nothing comes any more."""
        with socket.create_connection((self.host, self.port), timeout=seconds) as connection:
            received = b""
            try:
                connection.sendall(request)
                while part := connection.recv(65_536):
                    received += part
            except (TimeoutError, ConnectionError):
                pass
            return received

    def metric(self, name: str) -> float:
        """Return the value of a series, written as Prometheus writes it."""
        for line in self.get("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        raise KeyError(name)

    def is_ready(self) -> bool:
        try:
            return self.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def serving(
    chosen: IngestSettings, database_url: str, *, wait_until_ready: bool = True, **how: Any
) -> Iterator[FrontDoor]:
    """Run the service in a thread of this process."""
    listening = listening_socket("127.0.0.1", 0)
    server = prepare(chosen, database_url, **how)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), name="front door")
    thread.start()
    door = FrontDoor("127.0.0.1", listening.getsockname()[1])
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        if wait_until_ready:
            wait_until(door.is_ready)
        yield door
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), "the service did not stop"


@dataclass
class Process:
    """The service as a process of its own."""

    process: subprocess.Popen[bytes]
    door: FrontDoor

    def kill(self) -> None:
        """Stop it as a power cut would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def process(database_url: str, state_dir: Path, *, keys: str = KEY, **environment: str) -> Iterator[Process]:
    """Run ``python -m ingest serve`` on a free port; killed at the end if it still runs."""
    log = state_dir / "serve.log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", "ingest", "serve", "--port", "0"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={
                **bare_environment(state_dir),
                "TWITTERAPI_IO_WEBHOOK_KEYS": keys,
                "DATABASE_URL": database_url,
                "INGEST_DATABASE_URL": database_url,
                **environment,
            },
        )
    try:
        wait_until(lambda: running.poll() is not None or _port(log) is not None)
        port = _port(log)
        assert port is not None, log.read_text()
        door = FrontDoor("127.0.0.1", port)
        wait_until(door.is_ready)
        yield Process(running, door)
    finally:
        if running.poll() is None:
            running.kill()
        running.wait()


def bare_environment(state_dir: Path) -> dict[str, str]:
    """Return this process's environment without any setting of the project's."""
    ours = ("DATABASE_URL", "INGEST_", "TWITTERAPI_", "X_API_", "STATE_DIR", "TEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(Path.cwd()), "STATE_DIR": str(state_dir)}


def _port(log: Path) -> int | None:
    for line in log.read_bytes().splitlines():
        if b'"event":"listening"' in line:
            return int(msgspec.json.decode(line)["port"])
    return None
