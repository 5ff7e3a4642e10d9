"""A worker and its helpers: processes that are called when deliveries wait, and leave when none do.

Belongs here: calling helpers, adding up what they did, sending them away.
Does not belong here: the work itself (``worker.py``), the helpers' side (``crewmate.py``), Dagster.

Helpers are processes, since reading tweets holds Python's lock. They share nothing but the queue: each claims its own
batches, so that one that is killed gives its batch back. A helper ends when its standard input does, which is also how
it learns that the process that called it is gone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.conninfo import make_conninfo

from ingest.normalise.worker import Progress, Worker

LEAVE_SECONDS = 60.0
"""A batch under way is finished first; even one that waits for another worker's takes a few seconds."""

FAILURES = 3
"""A helper that dies is called again; when so many have died without a batch between, something is wrong with them."""


class HelpersFailedError(RuntimeError):
    """Helpers die as soon as they are called; their standard error says why."""


class Crew:
    """A worker on a connection of its own, with up to ``size - 1`` helpers. A context manager: leaving sends them away.

    The connection must be in autocommit mode and belong to the role ``pipeline``.
    """

    def __init__(self, connection: psycopg.Connection[Any], size: int) -> None:
        self.worker = Worker(connection, on_batch=self._look_round)
        self._conninfo = make_conninfo(connection.info.dsn, password=connection.info.password)
        self._size = size
        self._helpers: list[_Helper] = []
        self._done = Progress()
        self._failures = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, _value: object, _traceback: TracebackType | None) -> None:
        self.dismiss()

    @property
    def progress(self) -> Progress:
        """Return what all of them have done."""
        total = self.worker.progress + self._done
        for helper in self._helpers:
            total += helper.progress
        return total

    def drain(self) -> Progress:
        """Normalise all that waits; return once the helpers have written their last batches as well.

        A claim passes over what another worker has locked, which is more than that one takes: once the helpers have
        left, the queue is looked at again.
        """
        has_company = True
        while has_company:
            self.worker.drain()
            has_company = bool(self._helpers)
            self.dismiss()
        return self.progress

    def dismiss(self) -> None:
        """Let the helpers finish their batches, and wait for them."""
        for helper in self._helpers:
            helper.leave()
        self._retire([helper for helper in self._helpers if helper.is_gone(LEAVE_SECONDS)])

    def call(self) -> None:
        """Call one more helper, unless all are there; it leaves by itself when nothing has waited for a while."""
        self._retire([helper for helper in self._helpers if helper.is_gone()])
        if len(self._helpers) < self._size - 1:
            if self._failures >= FAILURES:
                raise HelpersFailedError(f"{FAILURES} helpers in a row have died: see the log above")
            self._helpers.append(_Helper(self._conninfo))

    def _look_round(self) -> None:
        if self.worker.is_behind:
            self.call()

    def _retire(self, helpers: list[_Helper]) -> None:
        for helper in helpers:
            self._done += helper.progress
            self._helpers.remove(helper)
            died = helper.exit_code != 0
            self._failures = self._failures + 1 if died and not helper.progress.batches else 0


class _Helper:
    """A helper's process, and what it tells."""

    def __init__(self, conninfo: str) -> None:
        self.progress = Progress()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ingest.normalise.crewmate"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        # Not on the command line, which everybody on the machine may read.
        self._tell(json.dumps({"conninfo": conninfo}))

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    def leave(self) -> None:
        """Ask it to end after its batch."""
        if self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                return

    def is_gone(self, seconds: float = 0.0) -> bool:
        """Tell whether it has ended, waiting so long for it; one that then still works is killed."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            if not seconds:
                return False
            self._process.kill()
            self._process.wait()
        self._listener.join()
        self.leave()
        return True

    def _tell(self, line: str) -> None:
        if self._process.stdin is not None:
            try:
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                return

    def _listen(self) -> None:
        if self._process.stdout is None:
            return
        with self._process.stdout as lines:
            for line in lines:
                self.progress += Progress(**json.loads(line))
