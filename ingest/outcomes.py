"""The one table of what can become of a request: reason → HTTP status → metric → does the sender retry.

Belongs here: every reason that the service answers with, and what each means to the sender.
Does not belong here: finding out which reason it is, counting, writing responses.

The reason is the metric's label and the ``reason`` of the answer. A body from an authenticated sender that cannot be
read is no reason to refuse it: it is kept, and becomes a dead letter, since a refused body would be sent again and
again. The only 5xx is a deliberate 503, which always says when to come back; so does 429.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a request was answered as it was."""

    ACCEPTED = "accepted"
    CONTROL = "control"
    REPEATED = "repeated"
    CHALLENGE_ANSWERED = "challenge_answered"
    MISSING_KEY = "missing_key"
    WRONG_KEY = "wrong_key"
    MISSING_SIGNATURE = "missing_signature"
    WRONG_SIGNATURE = "wrong_signature"
    SOURCE_NOT_CONFIGURED = "source_not_configured"
    STALE_SIGNATURE = "stale_signature"
    MISSING_CRC_TOKEN = "missing_crc_token"  # noqa: S105
    MISSING_ZONE = "missing_zone"
    UNREADABLE_ZONE = "unreadable_zone"
    EMPTY_BODY = "empty_body"
    BODY_TOO_LARGE = "body_too_large"
    DECOMPRESSED_BODY_TOO_LARGE = "decompressed_body_too_large"
    TOO_MANY_ITEMS = "too_many_items"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    UNREADABLE_ENCODING = "unreadable_encoding"
    BODY_TIMEOUT = "body_timeout"
    SENDER_WENT_AWAY = "sender_went_away"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    MALFORMED_REQUEST = "malformed_request"
    HEADERS_TOO_LARGE = "headers_too_large"
    HEADERS_TIMEOUT = "headers_timeout"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    TOO_MANY_DELIVERIES = "too_many_deliveries"
    OVERLOADED = "overloaded"
    DRAINING = "draining"
    DISK_NEARLY_FULL = "disk_nearly_full"
    DATABASE_UNAVAILABLE = "database_unavailable"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True)
class Outcome:
    """What a reason means. ``sender_retries``: whether the same request can succeed later, unchanged.

    ``explanation`` says what happened and what to do, in words for the person at the sender's end; it never holds
    anything that was sent.
    """

    status: int
    sender_retries: bool
    explanation: str
    retry_after_seconds: int | None = None

    @property
    def is_accepted(self) -> bool:
        """Tell whether the sender may forget what it sent."""
        return self.status < 300


def _accepted(explanation: str) -> Outcome:
    return Outcome(200, sender_retries=False, explanation=explanation)


def _refused(status: int, explanation: str) -> Outcome:
    return Outcome(status, sender_retries=False, explanation=explanation)


def _later(explanation: str, *, seconds: int) -> Outcome:
    return Outcome(503, sender_retries=True, explanation=explanation, retry_after_seconds=seconds)


