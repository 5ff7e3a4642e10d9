"""The cache: one load for many readers, new versions at once, and no error when the server goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from database.connections import connect
from datalayer import cache, embedded_redis
from datalayer.cache import Answer, Cache, CacheMetrics
from datalayer.cached import CachedReads
from datalayer.errors import NotFoundError
from tests.datalayer.world import World

ROOT = Path(__file__).parents[2]


@contextmanager
def running(state_dir: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    plan = embedded_redis.plan(state_dir)
    if isinstance(plan, embedded_redis.NotServed):
        pytest.skip(plan.reason)
    process = subprocess.Popen(plan.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not embedded_redis.is_answering(plan):
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        yield plan.url, process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    with running(tmp_path) as (url, _):
        yield url


class Source:
    """Something slow to load that counts how often it was."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.loads = 0
        self.version = "1"
        self.error: Exception | None = None
        self._seconds = seconds
        self._mutex = threading.Lock()

    def __call__(self) -> tuple[str, list[int]]:
        with self._mutex:
            self.loads += 1
        time.sleep(self._seconds)
        if self.error is not None:
            raise self.error
        return self.version, [1, 2, 3]

    def read(self, cached: Cache, key: str = "key") -> Answer[list[int]]:
        return cached.get("numbers", key, list[int], version=self.version, seconds=60, load=self)


def test_a_second_read_loads_nothing(redis_url: str) -> None:
    source, cached = Source(), Cache(cache.connect(redis_url))

    assert source.read(cached) == source.read(cached) == Answer([1, 2, 3], "1")
    assert source.loads == 1


def test_a_new_version_is_loaded_at_once(redis_url: str) -> None:
    source, cached = Source(), Cache(cache.connect(redis_url))
    source.read(cached)
    source.version = "2"

    assert source.read(cached).version == "2"
    assert source.loads == 2


def test_five_hundred_readers_in_four_processes_cause_one_load_of_a_cold_key(redis_url: str) -> None:
    board = redis.Redis.from_url(redis_url)
    command = [sys.executable, "-m", "tests.datalayer.cold_readers", redis_url, "125"]
    processes = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(4)]
    try:
        deadline = time.monotonic() + 60
        while int(board.get("ready") or 0) < 4:  # type: ignore[arg-type]
            assert time.monotonic() < deadline, "the readers did not start"
            time.sleep(0.01)
        board.set("go", 1)
        outcomes = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    finally:
        for process in processes:
            process.kill()
    loads = board.get("loads")
    board.close()

    assert [code for _, code in outcomes] == [0, 0, 0, 0], outcomes
    assert loads == b"1"


def test_without_a_server_every_thread_still_shares_one_load() -> None:
    source, cached = Source(seconds=0.3), Cache(None)

    with ThreadPoolExecutor(50) as readers:
        answers = list(readers.map(lambda _: source.read(cached), range(50)))

    assert all(answer.value == [1, 2, 3] for answer in answers)
    assert source.loads < 10


def test_a_server_that_is_killed_under_load_reaches_no_reader(tmp_path: Path) -> None:
    source = Source()
    with running(tmp_path) as (url, process):
        cached = Cache(cache.connect(url))
        ends = threading.Event()

        def read_on(reader: int) -> int:
            count = 0
            while not ends.is_set() or count == 0:
                assert source.read(cached, f"key {reader} {count % 3}").value == [1, 2, 3]
                count += 1
            return count

        with ThreadPoolExecutor(16) as readers:
            reading = [readers.submit(read_on, reader) for reader in range(16)]
            deadline = time.monotonic() + 10
            while source.loads < 48 and time.monotonic() < deadline:
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            before = source.loads
            while source.loads < before + 50 and time.monotonic() < deadline:
                time.sleep(0.01)
            ends.set()
            assert sum(future.result() for future in reading) > 100


def test_a_server_that_hangs_costs_one_time_out_not_one_for_each_reader(tmp_path: Path) -> None:
    with running(tmp_path) as (url, process):
        source, cached = Source(), Cache(cache.connect(url))
        source.read(cached)
        os.kill(process.pid, signal.SIGSTOP)
        begin = time.monotonic()
        for number in range(100):
            source.read(cached, f"key {number}")
        os.kill(process.pid, signal.SIGCONT)

    assert time.monotonic() - begin < cache.REST_SECONDS + 20 * cache.TIMEOUT_SECONDS


def test_an_older_copy_is_shown_when_loading_fails_and_says_so(redis_url: str) -> None:
    source, cached = Source(), Cache(cache.connect(redis_url))
    source.read(cached)
    source.version, source.error = "2", psycopg.OperationalError("away")

    assert source.read(cached) == Answer([1, 2, 3], "1", is_stale=True)


