"""What is done to the running pipeline.

Belongs here: one function for each fault, and how often each is chosen.
Does not belong here: when (``run.py``), and what must hold afterwards (``audit.py``).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psycopg

from database import embedded
from database.connections import connect
from database.errors import DatabaseUnavailableError
from orchestration.chaos.clock import write_shift

SHORT_TIMEOUT_SECONDS = 2.0
"""How long statements are given next to no time."""

LARGEST_JUMP_SECONDS = 3_600
"""Clocks that are wrong by more are wrong by a time zone; the stream lies further back, so that nothing is of the
future for a service whose clock is behind."""

_BACKENDS = """
    select pid from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
"""
_ANY_BACKEND = """
    select pid from pg_stat_activity
    where backend_type in ('client backend', 'checkpointer', 'walwriter', 'background writer', 'autovacuum worker')
        and pid <> pg_backend_pid()
"""
_CANCEL_WORKING = """
    select count(pg_cancel_backend(pid)) from pg_stat_activity
    where datname = current_database() and state = 'active' and pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class Scene:
    """What there is to be harmed. ``process_ids`` gives the supervised processes by name, as they are now."""

    state_dir: Path
    url: str
    clock: Path
    process_ids: Callable[[], dict[str, int]]
    build_process_id: Callable[[], int | None]
    chance: Random


Strike = Callable[[Scene], bool]


@dataclass(frozen=True)
class Fault:
    """A fault: its name, how often it is chosen beside the others, whether it is a ``kill -9``, and what it does.

    ``strike`` returns whether there was anything to strike.
    """

    name: str
    weight: int
    is_kill: bool
    strike: Strike


def strike(fault: Fault, scene: Scene) -> bool:
    """Do it, and return whether it could be done: while the database is down, much cannot."""
    try:
        return fault.strike(scene)
    except (psycopg.Error, DatabaseUnavailableError, ProcessLookupError):
        return False


def _kill(name: str) -> Strike:
    def kill(scene: Scene) -> bool:
        return _end(scene.process_ids().get(name))

    return kill


def _end(process_id: int | None) -> bool:
    if process_id is None:
        return False
    os.kill(process_id, signal.SIGKILL)
    return True


def _kill_run(location: str) -> Strike:
    """Return what kills a process that a code server started: a run of Dagster's, or the dbt of one."""

    def kill(scene: Scene) -> bool:
        server = scene.process_ids().get(location)
        started = [each for each, group in _groups() if group == server and each != server] if server else []
        return bool(started) and _end(scene.chance.choice(sorted(started)))

    return kill


def _groups() -> list[tuple[int, int]]:
    output = subprocess.run(["ps", "-A", "-o", "pid=,pgid="], capture_output=True, text=True, check=True).stdout
    return [(int(process), int(group)) for process, group in (line.split() for line in output.splitlines())]


def _kill_server(scene: Scene) -> bool:
    server = embedded.running(scene.state_dir)
    return server is not None and _end(server.pid)


def _kill_backend(scene: Scene) -> bool:
    """Kill one of the server's own processes: the server then throws all sessions out and recovers."""
    with connect(scene.url, application_name="chaos", autocommit=True) as connection:
        pids = [pid for (pid,) in connection.execute(_ANY_BACKEND)]
    return bool(pids) and _end(scene.chance.choice(sorted(pids)))


def _kill_build(scene: Scene) -> bool:
    return _end(scene.build_process_id())


def _cut_connections(scene: Scene) -> bool:
    with connect(scene.url, application_name="chaos", autocommit=True) as connection:
        pids = sorted(pid for (pid,) in connection.execute(_BACKENDS))
        chosen = scene.chance.sample(pids, k=max(1, len(pids) // 2)) if pids else []
        for pid in chosen:
            connection.execute("select pg_terminate_backend(%s)", (pid,))
    return bool(chosen)


def _cancel_statements(scene: Scene) -> bool:
    """Cancel whatever works just now: to the session the same as a statement time-out."""
    with connect(scene.url, application_name="chaos", autocommit=True) as connection:
        row = connection.execute(_CANCEL_WORKING).fetchone()
    return bool(row and row[0])


def _shorten_timeouts(scene: Scene) -> bool:
    """For a while, new sessions of the services have five milliseconds for a statement."""
    with connect(scene.url, application_name="chaos", autocommit=True) as connection:
        for role in (b"ingest_writer", b"pipeline"):
            connection.execute(b"alter role %s in database tweets set statement_timeout = '5ms'" % role)
        for (pid,) in connection.execute(_BACKENDS).fetchall():
            connection.execute("select pg_terminate_backend(%s)", (pid,))
    time.sleep(SHORT_TIMEOUT_SECONDS)
    _until_possible(lambda: _restore_timeouts(scene.url))
    return True


def _restore_timeouts(url: str) -> None:
    with connect(url, application_name="chaos", autocommit=True) as connection:
        for role in (b"ingest_writer", b"pipeline"):
            connection.execute(b"alter role %s in database tweets reset statement_timeout" % role)
        for (pid,) in connection.execute(_BACKENDS).fetchall():
            connection.execute("select pg_terminate_backend(%s)", (pid,))


def _until_possible(work: Callable[[], None], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return work()
        except (psycopg.Error, DatabaseUnavailableError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _jump_clock(scene: Scene) -> bool:
    write_shift(scene.clock, scene.chance.uniform(-LARGEST_JUMP_SECONDS, LARGEST_JUMP_SECONDS))
    return True


COMMON = (
    Fault("webhook service", 6, is_kill=True, strike=_kill("ingest")),
    Fault("PostgreSQL", 3, is_kill=True, strike=_kill_server),
    Fault("a process of PostgreSQL's", 3, is_kill=True, strike=_kill_backend),
    Fault("connections cut", 2, is_kill=False, strike=_cut_connections),
    Fault("statements cancelled", 2, is_kill=False, strike=_cancel_statements),
    Fault("statement time-outs", 1, is_kill=False, strike=_shorten_timeouts),
    Fault("clock jumps", 1, is_kill=False, strike=_jump_clock),
)

WITHOUT_DAGSTER = (
    *COMMON,
    Fault("normaliser", 4, is_kill=True, strike=_kill("normaliser")),
    Fault("dbt", 1, is_kill=True, strike=_kill_build),
)

WITH_DAGSTER = (
    *COMMON,
    Fault("normalising run", 6, is_kill=True, strike=_kill_run("dagster-pipeline")),
    Fault("mart build", 2, is_kill=True, strike=_kill_run("dagster-marts")),
    Fault("Dagster's daemon", 1, is_kill=True, strike=_kill("dagster-daemon")),
    Fault("Dagster's code server", 1, is_kill=True, strike=_kill("dagster-pipeline")),
    Fault("Dagster's code server of the marts", 1, is_kill=True, strike=_kill("dagster-marts")),
    Fault("Dagster's web server", 1, is_kill=True, strike=_kill("dagster-webserver")),
)


def choose(faults: Sequence[Fault], chance: Random) -> Fault:
    """Return one of the faults, by weight."""
    return chance.choices(faults, weights=[fault.weight for fault in faults])[0]
