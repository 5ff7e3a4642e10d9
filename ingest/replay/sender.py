"""One body to the webhook, until it is acknowledged.

Belongs here: what each answer means to a replay, retries, back-off.
Does not belong here: which bodies there are, what is remembered.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import msgspec

from ingest.replay.errors import ReplayStoppedError
from ingest.sources.signatures import sign

FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 10.0
LONGEST_ANSWER_CHARACTERS = 300
RETRIED = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS})
"""Refusals that the same body may outlast."""


WRONG_KEY = (
    "The key is wrong: give --key, or set TWITTERAPI_IO_WEBHOOK_KEYS or STANDARD_WEBHOOK_SECRETS to what the service "
    "runs with."
)


class TooLargeError(Exception):
    """The service takes no body of this size (413)."""


class Acknowledgement(msgspec.Struct):
    """The service's answer once the body is committed."""

    status: str
    delivery_id: str | int
    items: int

    def __post_init__(self) -> None:
        """Refuse an id that is none, as a part of decoding."""
        self.delivery_id = int(self.delivery_id)


@dataclass(slots=True)
class Sender:
    """Posts bodies to one address. Safe for any number of coroutines at once; counts the retries it took.

    With a secret it signs each body instead of showing the key, under one id however often it is tried: the service
    then tells a body that it has from one that it lacks.
    """

    client: httpx.AsyncClient
    url: str
    key: str
    patience_seconds: float = 120.0
    first_wait_seconds: float = FIRST_WAIT_SECONDS
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    signing_secret: bytes | None = None
    retries: int = field(default=0, init=False)

    async def post(self, content: bytes, content_type: str) -> Acknowledgement:
        """Post until acknowledged: again after lost connections, 5xx, 408 and 429, with growing, jittered pauses.

        Posting again what had arrived after all is harmless: tweets have ids. Raises ``TooLargeError`` on 413, and
        ``ReplayStoppedError`` on any other 4xx, or when the service stays away for ``patience_seconds`` of pauses.
        """
        waited, attempt = 0.0, 0
        message_id = b"msg_" + secrets.token_hex(16).encode()
        while True:
            trouble, asked_for = await self._attempt(
                content, {"Content-Type": content_type, **self._proof(message_id, content)}
            )
            if isinstance(trouble, Acknowledgement):
                return trouble
            if waited >= self.patience_seconds:
                raise ReplayStoppedError(
                    f"{self.url} did not take a body for {waited:.0f} s of waiting: {trouble}. "
                    "Is the service up? Run the same command again to go on from here."
                )
            self.retries += 1
            pause = min(max(self._backoff(attempt), asked_for), max(self.patience_seconds - waited, 0.01))
            waited += pause
            attempt += 1
            await self.sleep(pause)

    def _backoff(self, attempt: int) -> float:
        longest = min(LONGEST_WAIT_SECONDS, self.first_wait_seconds * 2 ** min(attempt, 20))
        return float(longest) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, keeps no secret.

    def _proof(self, message_id: bytes, content: bytes) -> dict[str, str]:
        """Return the headers that prove who sends; a signature holds the time, so that each attempt has its own."""
        if self.signing_secret is None:
            return {"X-API-Key": self.key}
        signed = sign(self.signing_secret, message_id, int(time.time()), content)
        return {name.decode(): value.decode() for name, value in signed.items()}

    async def _attempt(self, content: bytes, headers: dict[str, str]) -> tuple[Acknowledgement | str, float]:
        """Return the acknowledgement, or the reason to try again and the seconds the service asked for."""
        try:
            response = await self.client.post(self.url, content=content, headers=headers)
        except httpx.TransportError as error:
            return f"{type(error).__name__}: {error}", 0.0
        if response.is_success:
            return self._acknowledgement(response), 0.0
        if response.is_server_error or response.status_code in RETRIED:
            return f"HTTP {response.status_code} {_excerpt(response)}", _retry_after(response)
        raise self._refusal(response)

    def _acknowledgement(self, response: httpx.Response) -> Acknowledgement:
        try:
            return msgspec.json.decode(response.content, type=Acknowledgement)
        except msgspec.DecodeError as error:
            raise ReplayStoppedError(
                f"{self.url} answered {response.status_code} but not as this project's webhook does "
                f"({_excerpt(response)}). Is the address right?"
            ) from error

    def _refusal(self, response: httpx.Response) -> Exception:
        code = response.status_code
        if code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            return TooLargeError(_excerpt(response))
        advice = {
            401: WRONG_KEY,
            403: WRONG_KEY,
            404: "Check --url; the source may be switched off there for want of a key.",
        }.get(code, "This answer does not change by trying again.")
        return ReplayStoppedError(f"{self.url} answered {code} {_excerpt(response)}. {advice}")


def _excerpt(response: httpx.Response) -> str:
    return " ".join(response.text[:LONGEST_ANSWER_CHARACTERS].split())


def _retry_after(response: httpx.Response) -> float:
    """The seconds in ``Retry-After``; 0 without it. A date there is ignored: back-off does."""
    stated = str(response.headers.get("retry-after", ""))
    return float(stated) if stated.isascii() and stated.isdigit() else 0.0
