"""Archives in the classic v1.1 shape: newline-delimited JSON, posted by our own replay.

Belongs here: the sender's proof and the number of lines.
Does not belong here: what the lines say (``ingest.normalise.dialects.v1_1``).
"""

from __future__ import annotations

from ingest.outcomes import Reason
from ingest.sources.proofs import KeyOrSignature
from ingest.sources.protocol import Contents, Headers


class V1Source:
    """The front half of v1.1 archives. They have no rules, so that the sender names the zone."""

    name = "v1_1"
    needs_zone = True

    def __init__(self, proof: KeyOrSignature) -> None:
        self._proof = proof
        self.is_configured = proof.is_configured

    def admit(self, headers: Headers) -> Reason | None:
        """Return why the key, or what there is of a signature, is refused."""
        return self._proof.admit(headers)

    def authenticate(self, headers: Headers, body: bytes) -> Reason | None:
        """Return why the key, which proves nothing about the body, or the signature, which does, is refused."""
        return self._proof.authenticate(headers, body)

    def sender(self, headers: Headers) -> bytes:
        """Return the key."""
        return self._proof.sender(headers)

    def message(self, headers: Headers, body: bytes) -> bytes | None:
        """Return what a signed message is remembered by; one that came with a key says nothing about itself."""
        return self._proof.message(headers, body)

    def examine(self, body: bytes) -> Contents:
        """Count the lines that are not blank."""
        return Contents(sum(1 for line in body.split(b"\n") if not (line.isspace() or not line)) or 1)

    def answer(self, challenge: str) -> str | None:  # noqa: ARG002
        """Return ``None``: archives do not ask."""
        return None
