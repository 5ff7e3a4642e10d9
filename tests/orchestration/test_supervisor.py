"""The supervisor, with small real processes: order, restarts, and that nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from orchestration.process import HealthCheck, Listening, Process, accepts_connections, answers_http, port_is_free
from orchestration.supervisor import PortTakenError, StartError, Supervisor

PROJECT = Path(__file__).resolve().parents[2]

SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
)
PARENT = (
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print('grandchild', child.pid, flush=True); time.sleep(600)"
)
PARENT_OF_STUBBORN = (
    "import subprocess, sys, time;"
    f"child = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], stdout=subprocess.PIPE);"
    "child.stdout.readline(); print('grandchild', child.pid, flush=True); time.sleep(600)"
)
SERVER = (
    "import sys; from http.server import HTTPServer, SimpleHTTPRequestHandler;"
    "HTTPServer(('127.0.0.1', int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()"
)


class Heard(list[str]):
    """What the supervisor said."""

    def about(self, words: str) -> bool:
        return any(words in line for line in self)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def supervise(tmp_path: Path, heard: Heard) -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def make(*processes: Process, start_seconds: float = 30.0, stop_seconds: float = 10.0) -> Supervisor:
        made.append(
            Supervisor(
                processes,
                log_directory=tmp_path / "logs",
                working_directory=tmp_path,
                say=heard.append,
                start_seconds=start_seconds,
                stop_seconds=stop_seconds,
            )
        )
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop()


def python(
    name: str,
    program: str,
    *arguments: str,
    is_well: HealthCheck = lambda: True,
    after: tuple[str, ...] = (),
    needed: bool = True,
    listening: Listening | None = None,
) -> Process:
    return Process(
        name=name,
        command=(sys.executable, "-c", program, *arguments),
        environment=dict(os.environ),
        is_well=is_well,
        after=after,
        needed=needed,
        listening=listening,
    )


def await_that(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Tell whether a process runs; one that ended and only waits to be reaped does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def in_background(supervisor: Supervisor) -> Iterator[None]:
    thread = threading.Thread(target=supervisor.supervise)
    thread.start()
    try:
        yield
    finally:
        supervisor.ask_to_stop()
        thread.join()


def grandchild_of(tmp_path: Path, name: str) -> int:
    log = tmp_path / "logs" / f"{name}.log"
    await_that(lambda: log.exists() and "grandchild" in log.read_text() and log.read_text().endswith("\n"), "a line")
    return int(log.read_text().splitlines()[-1].split()[1])


def test_a_process_starts_only_when_those_before_it_are_well(
    tmp_path: Path, supervise: Callable[..., Supervisor]
) -> None:
    mark = tmp_path / "first_is_well"
    first = python(
        "first",
        "import pathlib, sys, time; time.sleep(0.5); pathlib.Path(sys.argv[1]).touch(); time.sleep(600)",
        str(mark),
        is_well=mark.exists,
    )
    second = python(
        "second",
        "import pathlib, sys, time; print(pathlib.Path(sys.argv[1]).exists(), flush=True); time.sleep(600)",
        str(mark),
        after=("first",),
    )
    supervisor = supervise(first, second)
    assert supervisor.start()
    log = tmp_path / "logs" / "second.log"
    await_that(lambda: log.read_text().strip(), "the second process's line")
    assert log.read_text().strip() == "True"
    assert list(supervisor.pids()) == ["first", "second"]


def test_processes_stop_in_reverse_order(tmp_path: Path, supervise: Callable[..., Supervisor]) -> None:
    program = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    open(sys.argv[2], 'a').write(sys.argv[1] + '\\n'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "open(sys.argv[1], 'w').close()\n"
        "time.sleep(600)\n"
    )
    ended = tmp_path / "ended"
    names = ["one", "two", "three"]
    supervisor = supervise(
        *(python(name, program, name, str(ended), is_well=(tmp_path / name).exists) for name in names)
    )
    supervisor.start()
    supervisor.stop()
    assert ended.read_text().split() == ["three", "two", "one"]


def test_stopping_leaves_no_process_not_even_grandchildren(
    tmp_path: Path, supervise: Callable[..., Supervisor]
) -> None:
    supervisor = supervise(python("parent", PARENT))
    supervisor.start()
    grandchild = grandchild_of(tmp_path, "parent")
    children = list(supervisor.pids().values())
    supervisor.stop()
    assert not any(map(lives, [grandchild, *children]))


def test_a_process_that_ignores_the_request_is_killed(
    tmp_path: Path, heard: Heard, supervise: Callable[..., Supervisor]
) -> None:
    log = tmp_path / "logs" / "stubborn.log"
    supervisor = supervise(python("stubborn", STUBBORN, is_well=lambda: "ready" in log.read_text()), stop_seconds=0.3)
    supervisor.start()
    pid = supervisor.pids()["stubborn"]
    supervisor.stop()
    assert not lives(pid)
    assert heard.about("stubborn did not end in 0.3 s and is killed")


def test_a_second_request_ends_the_patience(tmp_path: Path, supervise: Callable[..., Supervisor]) -> None:
    log = tmp_path / "logs" / "stubborn.log"
    supervisor = supervise(python("stubborn", STUBBORN, is_well=lambda: "ready" in log.read_text()), stop_seconds=300)
    supervisor.start()
    supervisor.ask_to_stop()
    supervisor.ask_to_stop()
    begun = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - begun < 60


def test_a_crashed_process_starts_again_without_its_old_children(
    tmp_path: Path, heard: Heard, supervise: Callable[..., Supervisor]
) -> None:
    supervisor = supervise(python("worker", PARENT))
    supervisor.start()
    grandchild, first = grandchild_of(tmp_path, "worker"), supervisor.pids()["worker"]
    with in_background(supervisor):
        os.kill(first, signal.SIGKILL)
        await_that(lambda: supervisor.pids().get("worker", first) != first, "a new process")
        assert not lives(grandchild)
        assert heard.about("worker ended with code -9; it starts again in 0.5 s")


def test_a_crash_is_looked_after_while_what_another_left_is_still_ending(
    tmp_path: Path, supervise: Callable[..., Supervisor]
) -> None:
    """Runs of a killed code server took twenty seconds to end, and a database that died meanwhile stayed dead."""
    supervisor = supervise(python("parent", PARENT_OF_STUBBORN), python("other", SLEEP), stop_seconds=300)
    supervisor.start()
    grandchild, parent, other = grandchild_of(tmp_path, "parent"), *map(supervisor.pids().get, ("parent", "other"))
    assert parent is not None
    assert other is not None
    watched = threading.Event()
    thread = threading.Thread(target=supervisor.supervise, args=(watched.set,))
    thread.start()
    os.kill(parent, signal.SIGKILL)
    os.kill(other, signal.SIGKILL)
    await_that(lambda: supervisor.pids().get("other", other) != other, "a new process")
    assert lives(grandchild)
    assert "parent" not in supervisor.pids()
    os.kill(grandchild, signal.SIGKILL)
    await_that(lambda: supervisor.pids().get("parent", parent) != parent, "a new parent")
    supervisor.ask_to_stop()
    supervisor.ask_to_stop()
    thread.join()
    assert watched.is_set()


def test_pauses_between_crashes_grow(heard: Heard, supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(python("brittle", "raise SystemExit(3)", is_well=lambda: False, needed=False))
    supervisor.start()
    with in_background(supervisor):
        await_that(lambda: heard.about("starts again in 2 s"), "a third crash")
    pauses = [line.split(" in ")[1].split(" ")[0] for line in heard if "starts again" in line]
    assert pauses[:3] == ["0.5", "1", "2"]


def test_a_needed_process_that_ends_at_once_shows_its_log(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(
        python("steady", SLEEP), python("broken", "raise SystemExit('no such setting')", is_well=lambda: False)
    )
    with pytest.raises(StartError, match=r"(?s)broken ended with code 1.*broken\.log.*no such setting"):
        supervisor.start()
    pids = supervisor.pids()
    supervisor.stop()
    assert not any(map(lives, pids.values()))


def test_a_needed_process_that_never_answers_ends_the_start(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(python("silent", SLEEP, is_well=lambda: False), start_seconds=0.5)
    with pytest.raises(StartError, match="silent does not answer"):
        supervisor.start()


def test_a_process_that_is_not_needed_does_not_hold_up_the_rest(
    heard: Heard, supervise: Callable[..., Supervisor]
) -> None:
    supervisor = supervise(
        python("extra", "raise SystemExit(1)", is_well=lambda: False, needed=False), python("steady", SLEEP)
    )
    assert supervisor.start()
    assert heard.about("extra ended with code 1 and is left out for now")
    assert "steady" in supervisor.pids()


def test_a_taken_port_is_named_with_its_variable_before_anything_starts(
    tmp_path: Path, supervise: Callable[..., Supervisor]
) -> None:
    with closing(socket.socket()) as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        supervisor = supervise(python("first", SLEEP), python("web", SLEEP, listening=Listening(port, "INGEST_PORT")))
        with pytest.raises(PortTakenError, match=rf"port {port}.*web.*INGEST_PORT"):
            supervisor.start()
    assert not (tmp_path / "logs" / "first.log").exists()


def test_a_stop_that_is_asked_for_during_the_start_ends_it(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(python("silent", SLEEP, is_well=lambda: False), python("late", SLEEP, after=("silent",)))
    threading.Timer(0.3, supervisor.ask_to_stop).start()
    assert not supervisor.start()
    assert "late" not in supervisor.pids()


def test_a_server_is_well_when_it_answers(tmp_path: Path, supervise: Callable[..., Supervisor]) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    assert port_is_free(port)
    assert not answers_http(address)()
    assert not accepts_connections(port)()
    supervisor = supervise(python("web", SERVER, str(port), is_well=answers_http(address)))
    supervisor.start()
    assert accepts_connections(port)()
    assert not port_is_free(port)
    assert not answers_http(address + "nothing-here")()


def test_a_log_that_grew_is_set_aside(
    tmp_path: Path, supervise: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.supervisor._LOG_BYTES_KEPT", 1000)
    supervisor = supervise(python("talker", "print('x' * 5000, flush=True); import time; time.sleep(600)"))
    supervisor.start()
    with in_background(supervisor):
        await_that((tmp_path / "logs" / "talker.log.1").exists, "the old log")
        await_that(lambda: (tmp_path / "logs" / "talker.log").stat().st_size < 1000, "a short log")


def test_a_killed_supervisor_leaves_nothing_either(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from orchestration.process import Process\n"
        "from orchestration.supervisor import Supervisor\n"
        "process = Process(name='parent', command=(sys.executable, '-c', sys.argv[2]), environment=dict(os.environ),"
        " is_well=lambda: True)\n"
        "supervisor = Supervisor([process], log_directory=Path(sys.argv[1], 'logs'), working_directory=Path.cwd(),"
        " say=print)\n"
        "supervisor.start(); print(supervisor.pids()['parent'], flush=True); supervisor.supervise()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path), PARENT]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        child = int(supervisor.stdout.readline())
        grandchild = grandchild_of(tmp_path, "parent")
        supervisor.kill()
    await_that(lambda: not lives(child) and not lives(grandchild), "the end of both")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_that_ends_a_program_is_an_orderly_stop(tmp_path: Path, number: signal.Signals) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from orchestration.process import Process\n"
        "from orchestration.supervisor import Supervisor, stopping_on_signals\n"
        "process = Process(name='steady', command=(sys.executable, '-c', 'import time; time.sleep(600)'),"
        " environment=dict(os.environ), is_well=lambda: True)\n"
        "supervisor = Supervisor([process], log_directory=Path(sys.argv[1]), working_directory=Path.cwd(), say=print)\n"
        "with stopping_on_signals(supervisor):\n"
        "    supervisor.start(); print(supervisor.pids()['steady'], flush=True)\n"
        "    supervisor.supervise(); supervisor.stop(); print('stopped', flush=True)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        child = int(supervisor.stdout.readline())
        supervisor.send_signal(number)
        rest, _ = supervisor.communicate()
    assert (rest.strip(), supervisor.returncode) == ("stopped", 0)
    assert not lives(child)
