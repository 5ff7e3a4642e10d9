"""Heart-beats of our own front door: control messages that hold nothing.

Belongs here: that they hold nothing.
Does not belong here: sending them (``ingest.heartbeat``), what they prove (``ingest.coverage``).
"""

from __future__ import annotations

from ingest.normalise.dialects.protocol import Envelope
from ingest.normalise.records import Item


class Heartbeat:
    """The dialect of heart-beats. They are normalised like anything else, which is what they are for."""

    name = "heartbeat"

    def split(self, body: bytes) -> Envelope:  # noqa: ARG002
        """Return no items: the delivery is a message of its own."""
        return Envelope(items=())

    def read(self, item: bytes, envelope: Envelope, received_ms: int) -> Item:  # noqa: ARG002
        """Return nothing; there are no items to read."""
        return Item(observed_ms=received_ms)
