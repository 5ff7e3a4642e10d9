"""Receiving a body within bounds, and undoing its content-encoding within bounds.

Belongs here: caps on bytes, bytes after decompression, and time.
Does not belong here: what a body holds, who sent it.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import zstandard

from ingest.outcomes import Reason

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

MAX_ZSTD_WINDOW_BYTES = 8 << 20
"""What a decompressor may claim before it has read anything; the format's recommendation for decoders."""

_GZIP = 31
_ZLIB = 15
_RAW_DEFLATE = -15

SUPPORTED_ENCODINGS = b"gzip, deflate, zstd, identity"


class RefusedBodyError(Exception):
    """The body is not taken; ``reason`` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Budget:
    """Bytes that all requests together may hold in memory."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.used_bytes = 0

    def take(self, count: int) -> None:
        """Claim bytes, or raise ``RefusedBodyError``."""
        if self.used_bytes + count > self._max_bytes:
            raise RefusedBodyError(Reason.OVERLOADED)
        self.used_bytes += count

    def give_back(self, count: int) -> None:
        """Return bytes that were taken."""
        self.used_bytes -= count


class Allowance:
    """What one request has taken of the budget; giving it back is one call at its end."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._taken = 0

    def take(self, count: int) -> None:
        """Claim bytes, or raise ``RefusedBodyError``."""
        self._budget.take(count)
        self._taken += count

    def release(self) -> None:
        """Give everything back."""
        self._budget.give_back(self._taken)
        self._taken = 0


async def receive_body(receive: Receive, allowance: Allowance, *, max_bytes: int, max_seconds: float) -> bytes:
    """Return the whole body as it was sent. Raises ``RefusedBodyError`` as soon as a bound is passed."""
    try:
        async with asyncio.timeout(max_seconds):
            return await _receive_all(receive, allowance, max_bytes)
    except TimeoutError:
        raise RefusedBodyError(Reason.BODY_TIMEOUT) from None


async def _receive_all(receive: Receive, allowance: Allowance, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedBodyError(Reason.SENDER_WENT_AWAY)
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > max_bytes:
            raise RefusedBodyError(Reason.BODY_TOO_LARGE)
        allowance.take(len(part))
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def discard_rest(receive: Receive, *, max_bytes: int, max_seconds: float) -> bool:
    """Read a refused body to its end and keep nothing; tell whether the end came within the bounds.

    Answering and closing while bytes are still arriving resets the connection, and the sender may never see why.
    """
    try:
        async with asyncio.timeout(max_seconds):
            size = 0
            while size <= max_bytes:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return bool(message["type"] != "http.disconnect")
    except TimeoutError:
        pass
    return False


def undo_encoding(encoding: str, body: bytes, *, max_bytes: int) -> bytes:
    """Return the body without its content-encoding, at most ``max_bytes`` of it. Raises ``RefusedBodyError``."""
    match encoding:
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _inflate(body, _GZIP, max_bytes)
        case "deflate":
            return _inflate(body, _ZLIB if _has_zlib_header(body) else _RAW_DEFLATE, max_bytes)
        case "zstd":
            return _unpack_zstd(body, max_bytes)
        case _:
            raise RefusedBodyError(Reason.UNSUPPORTED_ENCODING)


def _has_zlib_header(body: bytes) -> bool:
    """Tell zlib's two header bytes (RFC 1950); some senders of "deflate" leave them out."""
    return len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def _inflate(body: bytes, window_bits: int, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    room = max_bytes
    rest = body
    try:
        while rest or not parts:
            member = zlib.decompressobj(window_bits)
            part = member.decompress(rest, room + 1)
            if len(part) > room:
                raise RefusedBodyError(Reason.DECOMPRESSED_BODY_TOO_LARGE)
            if not member.eof:
                raise RefusedBodyError(Reason.UNREADABLE_ENCODING)
            parts.append(part)
            room -= len(part)
            rest = member.unused_data
            if rest and window_bits != _GZIP:
                raise RefusedBodyError(Reason.UNREADABLE_ENCODING)
    except zlib.error:
        raise RefusedBodyError(Reason.UNREADABLE_ENCODING) from None
    return b"".join(parts)


def _unpack_zstd(body: bytes, max_bytes: int) -> bytes:
    """Unpack twice: the stream reader stops at a bound but does not tell a cut-off frame, the other does not stop."""
    try:
        with zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW_BYTES).stream_reader(body) as reader:
            unpacked: bytes = reader.read(max_bytes + 1)
        if len(unpacked) > max_bytes:
            raise RefusedBodyError(Reason.DECOMPRESSED_BODY_TOO_LARGE)
        frame = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW_BYTES).decompressobj()
        frame.decompress(body)
    except zstandard.ZstdError:
        raise RefusedBodyError(Reason.UNREADABLE_ENCODING) from None
    if not frame.eof or frame.unused_data:
        raise RefusedBodyError(Reason.UNREADABLE_ENCODING)
    return unpacked
