"""The list of processes that make up the running project, in the order of their start.

Belongs here: one record for each process: its command, environment, port and health check.
Does not belong here: how processes are kept alive (``supervisor.py``).
"""

from __future__ import annotations

import sys
from pathlib import Path

from datalayer import embedded_redis
from ingest.standin.key import make_demonstration_key
from orchestration import dagster_home
from orchestration.preparation import PROJECT, Prepared
from orchestration.process import (
    Listening,
    Process,
    accepts_connections,
    answers_http,
    daemons_are_healthy,
    serves_dagster_code,
)
from orchestration.settings import RuntimeSettings

LOCATIONS = ("pipeline", "marts")
"""Dagster's code locations; each is a module of ``orchestration.locations`` that holds ``defs``."""


def ports(settings: RuntimeSettings, *, with_standin: bool) -> dict[str, Listening]:
    """Return the port of each process that people talk to, so that a taken one is found before anything starts."""
    known = {
        "ingest": Listening(settings.ingest_port, "INGEST_PORT"),
        "dagster-webserver": Listening(settings.dagster_port, "DAGSTER_PORT"),
    }
    if with_standin:
        known["standin"] = Listening(settings.standin_port, "STANDIN_PORT")
    if (PROJECT / "api" / "__main__.py").exists():
        known["api"] = Listening(settings.api_port, "API_PORT")
    return known


def installed_locations() -> dict[str, str]:
    """Return the module of each code location that is there, the light one first."""
    return {
        name: f"orchestration.locations.{name}"
        for name in LOCATIONS
        if (PROJECT / "orchestration" / "locations" / f"{name}.py").exists()
    }


def all_processes(
    prepared: Prepared, *, with_standin: bool, redis: embedded_redis.EmbeddedRedis | None, socket_directory: Path
) -> list[Process]:
    """Return every process that this installation can run. The stand-in runs only when asked for."""
    shared = {"REDIS_URL": redis.url} if redis is not None else {}
    demonstration = demonstration_environment(prepared) if with_standin else {}
    environment = shared | demonstration
    return [
        *([_redis(prepared, redis)] if redis is not None else []),
        ingest_process(prepared, environment),
        *([_standin(prepared, environment)] if with_standin else []),
        *_dagster(prepared, environment, socket_directory),
        *([_api(prepared, environment)] if "api" in ports(prepared.settings, with_standin=False) else []),
    ]


def _redis(prepared: Prepared, redis: embedded_redis.EmbeddedRedis) -> Process:
    return Process(
        name="redis",
        command=redis.command,
        environment=prepared.environment(),
        is_well=lambda: embedded_redis.is_answering(redis),
        needed=False,
    )


def ingest_process(prepared: Prepared, shared: dict[str, str]) -> Process:
    """Return the webhook service. ``shared`` holds the keys it accepts, unless the environment names them."""
    port = prepared.settings.ingest_port
    return Process(
        name="ingest",
        command=(sys.executable, "-m", "ingest", "serve"),
        environment=prepared.environment("ingest_writer") | shared | {"INGEST_PORT": str(port)},
        is_well=answers_http(f"http://127.0.0.1:{port}/healthz"),
        listening=Listening(port, "INGEST_PORT"),
        address=f"http://127.0.0.1:{port}/webhooks/twitterapi_io",
    )


def _standin(prepared: Prepared, shared: dict[str, str]) -> Process:
    port = prepared.settings.standin_port
    return Process(
        name="standin",
        command=(sys.executable, "-m", "ingest", "standin"),
        environment=prepared.environment() | shared | {"STANDIN_PORT": str(port)},
        is_well=accepts_connections(port),
        after=("ingest",),
        listening=Listening(port, "STANDIN_PORT"),
        address=f"http://127.0.0.1:{port}",
    )


def _dagster(prepared: Prepared, shared: dict[str, str], socket_directory: Path) -> list[Process]:
    port = prepared.settings.dagster_port
    environment = prepared.dagster_environment | shared
    served = installed_locations()
    sockets = {name: str(socket_directory / f"{name}.sock") for name in served}
    workspace = prepared.settings.state_dir / "dagster" / "workspace.yaml"
    dagster_home.write_workspace(workspace, sockets)
    return [
        *(_code_server(name, served[name], sockets[name], environment) for name in served),
        Process(
            name="dagster-webserver",
            command=(
                sys.executable,
                "-m",
                "dagster_webserver",
                "-h",
                "127.0.0.1",
                "-p",
                str(port),
                "-w",
                str(workspace),
            ),
            environment=environment,
            is_well=answers_http(f"http://127.0.0.1:{port}/server_info"),
            after=tuple(f"dagster-{name}" for name in served),
            listening=Listening(port, "DAGSTER_PORT"),
            address=f"http://127.0.0.1:{port}",
        ),
        Process(
            name="dagster-daemon",
            command=(sys.executable, "-m", "dagster._daemon", "run", "-w", str(workspace)),
            environment=environment,
            is_well=daemons_are_healthy(port),
        ),
    ]


def _code_server(name: str, module: str, socket: str, environment: dict[str, str]) -> Process:
    """Return the server of one location, on a Unix socket that only this user can reach.

    A TCP port would let every user of the machine run code, and a second server on it binds silently beside.
    """
    return Process(
        name=f"dagster-{name}",
        command=(
            *(sys.executable, "-m", "dagster", "api", "grpc"),
            *("--socket", socket, "--module-name", module, "--location-name", name),
            "--use-python-environment-entry-point",
        ),
        environment=environment,
        is_well=serves_dagster_code(socket),
    )


def _api(prepared: Prepared, shared: dict[str, str]) -> Process:
    port = prepared.settings.api_port
    return Process(
        name="api",
        command=(sys.executable, "-m", "api", "serve"),
        environment=prepared.environment("api_reader") | shared | {"API_PORT": str(port)},
        is_well=answers_http(f"http://127.0.0.1:{port}/healthz"),
        listening=Listening(port, "API_PORT"),
        address=f"http://127.0.0.1:{port}",
    )


def standin_answers(settings: RuntimeSettings) -> bool:
    """Return whether the stand-in of this configuration runs."""
    return accepts_connections(settings.standin_port)()


def demonstration_environment(prepared: Prepared) -> dict[str, str]:
    """Return what lets the stand-in and the services talk: one key, and each other's addresses."""
    settings = prepared.settings
    given = settings.twitterapi_io_webhook_keys
    key = given.get_secret_value().split(",")[0].strip() if given else make_demonstration_key(settings.state_dir)
    return {
        "TWITTERAPI_IO_WEBHOOK_KEYS": given.get_secret_value() if given else key,
        "TWITTERAPI_IO_URL": f"http://127.0.0.1:{settings.standin_port}",
        "TWITTERAPI_IO_KEY": key,
        # The stand-in costs nothing and answers as fast as it is asked.
        "TWITTERAPI_IO_CREDITS_PER_DAY": "1000000000",
        "TWITTERAPI_IO_CALLS_PER_SECOND": "100",
        "STANDIN_WEBHOOK_URL": f"http://127.0.0.1:{settings.ingest_port}/webhooks/twitterapi_io",
        "STANDIN_WEBHOOK_KEY": key,
        "STANDIN_API_KEY": key,
        # Synthetic tweets on this machine alone are anybody's to read, unless keys say otherwise.
        **({} if settings.api_keys else {"API_OPEN": "true"}),
    }
