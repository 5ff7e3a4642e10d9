"""The load, and the sender's own book: what was acknowledged, and what each delivery says.

The deliveries are those of the stand-in's synthetic day: late, repeated, matched by two rules. Between them come whole
bodies a second time, the same tweets with later counters, notices of deletion, bodies that are cut off, and rules that
nobody knows.

Belongs here: making deliveries, posting each until it is acknowledged, reading them in the plainest way.
Does not belong here: anything imported from normalising: two programs that share a function share its faults.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

import httpx

from ingest.standin.stream import Envelope, SyntheticDay

Counts = tuple[int | None, ...]
Kind = Literal["tweets", "notice", "dead"]

COUNTS = ("retweetCount", "replyCount", "likeCount", "quoteCount", "viewCount", "bookmarkCount")

SENDERS = 8
"""Posts at once: enough that kills meet some under way."""

LONGEST_WAIT_SECONDS = 1.0
"""Between two tries of a post. A real sender is more patient; here the service is to be under load again at once."""

ANSWER_SECONDS = 15.0
"""The service answers within its commit time-out of 5 s, or never."""

_AGAIN, _GROWN, _NOTICE, _CUT_OFF, _UNKNOWN = 0.04, 0.08, 0.10, 0.11, 0.12
"""Cumulated shares of what follows a delivery besides the next one."""

_GROWTH_MS = 6 * 3_600_000


@dataclass(frozen=True)
class Facts:
    """What a delivery says: the tweets in it, those that its rule matched, and the counters that were observed.

    ``embedded`` holds, by tweet, itself and the originals that it repeats.
    """

    kind: Kind
    tag: str = ""
    tweets: frozenset[int] = frozenset()
    matched: frozenset[int] = frozenset()
    observations: Mapping[tuple[int, int], Counts] = field(default_factory=dict)
    embedded: Mapping[int, frozenset[int]] = field(default_factory=dict)
    deleted: int | None = None


@dataclass(frozen=True)
class Post:
    """A delivery on its way."""

    path: str
    body: bytes
    facts: Facts


class Book:
    """What was acknowledged, by the id that the service gave it. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._acknowledged: list[tuple[int, Facts]] = []

    def add(self, delivery_id: int, facts: Facts) -> None:
        """Note that a delivery was acknowledged."""
        with self._lock:
            self._acknowledged.append((delivery_id, facts))

    def pages(self) -> list[tuple[int, Facts]]:
        """Return all that was acknowledged until now."""
        with self._lock:
            return list(self._acknowledged)


def read(body: bytes, tag: str) -> Facts:
    """Return what an envelope of twitterapi.io says."""
    envelope = json.loads(body)
    observed_ms = int(envelope["timestamp"])
    tweets: set[int] = set()
    observations: dict[tuple[int, int], Counts] = {}
    embedded: dict[int, frozenset[int]] = {}
    for matched in envelope["tweets"]:
        for tweet in _with_originals(matched):
            tweets.add(int(tweet["id"]))
            embedded[int(tweet["id"])] = frozenset(int(each["id"]) for each in _with_originals(tweet))
            counts = _counts(tweet)
            if any(count is not None for count in counts):
                observations[int(tweet["id"]), observed_ms] = counts
    matched_ids = frozenset(int(tweet["id"]) for tweet in envelope["tweets"])
    return Facts("tweets", tag, frozenset(tweets), matched_ids, observations, embedded)


