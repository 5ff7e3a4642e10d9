"""``python -m ingest.normalise.crewmate``: a worker that was called by another process to help with a backlog.

Its standard input first says how to connect; its end means that the caller wants it to leave, or is gone. After each
batch it tells on its standard output what the batch held.

Belongs here: exactly this.
Does not belong here: calling helpers (``crew.py``), the work (``worker.py``).
"""

from __future__ import annotations

import json
import select
import sys
import time
from dataclasses import asdict

import psycopg

from ingest.normalise.worker import Progress, Worker

IDLE_SECONDS = 5.0
"""How long an empty queue is watched before leaving: under load it is empty now and then for a moment."""

LOOK_SECONDS = 0.1
"""Between two looks at an empty queue and at the caller. Only the caller's own worker listens for notifications."""


def main() -> None:
    """Work until the caller wants no more, or nothing has waited for a while."""
    conninfo = json.loads(sys.stdin.readline())["conninfo"]
    with psycopg.connect(conninfo, autocommit=True) as connection:
        worker = Worker(connection)
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < IDLE_SECONDS:
            if _is_to_leave(LOOK_SECONDS if worker.is_idle else 0.0):
                return
            worker.run_batch()
            if not worker.is_idle:
                idle_since = time.monotonic()
                _tell(worker)


def _is_to_leave(seconds: float) -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable)


def _tell(worker: Worker) -> None:
    print(json.dumps(asdict(worker.progress)), flush=True)
    worker.progress = Progress()


if __name__ == "__main__":
    main()
