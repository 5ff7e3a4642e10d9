"""What the front door counts, in Prometheus' terms.

Belongs here: every metric of the service, with its unit.
Does not belong here: deciding what is counted when.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from ingest.figures import Figures
from ingest.outcomes import Reason

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4.encode()

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCHES = (1, 2, 5, 10, 20, 50, 100, 256)

NO_SOURCE = "none"
"""The label of requests that no source was found for."""


class Metrics:
    """Counters in a registry of their own, so that two services in one process do not mix."""

    def __init__(self, sources: Iterable[str]) -> None:
        # A second series for each of hundreds, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        requests = Counter(
            "ingest_requests", "Requests by what became of them", ["source", "outcome"], registry=registry
        )
        items = Counter("ingest_items", "Items in committed deliveries", ["source"], registry=registry)
        received = Counter(
            "ingest_body_bytes", "Bytes of committed bodies, content-encoding undone", ["source"], registry=registry
        )
        stored = Counter("ingest_stored_bytes", "Bytes of committed bodies as stored", ["source"], registry=registry)
        seconds = Histogram(
            "ingest_delivery_seconds",
            "From the headers of a delivery to its answer, committed deliveries only",
            ["source"],
            buckets=_SECONDS,
            registry=registry,
        )
        names = tuple(sources)
        # Every label is made now: a counter that appears with its first event hides that event from rate().
        self._requests = {
            (name, reason): requests.labels(name, reason.value) for name in (*names, NO_SOURCE) for reason in Reason
        }
        self._items = {name: items.labels(name) for name in names}
        self._received = {name: received.labels(name) for name in names}
        self._stored = {name: stored.labels(name) for name in names}
        self._seconds = {name: seconds.labels(name) for name in names}
        self._commit_seconds = Histogram(
            "ingest_commit_seconds",
            "Duration of a commit, which many deliveries share",
            buckets=_SECONDS,
            registry=registry,
        )
        self._commit_deliveries = Histogram(
            "ingest_commit_deliveries", "Deliveries that shared a commit", buckets=_BATCHES, registry=registry
        )
        self._queue = {
            name: Gauge(f"ingest_{name}", description, registry=registry)
            for name, description in (
                ("queue_deliveries", "Committed deliveries that wait to be normalised"),
                ("queue_oldest_seconds", "For how long the oldest of them has waited; 0 where none waits"),
            )
        }
        self._recent_items = Gauge(
            "ingest_recent_items",
            "Items received in the last five minutes, by what they turned out to be",
            ["became"],
            registry=registry,
        )
        self._zone_lag_seconds = Gauge(
            "ingest_zone_lag_seconds",
            "From posting to receipt, the median of a zone's latest 20 tweets",
            ["zone"],
            registry=registry,
        )
        self._zone_newest_seconds = Gauge(
            "ingest_zone_newest_tweet_age_seconds",
            "How long ago a zone's newest tweet was posted",
            ["zone"],
            registry=registry,
        )
        self._registry = registry

    def count(self, reason: Reason, source: str = NO_SOURCE) -> None:
        """Count a request by what became of it."""
        self._requests[source, reason].inc()

    def count_committed(self, source: str, *, items: int, body_bytes: int, stored_bytes: int, seconds: float) -> None:
        """Count what a committed delivery held."""
        self._items[source].inc(items)
        self._received[source].inc(body_bytes)
        self._stored[source].inc(stored_bytes)
        self._seconds[source].observe(seconds)

    def observe_commit(self, deliveries: int, seconds: float) -> None:
        """Count a commit."""
        self._commit_deliveries.observe(deliveries)
        self._commit_seconds.observe(seconds)

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Show a value that is read whenever the metrics are asked for."""
        Gauge(name, description, registry=self._registry).set_function(value)

    def show(self, figures: Figures) -> None:
        """Show the numbers of a moment; those that nobody knows are not a number, and zones without are left out."""
        queue = figures.queue
        self._queue["queue_deliveries"].set(queue.waiting_deliveries if queue else math.nan)
        self._queue["queue_oldest_seconds"].set(queue.oldest_waiting_seconds if queue else math.nan)
        for became in ("normalised", "duplicate", "control", "dead"):
            self._recent_items.labels(became).set(getattr(queue, f"{became}_items") if queue else math.nan)
        self._zone_lag_seconds.clear()
        self._zone_newest_seconds.clear()
        for zone in figures.zones:
            self._zone_lag_seconds.labels(zone.zone).set(zone.lag_seconds)
            self._zone_newest_seconds.labels(zone.zone).set(zone.newest_tweet_age_seconds)

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return generate_latest(self._registry)
