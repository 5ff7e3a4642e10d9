"""What a rule delivers, and when: batches, redeliveries, duplicates, late ones, and the burst on activation.

A feed is told the time and hands out deliveries; it reads no clock and sends nothing.

*Belongs here*: the provider's habits of delivery, good and bad.
*Does not belong here*: HTTP, retries, rendering.
"""

import heapq
from collections.abc import Iterator
from typing import Literal

import msgspec

from ingest.standin.chance import mix, share
from ingest.standin.rules import Rule
from ingest.standin.world import Tweet, World

DeliveryKind = Literal["fresh", "late", "duplicate"]


class Habits(msgspec.Struct, frozen=True):
    """How deliveries misbehave. Shares are of tweets (late) and of deliveries (duplicate); times in milliseconds.

    *backlog_ms* is how far back the first check after activation reaches; the real provider reaches up to two hours.
    """

    batch_size: int = 20
    late_share: float = 0.01
    late_least_ms: int = 2 * 60_000
    late_most_ms: int = 3 * 3_600_000
    duplicate_share: float = 0.01
    redelivers_newest: bool = True
    backlog_ms: int = 20 * 60_000


class Delivery(msgspec.Struct, frozen=True):
    """One webhook delivery: what the provider sends for one rule at one time."""

    rule: Rule
    kind: DeliveryKind
    sent_at_ms: int
    tweets: tuple[Tweet, ...]


class Feed:
    """The deliveries of one rule from *since_ms* on."""

    def __init__(self, world: World, rule: Rule, since_ms: int, habits: Habits | None = None) -> None:
        self.world = world
        self.rule = rule
        self.habits = habits or Habits()
        self._checked_until_ms = since_ms
        self._newest: Tweet | None = None
        self._late: list[tuple[int, int]] = []
        self._interval_ms = max(1, int(rule.interval_seconds * 1000))

    @property
    def next_check_ms(self) -> int:
        """Return when the rule is to be checked next."""
        return self._checked_until_ms + self._interval_ms

    def skip_to(self, at_ms: int) -> None:
        """Pass over everything up to a time without delivering it, as the provider does when it is down."""
        self._checked_until_ms = max(self._checked_until_ms, at_ms)

    def check(self, at_ms: int) -> Iterator[Delivery]:
        """Yield what the provider sends when it checks the rule at *at_ms*, which must not go backwards.

        New tweets come oldest first, behind the newest of the last check, which is delivered again every time.
        """
        since_ms = max(self._checked_until_ms, at_ms - max(self.habits.backlog_ms, self._interval_ms))
        self._checked_until_ms = max(self._checked_until_ms, at_ms)
        batch: list[Tweet] = []
        if self.habits.redelivers_newest and self._newest and self.world.is_visible(self._newest, at_ms):
            batch.append(self._newest)
        for tweet in self._matches(since_ms, at_ms):
            batch.append(tweet)
            self._newest = tweet
            if len(batch) >= self.habits.batch_size:
                yield from self._sent("fresh", at_ms, batch)
                batch = []
        if batch:
            yield from self._sent("fresh", at_ms, batch)
        yield from self._overdue(at_ms, at_ms)

    def flush(self, at_ms: int) -> Iterator[Delivery]:
        """Yield every late tweet still held back, as sent at *at_ms*."""
        yield from self._overdue(at_ms, 1 << 62)

    def _matches(self, since_ms: int, at_ms: int) -> Iterator[Tweet]:
        matches = self.rule.matches
        world = self.world
        for tweet in world.between(since_ms, at_ms):
            if not matches(tweet.searchable) or not world.is_visible(tweet, at_ms):
                continue
            if self._is_late(tweet):
                heapq.heappush(self._late, (at_ms + self._delay_ms(tweet), tweet.id))
            else:
                yield tweet

    def _is_late(self, tweet: Tweet) -> bool:
        return share(self.world.seed, 40, tweet.id) < self.habits.late_share

    def _delay_ms(self, tweet: Tweet) -> int:
        habits = self.habits
        return int(
            habits.late_least_ms
            + share(self.world.seed, 41, tweet.id) ** 3 * (habits.late_most_ms - habits.late_least_ms)
        )

    def _overdue(self, at_ms: int, due_ms: int) -> Iterator[Delivery]:
        batch: list[Tweet] = []
        while self._late and self._late[0][0] <= due_ms:
            tweet = self.world.tweet(heapq.heappop(self._late)[1])
            if tweet is not None and self.world.is_visible(tweet, at_ms):
                batch.append(tweet)
            if len(batch) >= self.habits.batch_size:
                yield from self._sent("late", at_ms, batch)
                batch = []
        if batch:
            yield from self._sent("late", at_ms, batch)

    def _sent(self, kind: DeliveryKind, at_ms: int, batch: list[Tweet]) -> Iterator[Delivery]:
        delivery = Delivery(self.rule, kind, at_ms, tuple(batch))
        yield delivery
        if mix(self.world.seed, 42, batch[-1].id, at_ms) / (1 << 64) < self.habits.duplicate_share:
            yield msgspec.structs.replace(delivery, kind="duplicate")
