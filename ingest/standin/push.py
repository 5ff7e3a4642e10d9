"""Posting deliveries to a webhook: the key header, retries with back-off, and counting what became of each.

*Belongs here*: one POST and its retries, the ping, the counters.
*Does not belong here*: what is delivered and when.
"""

import asyncio
from enum import StrEnum

import httpx
import msgspec

PING = b'{"event_type":"test_webhook_url"}'
TOO_MANY_REQUESTS = 429
FIRST_SERVER_ERROR = 500
FIRST_REDIRECT = 300


class WebhookError(RuntimeError):
    """The webhook cannot be used; the message says what was tried, what came back and what to do."""


class Outcome(StrEnum):
    """What became of one delivery."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    GIVEN_UP = "given_up"


class Webhook(msgspec.Struct, frozen=True):
    """Where deliveries go and how hard they are tried.

    The real provider's retry policy is not documented: *retries* 0 is the most careful reading of it.
    """

    url: str
    key: str
    retries: int = 5
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0
    timeout_seconds: float = 30.0

    def headers(self) -> dict[str, str]:
        """Return the headers of a delivery: the key and nothing else that could prove its origin."""
        return {"X-API-Key": self.key, "Content-Type": "application/json"}


class PushCounters(msgspec.Struct):
    """Counts of deliveries and of the tweets in them since the start."""

    posts: int = 0
    retries: int = 0
    dropped: int = 0
    acknowledged: int = 0
    refused: int = 0
    given_up: int = 0
    tweets_sent: int = 0
    tweets_acknowledged: int = 0
    last_fault: str = ""

    def count(self, outcome: Outcome, tweets: int) -> None:
        """Add one delivery of *tweets* tweets."""
        self.tweets_sent += tweets
        setattr(self, outcome.value, getattr(self, outcome.value) + 1)
        if outcome is Outcome.ACKNOWLEDGED:
            self.tweets_acknowledged += tweets


def client(webhook: Webhook, connections: int) -> httpx.AsyncClient:
    """Return an HTTP client for a webhook; the caller closes it."""
    return httpx.AsyncClient(
        headers=webhook.headers(),
        timeout=webhook.timeout_seconds,
        trust_env=False,
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
    )


async def post(http: httpx.AsyncClient, webhook: Webhook, body: bytes, counters: PushCounters) -> Outcome:
    """Post one body until it is acknowledged, refused for good, or tried often enough."""
    wait = webhook.first_wait_seconds
    for attempt in range(webhook.retries + 1):
        if attempt:
            counters.retries += 1
            await asyncio.sleep(wait)
            wait = min(2 * wait, webhook.longest_wait_seconds)
        counters.posts += 1
        try:
            response = await http.post(webhook.url, content=body)
        except httpx.TransportError as fault:
            counters.last_fault = f"{type(fault).__name__} while posting to {webhook.url}: {fault}"
            continue
        if response.status_code < FIRST_REDIRECT:
            return Outcome.ACKNOWLEDGED
        counters.last_fault = f"HTTP {response.status_code} from {webhook.url}"
        if response.status_code < FIRST_SERVER_ERROR and response.status_code != TOO_MANY_REQUESTS:
            return Outcome.REFUSED
    return Outcome.GIVEN_UP


async def ping(http: httpx.AsyncClient, webhook: Webhook, counters: PushCounters) -> None:
    """Send the provider's test message, or raise WebhookError where it is not taken."""
    outcome = await post(http, webhook, PING, counters)
    if outcome is Outcome.REFUSED:
        raise WebhookError(
            f"The webhook refused the test message: {counters.last_fault}. Check the key and the address."
        )
    if outcome is Outcome.GIVEN_UP:
        raise WebhookError(f"The webhook did not answer: {counters.last_fault}. Is the ingest service running?")
