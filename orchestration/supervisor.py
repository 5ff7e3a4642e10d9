"""Starts processes in order, restarts those that crash, and leaves none behind.

Each child leads a session and a process group of its own, so that what it starts (Dagster's run workers) ends with
it. Orphans are adopted while the supervisor lives; should it be killed, the guard ends the groups.

Belongs here: the life of processes.
Does not belong here: which processes there are (``processes.py``), databases (``preparation.py``).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from orchestration.process import Listening, Process, port_is_free

Say = Callable[[str], None]

_POLL_SECONDS = 0.2
_FIRST_PAUSE_SECONDS = 0.5

_STABLE_SECONDS = 60.0
"""A child that lived this long has recovered: its next crash is again answered at once."""

_LOG_BYTES_KEPT = 50 * 1024 * 1024
_LOG_LINES_SHOWN = 12
_PR_SET_CHILD_SUBREAPER = 36


class StartError(RuntimeError):
    """A needed process did not start; the message says which, why and what to do."""


class PortTakenError(StartError):
    """Somebody else listens where one of our processes should."""


class _Child:
    """One process of the list: running, waiting to be started again, or not started yet."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self.log = log
        self.popen: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.start_again_at: float | None = None
        self.pause_seconds = 0.0
        self.group_must_end_by: float | None = None
        self.crashes = 0
        self.was_well = False

    @property
    def exit_code(self) -> int | None:
        """None while it runs or has not been started."""
        return self.popen.poll() if self.popen is not None else None

    def last_lines(self) -> str:
        """Return the end of the log, for a message."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return "\n".join(f"    {line}" for line in lines[-_LOG_LINES_SHOWN:])


class Supervisor:
    """Runs ``processes`` until it is told to stop."""

    def __init__(
        self,
        processes: Sequence[Process],
        *,
        log_directory: Path,
        working_directory: Path,
        say: Say,
        start_seconds: float = 240.0,
        stop_seconds: float = 20.0,
        longest_pause_seconds: float = 30.0,
    ) -> None:
        """Take the list; nothing starts yet."""
        self._children = [_Child(process, log_directory / f"{process.name}.log") for process in processes]
        self._working_directory = working_directory
        self._say = say
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._stopping = threading.Event()
        self._guard: subprocess.Popen[bytes] | None = None
        log_directory.mkdir(parents=True, exist_ok=True)

    def start(self) -> bool:
        """Start every process in order and wait until all are well; false if a stop was asked for meanwhile.

        Raises ``StartError``. Whatever happens, ``stop`` is to be called afterwards.
        """
        self._refuse_taken_ports()
        _adopt_orphans()
        self._guard = _start_guard()
        for child in self._children:
            self._await([other for other in self._children if other.process.name in child.process.after])
            if self._stopping.is_set():
                return False
            self._spawn(child)
        self._await(self._children)
        return not self._stopping.is_set()

    def supervise(self, *watches: Callable[[], None]) -> None:
        """Restart what crashes until a stop is asked for. Each of ``watches`` is called several times a second."""
        while not self._stopping.wait(_POLL_SECONDS):
            for child in self._children:
                self._look_after(child)
            for watch in watches:
                watch()

    def ask_to_stop(self) -> None:
        """Let ``start`` and ``supervise`` return soon; asked twice, ``stop`` is no longer patient."""
        if self._stopping.is_set():
            self._stop_seconds = 0.0
        self._stopping.set()

    def stop(self) -> None:
        """End every process in reverse order: SIGTERM to its group, SIGKILL after a time. Leaves none behind."""
        self._stopping.set()
        for child in reversed(self._children):
            if child.popen is not None:
                self._end_group(child)
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None

    def pids(self) -> dict[str, int]:
        """Return the process id of each process that runs, by name."""
        running = [child for child in self._children if child.popen is not None and child.exit_code is None]
        return {child.process.name: child.popen.pid for child in running if child.popen is not None}

    def _refuse_taken_ports(self) -> None:
        listening = {child.process.name: child.process.listening for child in self._children}
        refuse_taken_ports({name: port for name, port in listening.items() if port is not None})

    def _spawn(self, child: _Child) -> None:
        with child.log.open("ab") as log:
            child.popen = subprocess.Popen(
                child.process.command,
                env=dict(child.process.environment),
                cwd=self._working_directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child.started_at = time.monotonic()
        child.start_again_at = None
        self._tell_guard("+", child.popen.pid)

    def _await(self, children: Sequence[_Child]) -> None:
        """Wait until ``children`` are well, looking after all that run."""
        waiting = [child for child in children if not child.was_well]
        deadline = time.monotonic() + self._start_seconds
        while waiting and not self._stopping.is_set():
            for child in list(waiting):
                if self._is_settled(child, is_late=time.monotonic() > deadline):
                    waiting.remove(child)
            if waiting:
                self._stopping.wait(_POLL_SECONDS)

    def _is_settled(self, child: _Child, *, is_late: bool) -> bool:
        if child.exit_code is None and child.start_again_at is None and child.process.is_well():
            child.was_well = True
            return True
        reason = f"ended with code {child.exit_code}" if child.exit_code is not None else "does not answer"
        if child.exit_code is None and not is_late:
            return False
        if child.process.needed:
            raise StartError(f"{child.process.name} {reason}. The end of {child.log}:\n{child.last_lines()}")
        self._say(f"{child.process.name} {reason} and is left out for now: see {child.log}")
        return True

    def _look_after(self, child: _Child) -> None:
        """Do what is due for a child; never wait, since others may have died meanwhile, the database first of all."""
        _keep_short(child.log)
        if child.group_must_end_by is not None:
            self._see_group_off(child, child.group_must_end_by)
        elif child.start_again_at is not None:
            if time.monotonic() >= child.start_again_at:
                self._spawn(child)
        elif child.exit_code is not None:
            self._plan_restart(child)

    def _plan_restart(self, child: _Child) -> None:
        if child.popen is None:
            return
        if time.monotonic() - child.started_at > _STABLE_SECONDS:
            child.crashes = 0
        child.pause_seconds = min(_FIRST_PAUSE_SECONDS * 2**child.crashes, self._longest_pause_seconds)
        child.crashes += 1
        self._say(
            f"{child.process.name} ended with code {child.exit_code}; it starts again in {child.pause_seconds:g} s "
            f"(log: {child.log})"
        )
        # Its own children must not work on beside their successors.
        _send(child.popen.pid, signal.SIGTERM)
        child.group_must_end_by = time.monotonic() + self._stop_seconds

    def _see_group_off(self, child: _Child, deadline: float) -> None:
        """Plan the restart once nothing is left of a child that crashed; kill what does not end in time."""
        if child.popen is None:
            return
        if not _is_gone(child.popen):
            if time.monotonic() > deadline:
                _send(child.popen.pid, signal.SIGKILL)
            return
        self._tell_guard("-", child.popen.pid)
        child.group_must_end_by = None
        child.start_again_at = time.monotonic() + child.pause_seconds

    def _end_group(self, child: _Child) -> None:
        if child.popen is None:
            return
        group = child.popen.pid
        _send(group, signal.SIGTERM)
        begun = time.monotonic()
        # Read each time: a second Ctrl-C ends the patience.
        while not _is_gone(child.popen) and time.monotonic() - begun < self._stop_seconds:
            time.sleep(_POLL_SECONDS / 4)
        if not _is_gone(child.popen):
            self._say(f"{child.process.name} did not end in {self._stop_seconds:g} s and is killed")
            _send(group, signal.SIGKILL)
            child.popen.wait()
            _wait_for_group(child.popen)
        self._tell_guard("-", group)

    def _tell_guard(self, sign: str, group: int) -> None:
        if self._guard is None or self._guard.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.write(f"{sign}{group}\n".encode())
            self._guard.stdin.flush()


def refuse_taken_ports(ports: Mapping[str, Listening]) -> None:
    """Raise ``PortTakenError`` for the first of ``ports`` (by the name of its process) that somebody listens on."""
    for name, listening in ports.items():
        if not port_is_free(listening.port):
            raise PortTakenError(
                f"port {listening.port}, where {name} should listen, is taken: "
                f"stop what listens there, or set {listening.variable} to another port."
            )


@contextmanager
def stopping_on_signals(supervisor: Supervisor) -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into an orderly stop while the block lasts."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        supervisor.ask_to_stop()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start_guard() -> subprocess.Popen[bytes]:
    program = Path(__file__).with_name("guard.py")
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _adopt_orphans() -> None:
    """Make grandchildren whose parent died children of ours (Linux), so that they can be reaped."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _send(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _is_gone(popen: subprocess.Popen[bytes]) -> bool:
    """Tell whether no process of the group is left, reaping those that ended."""
    if popen.poll() is None:
        return False
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-popen.pid, os.WNOHANG)[0]:
            continue
    try:
        os.killpg(popen.pid, 0)
    except ProcessLookupError:
        return True
    return False


def _wait_for_group(popen: subprocess.Popen[bytes]) -> None:
    """Wait until the kernel has ended a killed group; where nobody reaps zombies, not for ever."""
    deadline = time.monotonic() + 5
    while not _is_gone(popen) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS / 4)


def _keep_short(log: Path) -> None:
    """Set a grown log aside; its writer appends, so that it goes on at the beginning."""
    if log.exists() and log.stat().st_size > _LOG_BYTES_KEPT:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)
