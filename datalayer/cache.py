"""Cache-aside over any server that speaks Redis' protocol, and over nothing at all.

Belongs here: keys, versions, one question at a time for a cold key, what happens when the server is gone.
Does not belong here: which reads are cached and for how long (``cached``), starting a server.

- A key ends in the version of the data it was read from: new data is found under a new key, nothing has to be deleted.
  The version is read before the data: an entry may be newer than its key says, never older (T37).
- One reader loads a cold key, in one process (a future) and among processes (a lock with a time limit); others wait.
- A second copy without a version outlives the first: when loading fails, it is the answer, marked as stale.
- What does not exist is remembered too, for a few seconds.
- Any failure of the server is a miss; after one the server is left alone for a moment, so that no reader waits for it.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import redis
from prometheus_client import CollectorRegistry, Counter

from datalayer.errors import NotFoundError

Value = TypeVar("Value")

JITTER = 0.1
"""Lifetimes differ by up to a tenth, so that keys written together do not expire together."""

NEGATIVE_SECONDS = 10
"""How long "there is no such thing" is remembered."""

STALE_SECONDS = 3_600
"""How long a copy is kept to be shown when loading fails."""

LOCK_SECONDS = 10
"""Longer than the slowest load that is worth waiting for; a reader that dies holds a key back no longer than this."""

_POLL_SECONDS = (0.002, 0.05)
"""Waiters look again after 2 ms, then more and more rarely, at most every 50 ms."""

REST_SECONDS = 1.0
"""After a failure the server is left alone this long."""

TIMEOUT_SECONDS = 0.25
"""A cache that takes longer to answer than the database is none."""

CONNECTIONS = 16
CONNECTION_WAIT_SECONDS = 2.0
"""A crowd of threads takes turns; a pool that refused the seventeenth would look like a server that is gone."""

_RELEASE = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
"""


@dataclass(frozen=True, slots=True)
class Answer(Generic[Value]):
    """A value and the version of the data it was read from. ``is_stale``: loading failed, this is an older copy."""

    value: Value
    version: str
    is_stale: bool = False


class _Entry(msgspec.Struct, array_like=True):
    """What is stored. ``missing`` holds the message of a NotFoundError instead of a value."""

    version: str
    value: msgspec.Raw = msgspec.Raw(b"\xc0")
    missing: str | None = None


class Server(Protocol):
    """The five commands that are used."""

    def get(self, name: str) -> Any: ...  # noqa: D102
    def set(self, name: str, value: bytes | str, *, px: int, nx: bool = False) -> Any: ...  # noqa: D102
    def eval(self, script: str, numkeys: int, *keys_and_args: str) -> Any: ...  # noqa: D102
    def pipeline(self, transaction: bool = True) -> Any: ...  # noqa: D102, FBT001
    def close(self) -> None: ...  # noqa: D102


def connect(url: str) -> Server:
    """Return a client of the server at ``url``; nothing is sent yet."""
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=CONNECTION_WAIT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
    )
    client: Server = redis.Redis.from_pool(pool)
    return client


