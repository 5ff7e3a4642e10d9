"""A bounded synthetic day: its deliveries as bytes with the truth beside them, and posting them to a webhook.

*Belongs here*: simulated time from a start to an end, as fast as the machine goes.
*Does not belong here*: real time, the HTTP API.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import msgspec

from ingest.standin.curves import HOUR_MS
from ingest.standin.feed import Delivery, DeliveryKind, Feed, Habits
from ingest.standin.push import PushCounters, Webhook, client, ping, post
from ingest.standin.render import Renderer
from ingest.standin.rules import Rule, default_rules
from ingest.standin.world import Config, Tweet, World

Progress = Callable[[int, int], None]
POSTS_AT_ONCE = 8
# Tweets of the world between two checks of a default rule; the busiest rule then delivers about twenty at a time.
TWEETS_A_CHECK = 40


class Envelope(msgspec.Struct, frozen=True):
    """One delivery as bytes, and what is in it: *tweets* in order, as shown at *timestamp_ms*."""

    body: bytes
    rule: Rule
    kind: DeliveryKind
    timestamp_ms: int
    tweets: tuple[Tweet, ...]


class Summary(msgspec.Struct, frozen=True):
    """What a streamed day amounted to.

    *tweets* counts tweets in deliveries, *distinct_tweets* and *distinct_matches* (tweet and rule) what is left of them
    without repetitions; embedded originals are not counted. *by_kind* counts deliveries.
    """

    deliveries: int
    acknowledged: int
    refused: int
    given_up: int
    retries: int
    tweets: int
    tweets_acknowledged: int
    distinct_tweets: int
    distinct_matches: int
    body_bytes: int
    by_kind: dict[str, int]
    seconds: float
    last_fault: str


class SyntheticDay:
    """The deliveries of a world between two times; iterating again gives the same bytes again.

    *world* and *rules* are the truth to recount from: ``world.counts(tweet.id, envelope.timestamp_ms)`` are the counts
    a delivered tweet was shown with. *count* is about how many tweets the world holds in these hours, exactly so for
    whole days; the default rules match most of them, some twice. The rising tag peaks at the end.

    Default rules are checked less often than they ask where little is written, so that deliveries hold several tweets.
    """

    def __init__(
        self,
        seed: int,
        start_ms: int,
        hours: float,
        count: int,
        *,
        habits: Habits | None = None,
        rules: tuple[Rule, ...] | None = None,
        authors: int = 30_000,
    ) -> None:
        self.start_ms = start_ms
        self.end_ms = start_ms + int(hours * HOUR_MS)
        config = Config(tweets_per_hour=count / hours, authors=authors, rising_peak_ms=self.end_ms)
        self.world = World(seed, config)
        self.rules = self._patient_rules(seed) if rules is None else rules
        self.habits = habits or Habits()
        self.renderer = Renderer(self.world)

    def _patient_rules(self, seed: int) -> tuple[Rule, ...]:
        least_seconds = 3600 * TWEETS_A_CHECK / self.world.config.tweets_per_hour
        rules = default_rules(seed, self.world.people, self.start_ms)
        return tuple(
            msgspec.structs.replace(rule, interval_seconds=max(rule.interval_seconds, least_seconds)) for rule in rules
        )

    def __iter__(self) -> Iterator[Envelope]:
        """Yield the deliveries in the order in which they are sent, late ones after what was written after them."""
        for delivery in self.deliveries():
            yield Envelope(
                self.renderer.envelope(
                    delivery.rule.rule_id, delivery.rule.tag, delivery.rule.value, delivery.tweets, delivery.sent_at_ms
                ),
                delivery.rule,
                delivery.kind,
                delivery.sent_at_ms,
                delivery.tweets,
            )

    def deliveries(self) -> Iterator[Delivery]:
        """Yield the deliveries without their bytes; none is sent after the end."""
        feeds = [Feed(self.world, rule, self.start_ms, self.habits) for rule in self.rules]
        while feeds:
            feed = min(feeds, key=lambda feed: feed.next_check_ms)
            if feed.next_check_ms >= self.end_ms:
                break
            yield from feed.check(feed.next_check_ms)
        for feed in feeds:
            yield from feed.check(self.end_ms)
            yield from feed.flush(self.end_ms)


def payloads(seed: int, start_ms: int, hours: float, count: int, *, habits: Habits | None = None) -> Iterator[Envelope]:
    """Yield the deliveries of about *count* tweets written within *hours* after *start_ms*; see SyntheticDay."""
    yield from SyntheticDay(seed, start_ms, hours, count, habits=habits)


def stream_day(
    webhook_url: str,
    key: str,
    *,
    seed: int,
    start_ms: int,
    hours: float = 24.0,
    tweets: int = 20_000,
    progress: Progress | None = None,
    habits: Habits | None = None,
    tweets_per_second: float | None = None,
) -> Summary:
    """Post a synthetic day to a webhook as fast as it accepts it, or at a rate, and say what became of it.

    *progress* is called with (tweets posted, tweets expected). Posts overlap, so they arrive slightly out of order.
    Raises WebhookError where the webhook does not take the test message.
    """
    day = SyntheticDay(seed, start_ms, hours, tweets, habits=habits)
    return post_all(
        Webhook(webhook_url, key), day, expected=tweets, progress=progress, tweets_per_second=tweets_per_second
    )


def post_all(
    webhook: Webhook,
    envelopes: Iterable[Envelope],
    *,
    expected: int = 0,
    progress: Progress | None = None,
    tweets_per_second: float | None = None,
) -> Summary:
    """Post envelopes to a webhook as fast as it accepts them, or at a rate, and say what became of them.

    A list of envelopes made beforehand leaves the processor to the receiver, as load tests want it. Raises WebhookError
    where the webhook does not take the test message.
    """
    return asyncio.run(_post_all(webhook, envelopes, expected, progress, tweets_per_second))


async def _post_all(
    webhook: Webhook, envelopes: Iterable[Envelope], expected: int, progress: Progress | None, rate: float | None
) -> Summary:
    began = time.monotonic()
    counters, tally = PushCounters(), _Tally()
    waiting: asyncio.Queue[Envelope | None] = asyncio.Queue(maxsize=2 * POSTS_AT_ONCE)
    async with client(webhook, POSTS_AT_ONCE) as http:
        await ping(http, webhook, counters)

        async def work() -> None:
            while (envelope := await waiting.get()) is not None:
                outcome = await post(http, webhook, envelope.body, counters)
                counters.count(outcome, len(envelope.tweets))
                if progress is not None:
                    progress(counters.tweets_sent, max(expected, counters.tweets_sent))

        async with asyncio.TaskGroup() as group:
            for _ in range(POSTS_AT_ONCE):
                group.create_task(work())
            for envelope in envelopes:
                tally.add(envelope)
                await waiting.put(envelope)
                await _keep_pace(tally.tweets, rate, began)
            for _ in range(POSTS_AT_ONCE):
                await waiting.put(None)
    return tally.summary(counters, time.monotonic() - began)


async def _keep_pace(sent: int, rate: float | None, began: float) -> None:
    """Wait until *sent* tweets are due; without a rate, only let the posts go on."""
    ahead = sent / rate - (time.monotonic() - began) if rate else 0.0
    await asyncio.sleep(max(0.0, ahead))


class _Tally:
    """What was made, counted while it is made."""

    def __init__(self) -> None:
        self.deliveries = 0
        self.tweets = 0
        self.body_bytes = 0
        self.by_kind: Counter[str] = Counter()
        self.matches: set[tuple[int, str]] = set()

    def add(self, envelope: Envelope) -> None:
        """Count one delivery."""
        self.deliveries += 1
        self.tweets += len(envelope.tweets)
        self.body_bytes += len(envelope.body)
        self.by_kind[envelope.kind] += 1
        self.matches.update((tweet.id, envelope.rule.rule_id) for tweet in envelope.tweets)

    def summary(self, counters: PushCounters, seconds: float) -> Summary:
        """Return the summary; *counters* were counted by the posts."""
        return Summary(
            deliveries=self.deliveries,
            acknowledged=counters.acknowledged,
            refused=counters.refused,
            given_up=counters.given_up,
            retries=counters.retries,
            tweets=self.tweets,
            tweets_acknowledged=counters.tweets_acknowledged,
            distinct_tweets=len({tweet_id for tweet_id, _ in self.matches}),
            distinct_matches=len(self.matches),
            body_bytes=self.body_bytes,
            by_kind=dict(self.by_kind),
            seconds=seconds,
            last_fault=counters.last_fault,
        )