def _with_originals(tweet: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield tweet
    for name in ("retweeted_tweet", "quoted_tweet"):
        if tweet.get(name):
            yield from _with_originals(tweet[name])


def _counts(tweet: Mapping[str, Any]) -> Counts:
    """Return the counters of a tweet; a retweet's are copies of the original's and count for nothing."""
    if tweet.get("retweeted_tweet"):
        return (None,) * len(COUNTS)
    return tuple(tweet.get(name) if isinstance(tweet.get(name), int) else None for name in COUNTS)


def posts(day: SyntheticDay, chance: Random) -> Iterator[Post]:
    """Yield the deliveries of a day with everything that goes wrong at a sender's."""
    recent: deque[Envelope] = deque(maxlen=200)
    for envelope in day:
        yield _post(envelope.body, envelope.rule.tag)
        recent.append(envelope)
        yield from _besides(day, chance, chance.choice(recent))


def _post(body: bytes, tag: str) -> Post:
    return Post("/webhooks/twitterapi_io", body, read(body, tag))


def _besides(day: SyntheticDay, chance: Random, earlier: Envelope) -> Iterator[Post]:
    dice = chance.random()
    rule = earlier.rule
    if dice < _AGAIN:
        yield _post(earlier.body, rule.tag)
    elif dice < _GROWN:
        later_ms = earlier.timestamp_ms + chance.randrange(1, _GROWTH_MS)
        body = day.renderer.envelope(rule.rule_id, rule.tag, rule.value, earlier.tweets, later_ms)
        yield _post(body, rule.tag)
    elif dice < _NOTICE:
        yield _notice(earlier.tweets[0].id, rule.tag, earlier.timestamp_ms)
    elif dice < _CUT_OFF:
        yield Post("/webhooks/twitterapi_io", earlier.body[: chance.randrange(1, len(earlier.body))], Facts("dead"))
    elif dice < _UNKNOWN:
        body = day.renderer.envelope("nobody-knows", "nobody-knows", rule.value, earlier.tweets, earlier.timestamp_ms)
        yield Post("/webhooks/twitterapi_io", body, Facts("dead"))


def _notice(tweet_id: int, tag: str, at_ms: int) -> Post:
    status = {"id": tweet_id, "id_str": str(tweet_id), "user_id": 1, "user_id_str": "1"}
    notice = {"delete": {"status": status, "timestamp_ms": str(at_ms)}}
    return Post(f"/webhooks/v1_1?zone={tag}", json.dumps(notice).encode() + b"\n", Facts("notice", deleted=tweet_id))


class Load(threading.Thread):
    """Posts deliveries at a rate, several at once, each until it is acknowledged."""

    def __init__(self, url: str, key: str, source: Iterator[Post], *, tweets_per_second: float) -> None:
        super().__init__(name="load", daemon=True)
        self.book = Book()
        self.answers: Counter[str] = Counter()
        self.refusals: list[str] = []
        self._url = url
        self._key = key
        self._source = source
        self._rate = tweets_per_second
        self._is_enough = threading.Event()
        self._is_over = threading.Event()

    def run(self) -> None:
        """Post until it is enough and all that was begun is acknowledged."""
        asyncio.run(self._post_all())

    def finish(self, seconds: float) -> bool:
        """Begin nothing new; return whether everything was acknowledged within ``seconds``."""
        self._is_enough.set()
        self.join(seconds)
        if not self.is_alive():
            return True
        self._is_over.set()
        self.join(ANSWER_SECONDS + LONGEST_WAIT_SECONDS)
        return False

    async def _post_all(self) -> None:
        waiting: asyncio.Queue[Post | None] = asyncio.Queue(maxsize=SENDERS)
        headers = {"X-API-Key": self._key}
        async with (
            httpx.AsyncClient(base_url=self._url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(SENDERS):
                group.create_task(self._work(client, waiting))
            began, sent = time.monotonic(), 0
            while not self._is_enough.is_set() and (post := next(self._source, None)) is not None:
                await waiting.put(post)
                sent += len(post.facts.matched)
                await asyncio.sleep(max(0.0, sent / self._rate - (time.monotonic() - began)))
            for _ in range(SENDERS):
                await waiting.put(None)

    async def _work(self, client: httpx.AsyncClient, waiting: asyncio.Queue[Post | None]) -> None:
        while (post := await waiting.get()) is not None:
            wait = 0.05
            while not await self._is_settled(client, post) and not self._is_over.is_set():
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    async def _is_settled(self, client: httpx.AsyncClient, post: Post) -> bool:
        try:
            response = await client.post(post.path, content=post.body)
        except httpx.TransportError as fault:
            self.answers[type(fault).__name__] += 1
            return False
        self.answers[str(response.status_code)] += 1
        if response.is_success:
            self.book.add(int(response.json()["delivery_id"]), post.facts)
        elif response.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
            self.refusals.append(f"HTTP {response.status_code} for {post.path}: {response.text[:200]}")
        return response.is_success or response.status_code < httpx.codes.INTERNAL_SERVER_ERROR