class CacheMetrics:
    """How reads were answered: hit, load, waited, stale, error (of the server) or off."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.reads = Counter(
            "datalayer_cache_reads_total", "Reads by list and by how they were answered", ["name", "outcome"],
            registry=registry or CollectorRegistry(),
        )  # fmt: skip

    def count(self, name: str, outcome: str) -> None:
        """Count one read."""
        self.reads.labels(name, outcome).inc()


class Cache:
    """Threads may share it. ``server`` None means that there is no cache; everything else is the same."""

    def __init__(
        self,
        server: Server | None,
        *,
        prefix: str = "tweets",
        metrics: CacheMetrics | None = None,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._server = server
        self._prefix = prefix
        self._metrics = metrics or CacheMetrics()
        self._clock = clock
        self._draw = draw
        self._resting_until = 0.0
        self._loading: dict[str, Future[Any]] = {}
        self._mutex = threading.Lock()

    def get(
        self, name: str, key: str, kind: Any, *, version: str, seconds: float, load: Callable[[], tuple[str, Value]]
    ) -> Answer[Value]:
        """Return the value of ``key`` at ``version``, calling ``load`` where nobody has.

        ``load`` returns the version that it read and the value, from one snapshot. ``name`` says to the metrics which
        list it is, ``kind`` is the type that the value is decoded to. Raises what ``load`` raises, unless an older copy
        can be shown; ``NotFoundError`` is an answer, not a failure.
        """
        full_key = f"{self._prefix}:{key}:v{version}"
        entry = self._read(full_key)
        if entry is not None:
            self._metrics.count(name, "hit")
            return _answer(entry, kind)
        future, is_mine = self._join(full_key)
        if not is_mine:
            self._metrics.count(name, "waited")
            answer: Answer[Value] = future.result()
            return answer
        try:
            answer = self._load_once(name, key, full_key, kind, seconds, load)
        except BaseException as error:
            self._leave(full_key)
            future.set_exception(error)
            # Nobody may have waited, and an exception that is never looked at is nobody's fault.
            future.exception()
            raise
        self._leave(full_key)
        future.set_result(answer)
        return answer

    def close(self) -> None:
        """Let go of the connections."""
        if self._server is not None:
            self._server.close()

    def _join(self, key: str) -> tuple[Future[Any], bool]:
        with self._mutex:
            present = self._loading.get(key)
            if present is not None:
                return present, False
            mine: Future[Any] = Future()
            self._loading[key] = mine
            return mine, True

    def _leave(self, key: str) -> None:
        with self._mutex:
            del self._loading[key]

    def _load_once(
        self, name: str, key: str, full_key: str, kind: Any, seconds: float, load: Callable[[], tuple[str, Value]]
    ) -> Answer[Value]:
        """Load unless another process is about to; then wait for its answer, as long as its lock lasts."""
        token = secrets.token_hex(8)
        if not self._lock(full_key, token):
            entry = self._wait(full_key)
            if entry is not None:
                self._metrics.count(name, "waited")
                return _answer(entry, kind)
        try:
            # Whoever held the lock a moment ago may have filled the key since it was looked up.
            entry = self._read(full_key)
            if entry is not None:
                self._metrics.count(name, "waited")
                return _answer(entry, kind)
            return self._load(name, key, kind, seconds, load)
        finally:
            self._unlock(full_key, token)

    def _load(
        self, name: str, key: str, kind: Any, seconds: float, load: Callable[[], tuple[str, Value]]
    ) -> Answer[Value]:
        try:
            version, value = load()
        except NotFoundError as error:
            self._write(key, _Entry("", missing=str(error)), NEGATIVE_SECONDS, is_kept=False)
            raise
        except Exception:
            entry = self._read(f"{self._prefix}:{key}:latest")
            if entry is None:
                raise
            self._metrics.count(name, "stale")
            stale: Answer[Value] = _answer(entry, kind)
            return Answer(stale.value, stale.version, is_stale=True)
        self._metrics.count(name, "off" if self._server is None else "load")
        self._write(key, _Entry(version, msgspec.Raw(msgspec.msgpack.encode(value))), seconds, is_kept=True)
        return Answer(value, version)

    def _write(self, key: str, entry: _Entry, seconds: float, *, is_kept: bool) -> None:
        body = msgspec.msgpack.encode(entry)
        lifetime = int(seconds * 1000 * (1 + JITTER * (2 * self._draw() - 1)))

        def write(server: Server) -> None:
            pipeline = server.pipeline(transaction=False)
            pipeline.set(f"{self._prefix}:{key}:v{entry.version}", body, px=lifetime)
            if is_kept:
                pipeline.set(f"{self._prefix}:{key}:latest", body, px=STALE_SECONDS * 1000)
            pipeline.execute()

        self._ask(write)

    def _read(self, key: str) -> _Entry | None:
        body = self._ask(lambda server: server.get(key))
        if body is None:
            return None
        try:
            return msgspec.msgpack.decode(body, type=_Entry)
        except msgspec.MsgspecError:
            return None

    def _lock(self, key: str, token: str) -> bool:
        """Tell whether this process may load: it has the lock, or there is no server to keep one."""
        if not self._is_available():
            return True
        has_it = self._ask(lambda server: server.set(f"{key}:lock", token, px=LOCK_SECONDS * 1000, nx=True) or False)
        return has_it is not False

    def _unlock(self, key: str, token: str) -> None:
        self._ask(lambda server: server.eval(_RELEASE, 1, f"{key}:lock", token))

    def _wait(self, key: str) -> _Entry | None:
        until = self._clock() + LOCK_SECONDS
        pause, longest = _POLL_SECONDS
        while self._clock() < until and self._is_available():
            entry = self._read(key)
            if entry is not None:
                return entry
            if self._ask(lambda server: server.get(f"{key}:lock")) is None:
                return self._read(key)
            time.sleep(pause)
            pause = min(pause * 2, longest)
        return None

    def _is_available(self) -> bool:
        return self._server is not None and self._clock() >= self._resting_until

    def _ask(self, question: Callable[[Server], Any]) -> Any:
        """Return the server's answer, None where there is no server or it fails."""
        if self._server is None or not self._is_available():
            return None
        try:
            return question(self._server)
        except (redis.RedisError, OSError):
            self._resting_until = self._clock() + REST_SECONDS
            self._metrics.count("", "error")
            return None


def _answer(entry: _Entry, kind: Any) -> Answer[Any]:
    if entry.missing is not None:
        raise NotFoundError(entry.missing)
    return Answer(msgspec.msgpack.decode(entry.value, type=kind), entry.version)


def forget_all(url: str, *, prefix: str = "tweets") -> int:
    """Delete every copy, also those that are kept for when loading fails; return how many. Raises what redis does."""
    client = redis.Redis.from_url(url)
    try:
        return sum(client.delete(key) for key in client.scan_iter(match=f"{prefix}:*", count=1_000))
    finally:
        client.close()


def search(url: str, is_sought: Callable[[bytes], bool], *, prefix: str = "tweets") -> tuple[int, int]:
    """Return how many copies there are, and how many of them hold what ``is_sought`` says yes to."""
    client = redis.Redis.from_url(url)
    try:
        bodies = [client.get(key) or b"" for key in client.scan_iter(match=f"{prefix}:*", count=1_000)]
    finally:
        client.close()
    return len(bodies), sum(is_sought(body) for body in bodies if isinstance(body, bytes))
