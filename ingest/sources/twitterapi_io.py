"""twitterapi.io at the front door: a key header, and envelopes of tweets.

Belongs here: the sender's proof and the number of tweets.
Does not belong here: what the tweets say (``ingest.normalise.dialects.twitterapi_io``).

The provider signs nothing and sends no time and no delivery id: ``X-API-Key`` with the account's own key is all there
is. Saving the webhook's address sends ``{"event_type": "test_webhook_url"}``, which must be answered with 2xx.
"""

from __future__ import annotations

import msgspec

from ingest.normalise.dialects.twitterapi_io import CONTROL_EVENTS, TwitterApiIo
from ingest.outcomes import Reason
from ingest.sources.proofs import KeyOrSignature
from ingest.sources.protocol import Contents, Headers


class _Envelope(msgspec.Struct):
    """The same fields with the same types as the normaliser's, so that both find the same bodies readable."""

    event_type: str | None = None
    rule_id: str | None = None
    rule_tag: str | None = None
    timestamp: int | None = None
    tweets: list[msgspec.Raw] | None = None


class TwitterApiIoSource:
    """The front half of twitterapi.io."""

    name = "twitterapi_io"
    needs_zone = False

    def __init__(self, proof: KeyOrSignature) -> None:
        self._proof = proof
        self.is_configured = proof.is_configured
        self._decode = msgspec.json.Decoder(_Envelope).decode
        self._dialect = TwitterApiIo()

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
        """Count the tweets, and tell the provider's own messages."""
        try:
            envelope = self._decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return Contents(self._dialect.split(body).item_count)
        if envelope.event_type in CONTROL_EVENTS:
            return Contents(1, is_control=True)
        if envelope.event_type not in (None, "tweet"):
            return Contents(1)
        return Contents(len(envelope.tweets or ()) or 1)

    def answer(self, challenge: str) -> str | None:  # noqa: ARG002
        """Return ``None``: the provider does not ask."""
        return None