def test_an_error_without_an_older_copy_is_an_error(redis_url: str) -> None:
    source, cached = Source(), Cache(cache.connect(redis_url))
    source.error = psycopg.OperationalError("away")

    with pytest.raises(psycopg.OperationalError):
        source.read(cached)
    source.error = None
    assert source.read(cached).value == [1, 2, 3]


def test_what_does_not_exist_is_remembered(redis_url: str) -> None:
    cached = Cache(cache.connect(redis_url))
    loads = []

    def load() -> tuple[str, list[int]]:
        loads.append(1)
        raise NotFoundError("no such thing")

    for _ in range(3):
        with pytest.raises(NotFoundError, match="no such thing"):
            cached.get("numbers", "missing", list[int], version="", seconds=60, load=load)
    assert len(loads) == 1


def test_what_is_stored_damaged_counts_as_not_stored(redis_url: str) -> None:
    source, server = Source(), cache.connect(redis_url)
    server.set("tweets:key:v1", b"\xff\xffnonsense", px=10_000)

    assert source.read(Cache(server)).value == [1, 2, 3]


@given(draw=st.floats(0, 1))
def test_lifetimes_differ_by_a_tenth_at_most(draw: float) -> None:
    class Recorder:
        lifetimes: list[int] = []  # noqa: RUF012

        def get(self, _name: str) -> None:
            return None

        def set(self, name: str, _value: bytes, *, px: int, nx: bool = False) -> bool:
            if name.endswith(":v1"):
                self.lifetimes.append(px)
            return True

        def eval(self, *_: object) -> None: ...

        def pipeline(self, transaction: bool = True) -> Recorder:
            return self

        def execute(self) -> None: ...

        def close(self) -> None: ...

    server = Recorder()
    Source().read(Cache(server, draw=lambda: draw))

    assert 54_000 <= server.lifetimes[-1] <= 66_000


def test_reads_are_counted_by_how_they_were_answered(redis_url: str) -> None:
    registry = CollectorRegistry()
    cached = Cache(cache.connect(redis_url), metrics=CacheMetrics(registry))
    source = Source()
    source.read(cached)
    source.read(cached)

    def count(outcome: str) -> float | None:
        return registry.get_sample_value("datalayer_cache_reads_total", {"name": "numbers", "outcome": outcome})

    assert (count("load"), count("hit")) == (1, 1)


def reads_of(database_url: str, url: str | None, clock) -> CachedReads:
    return CachedReads(
        lambda: connect(database_url, application_name="tests", autocommit=True),
        Cache(None if url is None else cache.connect(url)),
        clock=clock,
    )


@pytest.mark.parametrize("is_on", [True, False])
def test_after_a_build_the_next_read_is_new(world: World, database_url: str, tmp_path: Path, is_on: bool) -> None:
    with running(tmp_path) as (url, _):
        zone = world.zone("news")
        world.tweet(zone)
        world.build_marts()
        world.connection.commit()
        seconds = [0.0]
        reads = reads_of(database_url, url if is_on else None, lambda: seconds[0])
        assert [point.total_tweets for point in reads.get_volume_chart(zone, hours=1).value] == [1]

        world.tweet(zone, ago=timedelta(minutes=1))
        world.build_marts(world.now + timedelta(minutes=5))
        world.connection.commit()
        seconds[0] += 1.0

        assert [point.total_tweets for point in reads.get_volume_chart(zone, hours=1).value] == [2]


def test_every_cached_read_comes_back_from_the_cache_as_it_went_in(
    world: World, database_url: str, redis_url: str
) -> None:
    zone = world.zone("news")
    for number in range(5):
        world.tweet(zone, ago=timedelta(hours=number), tags=("a", "b"), links=("https://x.example",), likes=number)
    world.build_marts()
    world.connection.commit()
    reads = reads_of(database_url, redis_url, time.monotonic)

    for read in (
        reads.get_zones,
        lambda: reads.get_zone("news"),
        lambda: reads.get_volume_chart(zone),
        lambda: reads.get_daily_volume_chart(zone, days=3, timezone="Asia/Kolkata"),
        lambda: reads.get_zone_summary(zone),
        lambda: reads.get_top_users(zone),
        lambda: reads.get_top_users_of_window(zone, hours=6),
        lambda: reads.get_trending_hashtags(zone),
        lambda: reads.get_trending_hashtags(zone, window="7d", order_by="lift"),
        lambda: reads.get_recent_tweets(zone),
        lambda: reads.get_top_engaged_tweets(zone),
    ):
        loaded = read()
        assert read() == loaded
        assert loaded.value


def test_everything_can_be_forgotten_and_searched(redis_url: str) -> None:
    """Erasure: also the copies that would be shown while loading fails."""
    source, cached = Source(), Cache(cache.connect(redis_url))
    source.read(cached)
    assert cache.search(redis_url, lambda body: b"nobody" in body) == (2, 0)
    assert cache.search(redis_url, bool) == (2, 2)
    assert cache.forget_all(redis_url) == 2
    assert cache.search(redis_url, bool) == (0, 0)
