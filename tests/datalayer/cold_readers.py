"""A process of many readers that all want one key at once: ``python -m tests.datalayer.cold_readers URL COUNT``.

Belongs here: what one such process does.
Does not belong here: how many there are, what must come of it (``test_cache``).
"""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import redis

from datalayer import cache
from datalayer.cache import Cache

LOAD_SECONDS = 0.3


def main(url: str, count: int) -> None:
    """Say that everybody is ready, wait for the word, read, and fail if anybody got something else."""
    # A machine so busy that a quarter of a second is nothing is not what is looked at here.
    cache.TIMEOUT_SECONDS = 5
    board = redis.Redis.from_url(url)
    cached = Cache(cache.connect(url))
    barrier = threading.Barrier(count)

    def load() -> tuple[str, list[int]]:
        board.incr("loads")
        time.sleep(LOAD_SECONDS)
        return "1", [1, 2, 3]

    def read(_: int) -> list[int]:
        barrier.wait()
        return cached.get("numbers", "cold", list[int], version="1", seconds=60, load=load).value

    board.incr("ready")
    while board.get("go") is None:
        time.sleep(0.005)
    with ThreadPoolExecutor(count) as readers:
        assert list(readers.map(read, range(count))) == [[1, 2, 3]] * count


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
