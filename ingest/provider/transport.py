"""Calls to a provider over HTTP: at a bounded rate, repeated only where that cannot be billed twice.

Belongs here: time-outs, pacing, retries, what a status code means, rate limits that the provider announces.
Does not belong here: the shape of any answer.

A look-up is billed when it is answered. It is therefore repeated only where it cannot have been: the connection was
never made, or the provider said 429 or 503. After any other failure it is unknown whether it was billed, and the
caller decides.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from ingest.provider.protocol import ProviderFailed

TIMEOUT_SECONDS = 30.0
"""What the vendor's own client waits."""

ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""A provider that asks for more patience is left alone: the next run comes soon enough."""

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_NOT_SERVED = frozenset({429, 503})
_EXPLAINED = {
    401: "the key is not accepted: check the key in the settings",
    402: "the account has no credits left: recharge it",
    403: "the key may not make this call: check the account's plan",
}


@dataclass
class Time:
    """The three ways of telling and passing time, so that a test can replace them."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Pace:
    """A token bucket of one second's calls, shared by threads, that also keeps the pauses a provider asks for."""

    calls_per_second: float
    time: Time
    _tokens: float = field(init=False)
    _counted_at: float = field(init=False)
    _blocked_until: float = field(init=False, default=0.0)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._tokens = max(1.0, self.calls_per_second)
        self._counted_at = self.time.monotonic()

    def wait_for_turn(self) -> None:
        """Return when a call may be made.."""
        while (pause := self._take()) > 0:
            self.time.sleep(pause)

    def block_for(self, seconds: float) -> None:
        """Let nobody call for so long."""
        with self._lock:
            self._blocked_until = max(self._blocked_until, self.time.monotonic() + seconds)

    def _take(self) -> float:
        """Take a token, or return how long to wait for one."""
        with self._lock:
            now = self.time.monotonic()
            if now < self._blocked_until:
                return self._blocked_until - now
            burst = max(1.0, self.calls_per_second)
            self._tokens = min(burst, self._tokens + (now - self._counted_at) * self.calls_per_second)
            self._counted_at = now
            if self._tokens < 1:
                return (1 - self._tokens) / self.calls_per_second
            self._tokens -= 1
            return 0.0


class Transport:
    """One provider's HTTP side. Safe to use from several threads."""

    def __init__(
        self,
        source: str,
        base_url: str,
        headers: Mapping[str, str],
        *,
        calls_per_second: float,
        timing: Time | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.source = source
        self.time = timing or Time()
        self.call_count = 0
        self._pace = Pace(calls_per_second, self.time)
        self._client = httpx.Client(
            base_url=base_url, headers=dict(headers), timeout=timeout_seconds, trust_env=False, follow_redirects=False
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""
        return int(self.time.wall() * 1000)

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        is_repeatable: bool = False,
    ) -> httpx.Response:
        """Make a call and return its 2xx answer. ``is_repeatable``: free, and harmless to make twice.

        Raises ``ProviderFailed``.
        """
        arguments: dict[str, Any] = {"params": params}
        if body is not None:
            arguments["json"] = body
        for attempt in range(1, ATTEMPTS + 1):
            self._pace.wait_for_turn()
            self.call_count += 1
            failure, pause = self._try(method, path, arguments, is_repeatable=is_repeatable)
            if isinstance(failure, httpx.Response):
                return failure
            if pause is None or attempt == ATTEMPTS:
                raise failure
            self.time.sleep(max(pause, self._pause_before(attempt + 1)))
        raise AssertionError("unreachable")

    def _try(
        self, method: str, path: str, arguments: dict[str, Any], *, is_repeatable: bool
    ) -> tuple[httpx.Response | ProviderFailed, float | None]:
        """Return the answer, or what went wrong and the least pause before another attempt (``None``: none)."""
        try:
            response = self._client.request(method, path, **arguments)
        except _NEVER_SENT as error:
            return self._failed(f"no connection ({_words(error)})", is_retryable=True, may_be_billed=False), 0.0
        except httpx.TransportError as error:
            failed = self._failed(f"no answer ({_words(error)})", is_retryable=True, may_be_billed=not is_repeatable)
            return failed, 0.0 if is_repeatable else None
        self._heed_limits(response)
        if response.is_success:
            return response, None
        return self._refused(response, is_repeatable=is_repeatable)

    def _refused(self, response: httpx.Response, *, is_repeatable: bool) -> tuple[ProviderFailed, float | None]:
        status = response.status_code
        asked_pause = _retry_after(response)
        is_retryable = status in _NOT_SERVED or status >= 500
        failed = self._failed(
            f"HTTP {status}, {_EXPLAINED.get(status) or _excerpt(response)}",
            is_retryable=is_retryable,
            may_be_billed=status >= 500 and status not in _NOT_SERVED and not is_repeatable,
            retry_after_seconds=asked_pause,
        )
        may_repeat = status in _NOT_SERVED or (is_repeatable and status >= 500)
        if not may_repeat or (asked_pause or 0.0) > LONGEST_PAUSE_SECONDS:
            return failed, None
        return failed, asked_pause or 0.0

    def _heed_limits(self, response: httpx.Response) -> None:
        """Pause everybody until the window of an exhausted rate limit ends, if the provider says when that is."""
        if response.headers.get("x-rate-limit-remaining") != "0":
            return
        reset = _number(response.headers.get("x-rate-limit-reset"))
        if reset is None:
            return
        pause = reset - self.time.wall()
        if 0 < pause <= LONGEST_PAUSE_SECONDS:
            self._pace.block_for(pause)

    def _pause_before(self, attempt: int) -> float:
        """Return 1, 2, 4 … seconds, each shortened by up to half at random so that callers do not march in step."""
        longest = min(FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 2), LONGEST_PAUSE_SECONDS)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 -- no secret

    def _failed(
        self, detail: str, *, is_retryable: bool, may_be_billed: bool, retry_after_seconds: float | None = None
    ) -> ProviderFailed:
        return ProviderFailed(
            self.source,
            detail,
            is_retryable=is_retryable,
            may_be_billed=may_be_billed,
            retry_after_seconds=retry_after_seconds,
        )


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of Retry-After. Its other form, a date, is not used by either provider."""
    return _number(response.headers.get("retry-after"))


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None


def _words(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _excerpt(response: httpx.Response) -> str:
    return f"which says {response.text[:200]!r}"
