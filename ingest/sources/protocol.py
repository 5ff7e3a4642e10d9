"""What the front door asks of a source.

Belongs here: the contract of a source's front half.
Does not belong here: splitting and mapping items (``ingest.normalise.dialects``), HTTP, the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ingest.outcomes import Reason

Headers = list[tuple[bytes, bytes]]
"""Names in lower case, as ASGI gives them."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a body holds. A body that cannot be read, or is a control message, counts as one item."""

    item_count: int
    is_control: bool = False


class Source(Protocol):
    """A sender of deliveries. All methods are pure, but for the clock, and never raise, whatever they are given."""

    name: str
    is_configured: bool
    needs_zone: bool

    def admit(self, headers: Headers) -> Reason | None:
        """Return why a request is refused on its headers alone, before its body is read; ``None`` to go on."""
        ...

    def authenticate(self, headers: Headers, body: bytes) -> Reason | None:
        """Return why a body is refused; ``None`` if its sender is who it must be. ``body``: the bytes as sent."""
        ...

    def sender(self, headers: Headers) -> bytes:
        """Return what tells the senders of this source apart, once they proved who they are."""
        ...

    def message(self, headers: Headers, body: bytes) -> bytes | None:
        """Return what a message is remembered by, where the proof says which message it is; else ``None``."""
        ...

    def examine(self, body: bytes) -> Contents:
        """Count the items of a body as the normaliser will count them. ``body``: any content-encoding undone."""
        ...

    def answer(self, challenge: str) -> str | None:
        """Return the token that proves to the sender who we are; ``None`` where a source has no such challenge."""
        ...
