"""X's API v2 at the front door: the CRC challenge, and a signature over the raw body.

Belongs here: both proofs and the number of items.
Does not belong here: what the tweets say (``ingest.normalise.dialects``), managing webhooks at X.

Source: X's webhook documentation. Challenge: ``GET ?crc_token=T`` is answered with
``{"response_token": "sha256=" + base64(HMAC-SHA256(consumer secret, T))}``. Delivery: the header
``x-twitter-webhooks-signature: sha256=base64(HMAC-SHA256(consumer secret, raw body))``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

from ingest.normalise.dialects.x_api_v2 import XApiV2
from ingest.outcomes import Reason
from ingest.sources.keys import is_any_of
from ingest.sources.protocol import Contents, Headers

SIGNATURE_HEADER = b"x-twitter-webhooks-signature"

_PREFIX = b"sha256="


class XApiV2Source:
    """The front half of X's API v2.

    ``secrets``: the consumer secrets. Any of them may have signed a delivery; the first answers challenges, so that
    a new secret is put first once X uses it.
    """

    name = "x_api_v2"
    needs_zone = False

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secret.encode() for secret in secrets)
        self.is_configured = bool(self._secrets)
        self._dialect = XApiV2()

    def admit(self, headers: Headers) -> Reason | None:
        """Return why the headers cannot hold a signature."""
        return None if _signature(headers) is not None else Reason.MISSING_SIGNATURE

    def authenticate(self, headers: Headers, body: bytes) -> Reason | None:
        """Return why the signature does not prove that X sent this body."""
        sent = _signature(headers)
        if sent is None:
            return Reason.MISSING_SIGNATURE
        expected = tuple(hmac.digest(secret, body, hashlib.sha256) for secret in self._secrets)
        return None if is_any_of(sent, expected) else Reason.WRONG_SIGNATURE

    def sender(self, headers: Headers) -> bytes:  # noqa: ARG002
        """Return the same for every delivery: X is one sender."""
        return b""

    def message(self, headers: Headers, body: bytes) -> bytes | None:  # noqa: ARG002
        """Return ``None``: X's signature names no message, and the same one may be sent again for good reason."""
        return None

    def examine(self, body: bytes) -> Contents:
        """Count tweets and events. Only the outer shape is decoded: 2 ms for a megabyte."""
        return Contents(self._dialect.split(body).item_count)

    def answer(self, challenge: str) -> str | None:
        """Return the response token of a challenge; ``None`` without a secret."""
        if not self._secrets:
            return None
        digest = hmac.digest(self._secrets[0], challenge.encode(), hashlib.sha256)
        return "sha256=" + base64.b64encode(digest).decode()


def _signature(headers: Headers) -> bytes | None:
    """Return the one signature that was sent, decoded; ``None`` where there is none, or more than one."""
    sent = [value for name, value in headers if name == SIGNATURE_HEADER]
    if len(sent) != 1 or not sent[0].startswith(_PREFIX):
        return None
    try:
        return base64.b64decode(sent[0][len(_PREFIX) :], validate=True)
    except (binascii.Error, ValueError):
        return None
