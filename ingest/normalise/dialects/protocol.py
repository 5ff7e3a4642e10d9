"""What a dialect must be able to do.

Belongs here: the contract, and the shape of a delivery that was split into items.
Does not belong here: any source's format.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from ingest.normalise.records import Item, Rejection


class RuleName(Struct, frozen=True):
    """How a delivery names a rule that it matched."""

    rule_id: str | None = None
    rule_tag: str | None = None


class Envelope(Struct, frozen=True):
    """A delivery, split: its items as they came, and what it says about all of them.

    ``rejection`` is set where the delivery as a whole cannot be read; it then counts as one item.
    ``observed_ms`` is when the counters in it were true; ``None`` where each tweet's own time must do.
    ``rules`` are those that all its items matched.
    ``kind`` and ``context`` are the dialect's own: what its items are, and what they share.
    ``parts`` are the envelopes in a delivery that holds several, which then has nothing of its own.
    """

    items: tuple[bytes, ...] = ()
    observed_ms: int | None = None
    rules: tuple[RuleName, ...] = ()
    rejection: Rejection | None = None
    kind: str = ""
    context: bytes = b""
    parts: tuple[Envelope, ...] = ()

    @property
    def item_count(self) -> int:
        """How many items the delivery counts as; an envelope that holds none is a message of its own."""
        return sum(part.item_count for part in self.parts) or len(self.items) or 1


class Dialect(Protocol):
    """A source's way of writing. Both methods are pure and never raise, whatever the bytes."""

    name: str

    def split(self, body: bytes) -> Envelope:
        """Return the items of a delivery, byte for byte, in order."""
        ...

    def read(self, item: bytes, envelope: Envelope, received_ms: int) -> Item:
        """Return the records that an item holds. ``received_ms`` is the receipt of its delivery."""
        ...