OUTCOMES: dict[Reason, Outcome] = {
    Reason.ACCEPTED: _accepted("The delivery is committed. What it holds is read later; what cannot be read is kept."),
    Reason.CONTROL: _accepted(
        "A message of the provider about the webhook itself; it is committed, and holds no tweet."
    ),
    Reason.REPEATED: _accepted(
        "A signed message that was committed before, under the same webhook-id; it is not stored a second time."
    ),
    Reason.CHALLENGE_ANSWERED: _accepted("The challenge was answered with the first of the configured secrets."),
    Reason.MISSING_KEY: _refused(401, "There is no X-API-Key header. Send the key that the webhook was set up with."),
    Reason.WRONG_KEY: _refused(401, "The X-API-Key is none of those in TWITTERAPI_IO_WEBHOOK_KEYS."),
    Reason.MISSING_SIGNATURE: _refused(
        401,
        "There is no signature: X sends x-twitter-webhooks-signature: sha256=<base64>, others send webhook-id, "
        "webhook-timestamp and webhook-signature: v1,<base64>, each once.",
    ),
    Reason.WRONG_SIGNATURE: _refused(
        401,
        "The signature fits the body with none of the secrets in X_API_CONSUMER_SECRETS (X) or "
        "STANDARD_WEBHOOK_SECRETS (others).",
    ),
    Reason.STALE_SIGNATURE: _refused(
        401, "The webhook-timestamp is more than five minutes from this clock. Sign the message anew, on a right clock."
    ),
    Reason.SOURCE_NOT_CONFIGURED: _refused(
        404, "This source is switched off, for want of a secret. The operator sets it (.env.example) and restarts."
    ),
    Reason.MISSING_CRC_TOKEN: _refused(400, "A challenge has one crc_token in its query: ?crc_token=…"),
    Reason.MISSING_ZONE: _refused(400, "Archives name the zone that they belong to: add ?zone=NAME."),
    Reason.UNREADABLE_ZONE: _refused(
        400,
        "The zone must be given once, as UTF-8, percent-encoded, with 1 to 255 characters and no control characters.",
    ),
    Reason.EMPTY_BODY: _refused(400, "The body is empty: there is nothing to keep."),
    Reason.BODY_TOO_LARGE: _refused(413, "The body is larger than this service takes. Send fewer tweets at a time."),
    Reason.DECOMPRESSED_BODY_TOO_LARGE: _refused(
        413, "The body is larger, once decompressed, than this service takes. Send fewer tweets at a time."
    ),
    Reason.TOO_MANY_ITEMS: _refused(
        413, "The body holds more tweets or lines than this service takes at once. Send fewer at a time."
    ),
    Reason.UNSUPPORTED_ENCODING: _refused(
        415, "The Content-Encoding must be one of gzip, deflate, zstd and identity, applied once."
    ),
    Reason.UNREADABLE_ENCODING: _refused(400, "The body is not what its Content-Encoding says, or is cut off."),
    Reason.BODY_TIMEOUT: Outcome(
        408, sender_retries=True, explanation="The body did not arrive in time. Send it again, faster or in parts."
    ),
    Reason.SENDER_WENT_AWAY: Outcome(
        400, sender_retries=True, explanation="The sender closed the connection before the body was complete."
    ),
    Reason.NOT_FOUND: _refused(404, "There is nothing at this address. /openapi.json lists what there is."),
    Reason.METHOD_NOT_ALLOWED: _refused(405, "This address takes another method; the Allow header names it."),
    Reason.MALFORMED_REQUEST: _refused(400, "This is not an HTTP/1.1 request."),
    Reason.HEADERS_TOO_LARGE: _refused(431, "The request line and the headers together are larger than is taken."),
    Reason.HEADERS_TIMEOUT: Outcome(
        408, sender_retries=True, explanation="The headers did not arrive in time. Send the request again, faster."
    ),
    Reason.TOO_MANY_DELIVERIES: Outcome(
        429,
        sender_retries=True,
        explanation="This key delivers more often than it may. Nothing was kept: send it again after the time given.",
        retry_after_seconds=1,
    ),
    Reason.TOO_MANY_CONNECTIONS: _later("Too many connections are open. Reuse one, or come back later.", seconds=1),
    Reason.OVERLOADED: _later("More is arriving than can be committed. Nothing was kept: send it again.", seconds=1),
    Reason.DRAINING: _later("The service is stopping. Nothing was kept: send it again.", seconds=5),
    Reason.DISK_NEARLY_FULL: _later(
        "The disk of the database is nearly full. Nothing was kept: send it again later.", seconds=60
    ),
    Reason.DATABASE_UNAVAILABLE: _later(
        "The delivery could not be committed, or it is not known whether it was. Send it again: doubles do no harm.",
        seconds=5,
    ),
    Reason.INTERNAL_ERROR: _later(
        "Something unforeseen happened, and is in the service's log. Nothing was acknowledged: send it again.",
        seconds=30,
    ),
}
