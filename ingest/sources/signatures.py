"""Standard Webhooks: signatures of our own senders, which say who sent what, and when.

Belongs here: checking and making ``v1`` signatures.
Does not belong here: which sources accept them, what was sent before (``ingest.limits``).

Source: the specification at standardwebhooks.com. Headers: ``webhook-id``; ``webhook-timestamp``, Unix seconds;
``webhook-signature``, one or more of ``v1,base64(HMAC-SHA256(secret, id "." timestamp "." body))`` with blanks between.
A secret is ``whsec_`` and 24 to 64 bytes in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Iterable

from ingest.outcomes import Reason
from ingest.sources.keys import is_any_of
from ingest.sources.protocol import Headers

ID_HEADER = b"webhook-id"
TIME_HEADER = b"webhook-timestamp"
SIGNATURE_HEADER = b"webhook-signature"

TOLERANCE_SECONDS = 300
"""How far a sender's clock may be from ours, as the reference libraries have it."""

MAX_ID_BYTES = 200
MAX_SIGNATURES = 10
"""Of one message: a sender signs with the old and the new secret while one is being changed."""

_PREFIX = "whsec_"
_MIN_SECRET_BYTES, _MAX_SECRET_BYTES = 24, 64


def secret_bytes(text: str) -> bytes:
    """Return the key in a secret, or raise ``ValueError``, which does not show it."""
    try:
        secret = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a secret is whsec_ and base64") from None
    if not _MIN_SECRET_BYTES <= len(secret) <= _MAX_SECRET_BYTES:
        raise ValueError(f"a secret has {_MIN_SECRET_BYTES} to {_MAX_SECRET_BYTES} bytes")
    return secret


def sign(secret: bytes, message_id: bytes, unix_seconds: int, body: bytes) -> dict[bytes, bytes]:
    """Return the headers that prove a message."""
    stamp = b"%d" % unix_seconds
    digest = base64.b64encode(_digest(secret, message_id, stamp, body))
    return {ID_HEADER: message_id, TIME_HEADER: stamp, SIGNATURE_HEADER: b"v1," + digest}


class Signatures:
    """The accepted secrets. Several are accepted at once, so that one is changed without a gap; without any, nobody is
    believed.
    """

    def __init__(self, secrets: Iterable[str], unix_time: Callable[[], float] = time.time) -> None:
        self._secrets = tuple(map(secret_bytes, secrets))
        self._unix_time = unix_time
        self.is_configured = bool(self._secrets)

    @staticmethod
    def is_claimed(headers: Headers) -> bool:
        """Tell whether a sender means to prove itself this way."""
        return any(name == SIGNATURE_HEADER for name, _ in headers)

    def admit(self, headers: Headers) -> Reason | None:
        """Return why the headers cannot prove a body: one of them is missing, doubled or out of time."""
        message_id, stamp, signature = (_only(headers, name) for name in (ID_HEADER, TIME_HEADER, SIGNATURE_HEADER))
        if not message_id or not stamp or not signature or len(message_id) > MAX_ID_BYTES:
            return Reason.MISSING_SIGNATURE
        if not stamp.isdigit() or len(stamp) > 12:
            return Reason.MISSING_SIGNATURE
        if abs(int(stamp) - self._unix_time()) > TOLERANCE_SECONDS:
            return Reason.STALE_SIGNATURE
        return None

    def authenticate(self, headers: Headers, body: bytes) -> Reason | None:
        """Return why the signatures prove nothing about the body."""
        refused = self.admit(headers)
        if refused is not None:
            return refused
        message_id, stamp, signature = (
            _only(headers, name) or b"" for name in (ID_HEADER, TIME_HEADER, SIGNATURE_HEADER)
        )
        expected = tuple(_digest(secret, message_id, stamp, body) for secret in self._secrets)
        is_right = False
        for sent in signature.split(b" ")[:MAX_SIGNATURES]:
            is_right |= is_any_of(_decoded(sent), expected)
        return None if is_right else Reason.WRONG_SIGNATURE


def message_of(headers: Headers, body: bytes) -> bytes:
    """Return what a signed message is remembered by. The same id with another body is another message."""
    return hashlib.sha256((_only(headers, ID_HEADER) or b"") + b"." + body).digest()


def _digest(secret: bytes, message_id: bytes, stamp: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, b"%b.%b.%b" % (message_id, stamp, body), hashlib.sha256)


def _decoded(signature: bytes) -> bytes:
    """Return a ``v1`` signature; nothing, which no signature equals, for one of another version."""
    version, _, encoded = signature.partition(b",")
    try:
        return base64.b64decode(encoded, validate=True) if version == b"v1" else b""
    except (binascii.Error, ValueError):
        return b""


def _only(headers: Headers, name: bytes) -> bytes | None:
    sent = [value for header, value in headers if header == name]
    return sent[0] if len(sent) == 1 else None
