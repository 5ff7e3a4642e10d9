"""The proof of senders that are not X: a key header, or a signature of ours.

Belongs here: choosing between the two.
Does not belong here: checking either.
"""

from __future__ import annotations

from collections.abc import Iterable

from ingest.outcomes import Reason
from ingest.sources.keys import KeyHeader
from ingest.sources.protocol import Headers
from ingest.sources.signatures import Signatures, message_of


class KeyOrSignature:
    """A request with a signature stands and falls with it; a key beside it does not help."""

    def __init__(self, keys: Iterable[str], signatures: Signatures) -> None:
        self._keys = KeyHeader(keys)
        self._signatures = signatures
        self.is_configured = self._keys.is_configured or signatures.is_configured

    def admit(self, headers: Headers) -> Reason | None:
        """Return why a request is refused on its headers alone."""
        if self._signatures.is_claimed(headers):
            return self._signatures.admit(headers)
        return self._keys.check(headers)

    def authenticate(self, headers: Headers, body: bytes) -> Reason | None:
        """Return why a body is refused."""
        if self._signatures.is_claimed(headers):
            return self._signatures.authenticate(headers, body)
        return self._keys.check(headers)

    def sender(self, headers: Headers) -> bytes:
        """Return what tells senders apart that proved who they are: their key; all that sign are one."""
        return b"" if self._signatures.is_claimed(headers) else self._keys.sent(headers)

    def message(self, headers: Headers, body: bytes) -> bytes | None:
        """Return what a signed message is remembered by; ``None`` where there is no telling repetitions."""
        return message_of(headers, body) if self._signatures.is_claimed(headers) else None
