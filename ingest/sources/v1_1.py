"""Archives in the classic v1.1 shape: newline-delimited JSON, posted by our own replay.

Belongs here: the sender's proof and the number of lines.
Does not belong here: what the lines say (``ingest.normalise.dialects.v1_1``).
"""

from __future__ import annotations

from collections.abc import Iterable

from ingest.outcomes import Reason
from ingest.sources.keys import KeyHeader
from ingest.sources.protocol import Contents, Headers


class V1Source:
    """The front half of v1.1 archives. They have no rules, so that the sender names the zone."""

    name = "v1_1"
    needs_zone = True

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = KeyHeader(keys)
        self.is_configured = self._keys.is_configured

    def admit(self, headers: Headers) -> Reason | None:
        """Return why the key is refused."""
        return self._keys.check(headers)

    def authenticate(self, headers: Headers, body: bytes) -> Reason | None:  # noqa: ARG002
        """Return why the key is refused; it proves nothing about the body."""
        return self._keys.check(headers)

    def examine(self, body: bytes) -> Contents:
        """Count the lines that are not blank."""
        return Contents(sum(1 for line in body.split(b"\n") if not (line.isspace() or not line)) or 1)

    def answer(self, challenge: str) -> str | None:  # noqa: ARG002
        """Return ``None``: archives do not ask."""
        return None
