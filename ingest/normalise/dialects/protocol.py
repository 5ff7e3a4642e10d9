"""What a dialect must be able to do.

Belongs here: the contract, and the shape of a delivery that was split into items.
Does not belong here: any source's format.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from ingest.normalise.records import Item, Rejection


class Envelope(Struct, frozen=True):
    """A delivery, split: its items as they came, and what it says about all of them.

    ``rejection`` is set where the delivery as a whole cannot be read; it then counts as one item.
    ``observed_ms`` is when the counters in it were true; ``None`` where each tweet's own time must do.
    """

    items: tuple[bytes, ...]
    observed_ms: int | None = None
    rule_id: str | None = None
    rule_tag: str | None = None
    rejection: Rejection | None = None

    @property
    def item_count(self) -> int:
        """How many items the delivery counts as; one that holds none is a message of its own."""
        return len(self.items) or 1


class Dialect(Protocol):
    """A source's way of writing. Both methods are pure and never raise, whatever the bytes."""

    name: str

    def split(self, body: bytes) -> Envelope:
        """Return the items of a delivery, byte for byte, in order."""
        ...

    def read(self, item: bytes, envelope: Envelope, received_ms: int) -> Item:
        """Return the records that an item holds. ``received_ms`` is the receipt of its delivery."""
        ...
