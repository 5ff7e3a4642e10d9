"""Shared secrets in a header, compared so that time tells nothing.

Belongs here: comparing what was sent with several accepted values.
Does not belong here: where the values come from.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from ingest.outcomes import Reason
from ingest.sources.protocol import Headers

API_KEY_HEADER = b"x-api-key"


class KeyHeader:
    """The accepted values of ``X-API-Key``. Several are accepted at once, so that a key is changed without a gap."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = tuple(key.encode() for key in keys)
        self.is_configured = bool(self._keys)

    def check(self, headers: Headers) -> Reason | None:
        """Return why the headers are refused. Two keys in one request are one too many: proxies may differ on them."""
        sent = [value for name, value in headers if name == API_KEY_HEADER]
        if not sent:
            return Reason.MISSING_KEY
        if len(sent) > 1 or not is_any_of(sent[0], self._keys):
            return Reason.WRONG_KEY
        return None

    @staticmethod
    def sent(headers: Headers) -> bytes:
        """Return the key that was sent."""
        return next((value for name, value in headers if name == API_KEY_HEADER), b"")


def is_any_of(sent: bytes, accepted: tuple[bytes, ...]) -> bool:
    """Compare with every accepted value, to the last byte of each: the time taken names neither value nor position."""
    is_known = False
    for value in accepted:
        is_known |= hmac.compare_digest(sent, value)
    return is_known
