"""Locks between processes on one machine, held by files and let go by the kernel when the holder dies.

Belongs here: exclusive sections around start and stop, and counting the users of a shared server.
Does not belong here: locks between sessions of the database (advisory locks).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Hold the lock file at ``path`` alone; wait for whoever holds it."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class Usage:
    """One process's claim that it uses what ``path`` stands for; it ends with the process at the latest."""

    def __init__(self, path: Path) -> None:
        """Claim use; waits only while another process is finding out whether it is the last one."""
        self._descriptor = _open(path)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def is_last(self) -> bool:
        """Tell whether nobody else claims use; a true answer keeps newcomers waiting until ``end``."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def end(self) -> None:
        """Give up the claim."""
        os.close(self._descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
