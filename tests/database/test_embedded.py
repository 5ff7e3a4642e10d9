"""The embedded server: it starts wherever it can, keeps its data, and says what to do where it cannot."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from database import embedded, machine
from database.errors import DatabaseUnavailableError
from database.system_user import Account, let_reach

PORT = 54450
"""Away from the default, so that a project running on the same machine is left alone."""

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def state_dir() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="tweet-pipeline-embedded-"))
    yield directory
    embedded.stop(directory)
    shutil.rmtree(directory)


def start(state_dir: Path) -> embedded.Server:
    return embedded.start(state_dir, preferred_port=PORT, durable=False)


def remember(server: embedded.Server, word: str) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("create table if not exists words (word text)")
        connection.execute("insert into words values (%s)", (word,))


def remembered(server: embedded.Server) -> list[str]:
    with psycopg.connect(server.url) as connection:
        return [word for (word,) in connection.execute("select word from words order by word")]


def test_a_second_start_finds_the_data_of_the_first(state_dir: Path) -> None:
    remember(start(state_dir), "kept")
    assert embedded.stop(state_dir)
    assert embedded.running(state_dir) is None
    assert remembered(start(state_dir)) == ["kept"]


def test_a_server_that_runs_already_is_used(state_dir: Path) -> None:
    first = start(state_dir)
    second = start(state_dir)
    assert first.started_here
    assert not second.started_here
    assert (second.pid, second.port, second.url) == (first.pid, first.port, first.url)


def test_two_starters_at_once_get_one_server(state_dir: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        servers = list(pool.map(lambda _: start(state_dir), range(4)))
    assert len({server.pid for server in servers}) == 1
    assert sum(server.started_here for server in servers) == 1


def _until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Await something; a busy machine takes its time even to end a process."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_a_killed_server_starts_again_with_what_was_committed(state_dir: Path) -> None:
    server = embedded.start(state_dir, preferred_port=PORT)
    remember(server, "committed")
    os.kill(server.pid, signal.SIGKILL)
    _until(lambda: embedded.running(state_dir) is None)
    again = embedded.start(state_dir, preferred_port=PORT)
    assert again.pid != server.pid
    assert remembered(again) == ["committed"]


def test_a_stale_lock_naming_a_living_stranger_does_not_stop_the_start(state_dir: Path) -> None:
    server = start(state_dir)
    lock = server.data_directory / "postmaster.pid"
    lines = lock.read_text().splitlines()
    embedded.stop(state_dir)
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert embedded.running(state_dir) is None
    assert start(state_dir).started_here


def test_a_taken_port_is_left_to_its_holder(state_dir: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        server = embedded.start(state_dir, preferred_port=taken, durable=False)
        assert server.port != taken
        remember(server, "reachable")


def test_two_state_directories_have_two_servers(state_dir: Path) -> None:
    one, other = start(state_dir / "one"), start(state_dir / "other")
    try:
        assert one.port != other.port
        remember(one, "one")
        remember(other, "other")
        assert (remembered(one), remembered(other)) == (["one"], ["other"])
    finally:
        embedded.stop(state_dir / "one")
        embedded.stop(state_dir / "other")


def test_a_long_path_with_spaces_is_no_obstacle(state_dir: Path) -> None:
    deep = state_dir / ("a long name, ünïcode " * 4).strip() / ("b" * 120)
    try:
        remember(start(deep), "deep")
    finally:
        embedded.stop(deep)


def test_an_interrupted_first_start_is_begun_again(state_dir: Path) -> None:
    unfinished = state_dir / "postgres" / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    assert start(state_dir).started_here


def test_serving_stops_what_it_started(state_dir: Path) -> None:
    with embedded.serving(state_dir, preferred_port=PORT, durable=False) as server:
        assert server.started_here
    assert embedded.running(state_dir) is None


def test_serving_leaves_a_started_server_running(state_dir: Path) -> None:
    started = start(state_dir)
    with embedded.serving(state_dir, preferred_port=PORT, durable=False) as server:
        assert not server.started_here
    found = embedded.running(state_dir)
    assert found is not None
    assert found.pid == started.pid


def test_the_last_user_stops_the_server_not_the_first(state_dir: Path) -> None:
    with embedded.serving(state_dir, preferred_port=PORT, durable=False):
        with embedded.serving(state_dir, preferred_port=PORT, durable=False):
            pass
        assert embedded.running(state_dir) is not None
    assert embedded.running(state_dir) is None


def test_a_user_that_was_killed_does_not_keep_the_server(state_dir: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from database import embedded\n"
        f"with embedded.serving(Path(sys.argv[1]), preferred_port={PORT}, durable=False):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(state_dir)], check=False)
    assert embedded.running(state_dir) is not None
    with embedded.serving(state_dir, preferred_port=PORT, durable=False) as server:
        assert not server.started_here
    assert embedded.running(state_dir) is None


def test_stopping_what_never_ran_is_harmless(state_dir: Path) -> None:
    assert not embedded.stop(state_dir)
    assert not embedded.stop(state_dir / "absent")


def test_the_server_asks_for_the_password_and_listens_locally(state_dir: Path) -> None:
    server = start(state_dir)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.url.replace(server.url.split(":")[2].split("@")[0], "wrong"))
    with psycopg.connect(server.url) as connection:
        rows = connection.execute(
            "select name, setting from pg_settings"
            " where name in ('listen_addresses', 'unix_socket_directories', 'password_encryption', 'TimeZone')"
        ).fetchall()
        assert dict(rows) == {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "password_encryption": "scram-sha-256",
            "TimeZone": "UTC",
        }
    assert stat.S_IMODE((state_dir / "postgres" / "owner_password").stat().st_mode) == 0o600
    assert server.url not in repr(server)


def test_a_durable_server_keeps_every_promise(state_dir: Path) -> None:
    with psycopg.connect(embedded.start(state_dir, preferred_port=PORT).url) as connection:
        rows = connection.execute(
            "select setting from pg_settings"
            " where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums')"
        ).fetchall()
    assert [setting for (setting,) in rows] == ["on"] * 4


def test_trigrams_and_word_classes_know_other_scripts(state_dir: Path) -> None:
    with psycopg.connect(start(state_dir).url) as connection:
        connection.execute("create extension pg_trgm")
        row = connection.execute(
            "select lower('ÄЖ'), cardinality(show_trgm('мир')), 'ß' ~ '[[:alpha:]]', 'a' < 'B'"
        ).fetchone()
    assert row == ("äж", 4, True, False)


def test_a_server_that_cannot_start_shows_its_log(state_dir: Path) -> None:
    server = start(state_dir)
    embedded.stop(state_dir)
    with (server.data_directory / "postgresql.auto.conf").open("a") as settings:
        settings.write("shared_buffers = 'much'\n")
    with pytest.raises(DatabaseUnavailableError, match=r"(?s)does not start.*shared_buffers.*DATABASE_URL"):
        start(state_dir)


def test_data_of_another_release_is_refused_with_the_way_out(state_dir: Path) -> None:
    server = start(state_dir)
    embedded.stop(state_dir)
    (server.data_directory / "PG_VERSION").write_text("17\n")
    with pytest.raises(DatabaseUnavailableError, match=r"made by PostgreSQL 17.*dump the data"):
        start(state_dir)


def test_a_lost_password_is_named(state_dir: Path) -> None:
    start(state_dir)
    embedded.stop(state_dir)
    (state_dir / "postgres" / "owner_password").rename(state_dir / "elsewhere")
    with pytest.raises(DatabaseUnavailableError, match=r"owner_password.*is gone: put it back"):
        start(state_dir)
    (state_dir / "elsewhere").rename(state_dir / "postgres" / "owner_password")


def test_a_log_that_grew_is_set_aside(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_LOG_BYTES_KEPT", 10)
    start(state_dir)
    embedded.stop(state_dir)
    start(state_dir)
    assert (state_dir / "postgres" / "server.log.1").exists()


@pytest.mark.skipif(not AS_ROOT, reason="only root changes the account it runs as")
def test_as_root_a_closed_directory_above_is_opened_for_passing_only(state_dir: Path) -> None:
    closed = state_dir / "closed"
    closed.mkdir(mode=0o700)
    try:
        server = start(closed / "state")
        remember(server, "reached")
        assert stat.S_IMODE(closed.stat().st_mode) == 0o701
        assert pwd.getpwuid(server.data_directory.stat().st_uid).pw_name == "embedded_postgres"
    finally:
        embedded.stop(closed / "state")


@pytest.mark.skipif(not AS_ROOT, reason="only root may become another user")
def test_as_an_ordinary_user_it_runs_as_that_user(state_dir: Path) -> None:
    state_dir.chmod(0o777)

    def use() -> None:
        home = state_dir / "mine"
        with embedded.serving(home, preferred_port=PORT, durable=False) as server:
            remember(server, "mine")
            assert server.data_directory.stat().st_uid == os.geteuid()
        remember(start(home), "again")

    assert as_nobody(use) == ""
    assert remembered(start(state_dir / "mine")) == ["again", "mine"]
    embedded.stop(state_dir / "mine")
    assert remembered(start(state_dir / "mine")) == ["again", "mine"]
    embedded.stop(state_dir / "mine")


@pytest.mark.skipif(not AS_ROOT, reason="only root may become another user")
def test_another_user_is_told_whose_database_it_is(state_dir: Path) -> None:
    state_dir.chmod(0o755)
    start(state_dir)
    message = as_nobody(lambda: embedded.running(state_dir))
    assert "belongs to the user embedded_postgres" in message
    assert "DATABASE_URL" in as_nobody(lambda: start(state_dir))


def as_nobody(action: Callable[[], object]) -> str:
    """Run ``action`` in a forked process as the user nobody; return its error's message, or nothing.

    Forked, not started anew: the interpreter's own files may lie where nobody may not look.
    """
    nobody = pwd.getpwnam("nobody")
    let_reach_binaries()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        message = ""
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            action()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
            message = f"{type(error).__name__}: {error}"
        finally:
            os.write(write, message.encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


def let_reach_binaries() -> None:
    account = pwd.getpwnam("nobody")
    let_reach(Account(account.pw_name, account.pw_uid, account.pw_gid), embedded._binaries())


@pytest.mark.parametrize("memory", [2**28, 2**30, 2**33, 2**40])
def test_memory_is_shared_out_within_bounds(memory: int) -> None:
    assert 128 <= megabytes("shared_buffers", memory=memory, disk=2**40) <= 2048


@pytest.mark.parametrize(("disk", "expected"), [(2**28, 1024), (2**36, 3276), (2**45, 8192)])
def test_the_log_may_grow_to_a_twentieth_of_the_disk_within_bounds(disk: int, expected: int) -> None:
    assert megabytes("max_wal_size", memory=2**33, disk=disk) == expected


def megabytes(setting: str, *, memory: int, disk: int) -> int:
    lines = machine.configuration(port=1, memory=memory, disk=disk).splitlines()
    return next(int(line.split("'")[1].removesuffix("MB")) for line in lines if line.startswith(setting))


def test_memory_is_positive_and_not_more_than_the_machine_has() -> None:
    assert 0 < machine.memory_bytes() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
