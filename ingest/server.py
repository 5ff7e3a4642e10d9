"""The composition root of the front door, and its life from the first socket to exit code 0.

Belongs here: building the parts, sockets, signals.
Does not belong here: what any part does.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import structlog
import uvicorn

from database.codec import NO_DICTIONARY, Codec
from database.connections import connect
from database.errors import DatabaseUnavailableError
from database.named_sql import statements
from ingest.app import FrontDoor, Parts
from ingest.connections import bounded_protocol
from ingest.errors import ConfigurationError
from ingest.figures import FiguresReader
from ingest.heartbeat import BEAT_SECONDS, Beating
from ingest.landing import Landing
from ingest.metrics import Metrics
from ingest.readiness import Disk, Readiness
from ingest.settings import IngestSettings, require_a_webhook_key
from ingest.sources.heartbeat import HeartbeatSource
from ingest.sources.registry import sources

_SQL = statements(Path(__file__).parent / "sql" / "landing.sql")

BACKLOG = 1_024
"""Connections that the kernel holds while the process is busy."""

_log = structlog.get_logger("ingest.server")


def run(settings: IngestSettings, database_url: str) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way and return.

    ``database_url``: of the role ``ingest_writer``. The database need not be there yet: until it is, deliveries are
    answered with 503. Raises ``ConfigurationError`` without a key, or where the port is taken.
    """
    require_a_webhook_key(settings)
    listening = listening_socket(settings.ingest_host, settings.ingest_port)
    prepared = prepare(settings, database_url)
    host, port = listening.getsockname()[:2]
    _log.info("listening", host=host, port=port)
    prepared.run(sockets=[listening])
    _log.info("stopped")


def prepare(settings: IngestSettings, database_url: str, *, beat_seconds: float = BEAT_SECONDS) -> uvicorn.Server:
    """Return the service as a server that was not started; whoever runs it gives it sockets."""
    metrics = Metrics((*sources(settings), HeartbeatSource.name))
    heart_key = secrets.token_urlsafe()
    front_door = build(settings, database_url, metrics, heart_key)
    config = uvicorn.Config(
        Beating(front_door, heart_key, beat_seconds=beat_seconds),
        http=bounded_protocol(settings, metrics.count),
        loop="uvloop",
        ws="none",
        lifespan="on",
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=settings.ingest_keep_alive_seconds,
        timeout_graceful_shutdown=settings.ingest_drain_seconds,
    )
    return _Server(config, front_door)


def build(settings: IngestSettings, database_url: str, metrics: Metrics, heart_key: str) -> FrontDoor:
    """Put the parts together. ``heart_key``: what the service's own heart-beats are told by."""
    disk = Disk(settings.ingest_disk_path, settings.ingest_min_free_disk_bytes)
    codecs = load_codecs(database_url)
    without_dictionary = Codec({})
    return FrontDoor(
        Parts(
            settings=settings,
            sources={**sources(settings), HeartbeatSource.name: HeartbeatSource(heart_key)},
            landing=Landing(
                database_url,
                flushers=settings.ingest_flushers,
                max_waiting=settings.ingest_max_in_flight,
                commit_seconds=settings.ingest_commit_seconds,
                observe_commit=metrics.observe_commit,
            ),
            codecs=lambda source: codecs.get(source, without_dictionary),
            readiness=Readiness(database_url, disk),
            disk=disk,
            figures=FiguresReader(database_url),
            metrics=metrics,
        )
    )


def load_codecs(database_url: str) -> dict[str, Codec]:
    """Return a codec with the newest dictionary for each source that has one; none where the database is away.

    Bodies without a dictionary are larger and just as readable, so that nobody waits for this.
    """
    try:
        with connect(database_url, application_name="ingest", autocommit=True) as connection:
            rows: list[tuple[int, str, bytes]] = connection.execute(_SQL["dictionaries"]).fetchall()
    except (DatabaseUnavailableError, psycopg.Error) as error:
        _log.warning("no_dictionaries", error=str(error).partition("\n")[0])
        return {}
    newest = {source: (dictionary_id, dictionary) for dictionary_id, source, dictionary in rows}
    return {
        source: Codec({dictionary_id: dictionary}, current=dictionary_id)
        for source, (dictionary_id, dictionary) in newest.items()
        if dictionary_id != NO_DICTIONARY
    }


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens already, so that a taken port is an error before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({error.strerror}): set INGEST_PORT and INGEST_HOST to an address of "
            "this machine that is free."
        ) from error
    listening.setblocking(False)
    return listening


class _Server(uvicorn.Server):
    """uvicorn's server, which ends normally after a signal instead of sending it to itself once more."""

    def __init__(self, config: uvicorn.Config, front_door: FrontDoor) -> None:
        super().__init__(config)
        self._front_door = front_door

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            # Only the main thread may hear signals; elsewhere whoever runs the server sets should_exit.
            yield
            return

        def stop(received: int, _frame: object) -> None:
            self._front_door.is_draining = True
            self.force_exit = self.should_exit and received == signal.SIGINT
            self.should_exit = True

        replaced = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in replaced.items():
                signal.signal(number, handler)
