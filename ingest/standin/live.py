"""Delivering as the clock goes: every active rule is checked when due, and what it matches is posted.

*Belongs here*: the loop, the bounded queue, the workers.
*Does not belong here*: what a check yields, how a post is retried.
"""

import asyncio
import contextlib

import httpx

from ingest.standin.feed import Delivery, Feed
from ingest.standin.provider import CREDITS_PER_TWEET, Provider
from ingest.standin.push import WebhookError, client, ping, post

TICK_SECONDS = 0.1


class LivePusher:
    """Pushes the deliveries of a provider's active rules to its webhook until cancelled."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.webhook = provider.settings.webhook()
        self.counters = provider.pushed
        self._feeds: dict[str, Feed] = {}
        self._waiting: asyncio.Queue[tuple[bytes, int]] = asyncio.Queue(maxsize=provider.settings.queue_size)

    @property
    def waiting(self) -> int:
        """Return how many deliveries wait to be posted."""
        return self._waiting.qsize()

    async def run(self) -> None:
        """Send the test message, then check rules and post deliveries for ever, also while the webhook is down."""
        connections = self.provider.settings.concurrency
        async with client(self.webhook, connections) as http:
            with contextlib.suppress(WebhookError):
                await ping(http, self.webhook, self.counters)
            async with asyncio.TaskGroup() as group:
                for _ in range(connections):
                    group.create_task(self._work(http))
                group.create_task(self._watch())

    async def check_rules(self) -> None:
        """Check every active rule that is due and queue what it delivers; during an outage, pass over it."""
        provider = self.provider
        self._renew_feeds()
        for feed in list(self._feeds.values()):
            now_ms = provider.clock.now_ms()
            if provider.outage:
                feed.skip_to(now_ms)
            elif feed.next_check_ms <= now_ms:
                for delivery in feed.check(now_ms):
                    self._queue(delivery)
                    await asyncio.sleep(0)

    def _renew_feeds(self) -> None:
        """Give every active rule a feed; one newly active or changed starts with a backlog."""
        now_ms = self.provider.clock.now_ms()
        active = {rule.rule_id: rule for rule in self.provider.active_rules()}
        self._feeds = {identity: feed for identity, feed in self._feeds.items() if active.get(identity) == feed.rule}
        habits = self.provider.settings.habits()
        for identity, rule in active.items():
            if identity not in self._feeds:
                since_ms = now_ms - max(habits.backlog_ms, int(rule.interval_seconds * 1000))
                self._feeds[identity] = Feed(self.provider.world, rule, since_ms, habits)

    def _queue(self, delivery: Delivery) -> None:
        provider = self.provider
        provider.credits -= CREDITS_PER_TWEET * len(delivery.tweets)
        rule = delivery.rule
        body = provider.renderer.envelope(rule.rule_id, rule.tag, rule.value, delivery.tweets, delivery.sent_at_ms)
        try:
            self._waiting.put_nowait((body, len(delivery.tweets)))
        except asyncio.QueueFull:
            self.counters.dropped += 1

    async def _watch(self) -> None:
        while True:
            await self.check_rules()
            await asyncio.sleep(TICK_SECONDS)

    async def _work(self, http: httpx.AsyncClient) -> None:
        while True:
            body, tweets = await self._waiting.get()
            outcome = await post(http, self.webhook, body, self.counters)
            self.counters.count(outcome, tweets)
