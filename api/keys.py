"""Who may read what: keys, and the zones each of them opens.

Belongs here: reading ``API_KEYS``, finding the key of a request, the scope of a key.
Does not belong here: HTTP answers (``app``).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from api.errors import ConfigurationError

SHORTEST_KEY = 16
"""Characters. Shorter ones can be guessed over the network."""


@dataclass(frozen=True)
class Reader:
    """Whoever holds a key. ``name`` tells keys apart without showing them; ``zones`` None opens every zone."""

    name: str
    zones: frozenset[str] | None

    def may_read(self, zone: str) -> bool:
        """Tell whether the key opens a zone, by its name."""
        return self.zones is None or zone in self.zones


ANYONE = Reader("anyone", None)


class KeyRing:
    """The keys that are accepted. Without any, everybody is let in: the settings have made sure that this is meant."""

    def __init__(self, configured: str | None) -> None:
        self._readers = dict(_parse(configured)) if configured is not None else None

    @property
    def is_open(self) -> bool:
        """Whether no key is asked for."""
        return self._readers is None

    def reader(self, key: str | None) -> Reader | None:
        """Return who holds ``key``; None where nobody does. Every known key is compared, in the same time."""
        if self._readers is None:
            return ANYONE
        found = None
        digest = _digest(key or "")
        for known, reader in self._readers.items():
            if hmac.compare_digest(known, digest):
                found = reader
        return found


def _parse(configured: str) -> list[tuple[bytes, Reader]]:
    parsed = []
    for number, entry in enumerate(filter(None, map(str.strip, configured.split(","))), start=1):
        key, colon, zones = entry.partition(":")
        names = frozenset(filter(None, map(str.strip, zones.split("|"))))
        if len(key) < SHORTEST_KEY:
            raise ConfigurationError(f"API_KEYS: key {number} has fewer than {SHORTEST_KEY} characters")
        if colon and not names:
            raise ConfigurationError(f"API_KEYS: key {number} has a colon and no zone after it")
        digest = _digest(key)
        parsed.append((digest, Reader(digest.hex()[:8], names if colon else None)))
    if not parsed:
        raise ConfigurationError("API_KEYS holds no key")
    return parsed


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
