"""What the front door counts, in Prometheus' terms.

Belongs here: every metric of the service, with its unit.
Does not belong here: deciding what is counted when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

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

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return generate_latest(self._registry)
