"""Our own heart-beat at the front door: a message that no sender can forge and that holds nothing.

Belongs here: the proof that a message comes from this process.
Does not belong here: when the heart beats (``ingest.heartbeat``), what a beat means (``ingest.coverage``).
"""

from __future__ import annotations

from ingest.normalise.dialects.heartbeat import Heartbeat
from ingest.outcomes import Reason
from ingest.sources.keys import KeyHeader
from ingest.sources.protocol import Contents, Headers


class HeartbeatSource:
    """The front half of heart-beats. ``key`` lives as long as the process and is never shown to anybody."""

    name = Heartbeat.name
    needs_zone = False
    is_configured = True

    def __init__(self, key: str) -> None:
        self._keys = KeyHeader([key])

    def admit(self, headers: Headers) -> Reason | None:
        """Return why the key is refused."""
        return self._keys.check(headers)

    def authenticate(self, headers: Headers, body: bytes) -> Reason | None:  # noqa: ARG002
        """Return why the key is refused."""
        return self._keys.check(headers)

    def sender(self, headers: Headers) -> bytes:  # noqa: ARG002
        """Return the same for every beat."""
        return b""

    def message(self, headers: Headers, body: bytes) -> bytes | None:  # noqa: ARG002
        """Return ``None``: each beat counts."""
        return None

    def examine(self, body: bytes) -> Contents:  # noqa: ARG002
        """Return that a beat is one control message."""
        return Contents(1, is_control=True)

    def answer(self, challenge: str) -> str | None:  # noqa: ARG002
        """Return ``None``: nobody asks."""
        return None
