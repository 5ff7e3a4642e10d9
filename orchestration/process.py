"""What a supervised process is, and how one finds out whether it is well.

Belongs here: the record of a process, health checks, questions about ports.
Does not belong here: which processes there are (``processes.py``), starting and stopping (``supervisor.py``).
"""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

HealthCheck = Callable[[], bool]

_ANSWER_SECONDS = 2.0
"""A local process that is well answers in milliseconds; while starting, the two cores are busy."""

_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy that the environment names must not be asked for 127.0.0.1."""


@dataclass(frozen=True)
class Listening:
    """A port that people know, and the variable that changes it."""

    port: int
    variable: str


@dataclass(frozen=True)
class Process:
    """One long-lived child of the supervisor.

    ``environment`` is all the child gets. It starts once those named in ``after`` are well. When it cannot be started,
    everything stops if it is ``needed``, and it is tried again later if not. ``address`` is shown to people.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    is_well: HealthCheck
    after: tuple[str, ...] = ()
    needed: bool = True
    listening: Listening | None = None
    address: str = ""


def port_is_free(port: int) -> bool:
    """Tell whether a server could listen on ``127.0.0.1:port`` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers_http(url: str) -> HealthCheck:
    """Return a check that ``url`` answers with a status below 300."""

    def check() -> bool:
        try:
            with _NO_PROXY.open(url, timeout=_ANSWER_SECONDS):
                return True
        except (OSError, ValueError):
            return False

    return check


def accepts_connections(port: int) -> HealthCheck:
    """Return a check that something listens on ``127.0.0.1:port``."""

    def check() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_SECONDS).close()
        except OSError:
            return False
        return True

    return check


def serves_dagster_code(socket_path: str) -> HealthCheck:
    """Return a check that a Dagster code server answers on a Unix socket: its definitions are loaded then."""

    def check() -> bool:
        import grpc  # type: ignore[import-untyped]
        from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

        with grpc.insecure_channel(f"unix:{socket_path}") as channel:
            request = health_pb2.HealthCheckRequest(service="DagsterApi")
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=_ANSWER_SECONDS)
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return check


def daemons_are_healthy(dagster_port: int) -> HealthCheck:
    """Return a check that the webserver has heard from every daemon that Dagster requires."""
    query = {"query": "{ instance { daemonHealth { allDaemonStatuses { required healthy } } } }"}
    request = urllib.request.Request(
        f"http://127.0.0.1:{dagster_port}/graphql",
        data=json.dumps(query).encode(),
        headers={"Content-Type": "application/json"},
    )

    def check() -> bool:
        try:
            with _NO_PROXY.open(request, timeout=_ANSWER_SECONDS) as response:
                statuses = json.load(response)["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        required = [status["healthy"] for status in statuses if status["required"]]
        return bool(required) and all(required)

    return check
