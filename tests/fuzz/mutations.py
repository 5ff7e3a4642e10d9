"""Requests that went wrong on the way: real shapes with parts swapped, dropped, flipped, nested, packed and framed.

Belongs here: making them from a seed.
Does not belong here: sending them, what must become of them.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import hmac
import itertools
import json
import os
import random
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import zstandard

from ingest.sources.signatures import TOLERANCE_SECONDS, secret_bytes, sign
from tests.unit import payloads

TAG, ZONE = "markets", "z"

REAL_LINES = 3_000
"""Of a real archive, where there is one."""

MEBIBYTE = 1 << 20

BOMB_BYTES = 16 * MEBIBYTE

PACKERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": lambda raw: gzip.compress(raw, 1),
    b"deflate": lambda raw: zlib.compress(raw, 1),
    b"zstd": zstandard.compress,
    b"identity": lambda raw: raw[:MEBIBYTE],
}


@dataclass(frozen=True)
class Secrets:
    """What the service believes."""

    key: str
    consumer_secret: str
    signing_secret: str


@dataclass(frozen=True)
class Shot:
    """The bytes of one request. ``is_framed``: it says where it ends, and exactly one answer is due.

    ``is_dropped``: the sender goes away without waiting for it.
    """

    data: bytes
    kind: str
    is_framed: bool = True
    is_dropped: bool = False


def templates() -> dict[str, list[bytes]]:
    """Return valid bodies for each source, of tweets posted within the last hour; real ones, where there are some."""
    posted = datetime.now(UTC) - timedelta(minutes=30)
    found: dict[str, list[bytes]] = {"twitterapi_io": [], "x_api_v2": [], "v1_1": []}
    for sequence in range(40):
        original = payloads.tweet(posted - timedelta(days=1), sequence=sequence, author=payloads.user(702))
        tweet = payloads.tweet(posted, sequence=sequence, quoted_tweet=original, entities=_entities())
        other = payloads.tweet(posted, sequence=sequence + 500, retweeted_tweet=original)
        found["twitterapi_io"].append(payloads.encoded(payloads.envelope(tweet, other, tag=TAG, sent=posted)))
        shown = payloads.x_tweet(posted - timedelta(days=1), sequence=sequence)
        reference = {"type": "quoted", "id": shown["id"]}
        delivered = payloads.x_tweet(posted, sequence=sequence + 1_000, referenced_tweets=[reference])
        problem = {"resource_type": "tweet", "resource_id": "9", "type": "x/resource-not-found", "title": "Gone"}
        found["x_api_v2"].append(payloads.encoded(payloads.x_envelope(delivered, shown, tags=(TAG,), errors=[problem])))
        lines = [payloads.v1_tweet(posted, sequence=2_000 + sequence), payloads.deletion(int(shown["id"]), told=posted)]
        found["v1_1"].append(b"\n".join(map(payloads.encoded, lines)))
    folder = os.environ.get("REAL_DATA_DIR")
    if folder is not None:
        _add_real(found, Path(folder))
    return found


def _entities() -> dict[str, Any]:
    return {
        "hashtags": [{"text": "tag", "indices": [0, 4]}],
        "user_mentions": [{"screen_name": "writer_702", "id_str": "702", "indices": [5, 16]}],
        "urls": [{"url": "https://t.co/A", "expanded_url": "https://example.com/A", "indices": [17, 30]}],
    }


def _add_real(found: dict[str, list[bytes]], folder: Path) -> None:
    for file in (folder / "twitterapi-io").glob("*.json"):
        value = json.loads(file.read_bytes())
        body = value if isinstance(value, dict) and "event_type" in value else payloads.envelope(value, tag=TAG)
        found["twitterapi_io"] += [payloads.encoded(body)] * 5
    found["x_api_v2"] += [file.read_bytes() for file in (folder / "x-api-v2").glob("*.jsonl")]
    for file in sorted((folder / "public-stream-2019-v1.1").glob("*.bz2"))[:1]:
        lines = list(itertools.islice(bz2.decompress(file.read_bytes()).splitlines(), REAL_LINES))
        found["v1_1"] += [b"\n".join(lines[first : first + 3]) for first in range(0, len(lines), 3)]


class Mutator:
    """Makes shots. The same seed makes the same ones, but for times and what is signed by them."""

    def __init__(self, seed: int, secrets: Secrets) -> None:
        self._chance = random.Random(seed)
        self._secrets = secrets
        self._templates = templates()
        self._messages = 0
        self._sent: deque[Shot] = deque(maxlen=50)
        self._bombs = {name: pack(bytes(BOMB_BYTES)) for name, pack in PACKERS.items()}
        self._bodies: list[tuple[int, Callable[[bytes], bytes]]] = [
            (8, lambda body: body),
            (30, self._swapped),
            (20, self._damaged),
            (5, self._cut),
            (4, self._nested),
            (1, self._swollen),
            (4, self._many),
            (6, self._respelt),
            (4, self._noise),
            (4, self._joined),
        ]

    def shots(self, count: int) -> Iterable[Shot]:
        """Yield as many requests."""
        for _ in range(count):
            yield self._shot()

    def _shot(self) -> Shot:
        if self._sent and self._chance.random() < 0.02:
            return self._chance.choice(self._sent)
        kind = self._pick([(73, "body"), (10, "proof"), (10, "head"), (2, "framing"), (2, "dropped"), (3, "encoding")])
        source = self._chance.choice(["twitterapi_io", "x_api_v2", "v1_1"])
        body = self._body(source)
        target = f"/webhooks/{source}" + (f"?zone={ZONE}" if source == "v1_1" else "")
        headers: list[tuple[bytes, bytes]] = []
        if kind == "encoding" or self._chance.random() < 0.1:
            body, encoding = self._packed(body)
            headers.append((b"Content-Encoding", encoding))
        headers += self._wrong_proof(body) if kind == "proof" else self._proof(source, body)
        if kind == "head":
            return self._odd_head(target, headers, body)
        if kind == "framing":
            return self._odd_framing(target, headers, body)
        head = _head("POST", target, [*headers, (b"Content-Length", b"%d" % len(body))])
        if kind == "dropped":
            data = head + body
            return Shot(data[: self._chance.randrange(len(data))], kind, is_framed=False, is_dropped=True)
        shot = Shot(head + body, kind)
        if b"\r\nwebhook-id: " in head:
            self._sent.append(shot)
        return shot

    def _body(self, source: str) -> bytes:
        body = self._chance.choice(self._templates[source])
        for _ in range(self._pick([(70, 1), (25, 2), (5, 3)])):
            mutate: Callable[[bytes], bytes] = self._pick(self._bodies)
            body = mutate(body)
        return body

    def _swapped(self, body: bytes) -> bytes:
        """Swap types and drop fields, at any depth, in each line that is JSON."""
        share = self._chance.choice([0.01, 0.05, 0.2])
        return b"\n".join(self._swapped_line(line, share) for line in body.split(b"\n"))

    def _swapped_line(self, line: bytes, share: float) -> bytes:
        try:
            value = json.loads(line)
            if isinstance(value, dict | list) and value:
                value = payloads.break_some(value, self._chance, share=share)
            return payloads.encoded(value)
        except (ValueError, RecursionError):
            return line

    def _damaged(self, body: bytes) -> bytes:
        changed = bytearray(body)
        for _ in range(self._chance.randint(1, 6)):
            place = self._chance.randrange(len(changed) + 1)
            match self._chance.randrange(4):
                case 0 if place < len(changed):
                    changed[place] ^= 1 << self._chance.randrange(8)
                case 1:
                    del changed[place : place + self._chance.randint(1, 60)]
                case 2:
                    changed[place:place] = self._chance.randbytes(self._chance.randint(1, 12))
                case _:
                    changed[place:place] = changed[place : place + 60]
        return bytes(changed) or b"{"

    def _cut(self, body: bytes) -> bytes:
        return body[: self._chance.randrange(1, max(2, len(body)))]

    def _nested(self, body: bytes) -> bytes:
        depth = self._chance.choice([10, 500, 1_100, 5_000, 100_000])
        opening, closing = self._chance.choice([(b"[", b"]"), (b'{"tweets":', b"}"), (b'{"data":', b"}")])
        return opening * depth + (body if self._chance.random() < 0.5 else b"1") + closing * depth

    def _swollen(self, body: bytes) -> bytes:
        size = self._chance.choice([60_000, 200_000, MEBIBYTE])
        filler = self._chance.choice([b" ", b"a", b"\\u0000", b"\xf0\x9f\x98\x80", b"1,", b'{"a":1},'])
        place = self._chance.randrange(len(body) + 1)
        return body[:place] + filler * (size // len(filler)) + body[place:]

    def _many(self, body: bytes) -> bytes:
        """Repeat lines, or the elements of a list: many items, and the same ones many times."""
        times = self._chance.choice([2, 20, 150])
        try:
            value = json.loads(body)
            for name in ("tweets", "data", "errors"):
                if isinstance(value, dict) and value.get(name):
                    many = value[name] if isinstance(value[name], list) else [value[name]]
                    return payloads.encoded({**value, name: many * times})[: 4 * MEBIBYTE]
        except (ValueError, RecursionError):
            pass
        return b"\n".join([body] * times)[: 4 * MEBIBYTE]

    def _respelt(self, body: bytes) -> bytes:
        text = body.decode("utf-8", "replace")
        encoding = self._chance.choice(["utf-16", "utf-32", "latin-1", "utf-8-sig", "cp1252"])
        return text.encode(encoding, "replace")

    def _noise(self, body: bytes) -> bytes:
        return self._chance.randbytes(self._chance.choice([1, 40, 3_000, len(body) or 1]))

    def _joined(self, body: bytes) -> bytes:
        other = self._chance.choice(self._templates[self._chance.choice(list(self._templates))])
        return self._chance.choice([b"\n", b"\r\n\r\n", b"", b","]).join([body, other])

    def _packed(self, body: bytes) -> tuple[bytes, bytes]:
        """Undo nothing, or something else than was done, or a bomb."""
        name = self._chance.choice(list(PACKERS))
        packed = PACKERS[name](body)
        match self._pick([(60, "right"), (15, "damaged"), (10, "other"), (10, "bomb"), (5, "unknown")]):
            case "damaged":
                packed = self._damaged(packed)
            case "other":
                name = self._chance.choice(list(PACKERS))
            case "bomb":
                packed = self._bombs[name]
            case "unknown":
                name = self._chance.choice([b"br", b"compress", b"gzip, gzip", b"\xff", b""])
        return packed, name

    def _proof(self, source: str, body: bytes) -> list[tuple[bytes, bytes]]:
        if source == "x_api_v2":
            digest = hmac.digest(self._secrets.consumer_secret.encode(), body, hashlib.sha256)
            return [(b"x-twitter-webhooks-signature", b"sha256=" + base64.b64encode(digest))]
        if self._chance.random() < 0.2:
            return self._signed(body)
        return [(b"X-API-Key", self._secrets.key.encode())]

    def _signed(self, body: bytes, *, late_by: int = 0) -> list[tuple[bytes, bytes]]:
        self._messages += 1
        message = b"msg_%d" % (self._messages if self._chance.random() < 0.9 else self._messages // 2)
        secret = secret_bytes(self._secrets.signing_secret)
        return list(sign(secret, message, int(time.time()) - late_by, body).items())

    def _wrong_proof(self, body: bytes) -> list[tuple[bytes, bytes]]:
        signed = self._signed(
            body, late_by=self._chance.choice([0, 0, TOLERANCE_SECONDS + 60, -TOLERANCE_SECONDS - 60])
        )
        key = (b"X-API-Key", self._secrets.key.encode())
        return self._chance.choice(
            [
                [],
                [(b"X-API-Key", self._chance.randbytes(8).hex().encode())],
                [key, key],
                [(b"x-twitter-webhooks-signature", self._chance.choice([b"", b"sha256=", b"sha256=AAAA", b"md5=x"]))],
                [(name, self._damaged(value).replace(b"\r", b"").replace(b"\n", b"")) for name, value in signed],
                signed,
                signed[: self._chance.randrange(3)],
                [*signed, key],
                [*signed, *signed],
            ]
        )

    def _odd_head(self, target: str, headers: list[tuple[bytes, bytes]], body: bytes) -> Shot:
        method = self._chance.choice(["POST", "GET", "HEAD", "PUT", "OPTIONS", "CONNECT", "PRI", "post", ""])
        target = self._chance.choice(
            [target, "/", "*", "/metrics", "/readyz", "/webhooks/x_api_v2?crc_token=%ff", "/webhooks/heartbeat",
             "/webhooks/v1_1?zone=%00", "http://other/webhooks/v1_1?zone=z", "/webhooks/..%2f", "/" + "a" * 40_000]
        )  # fmt: skip
        names = [b"Host", b"Expect", b"Upgrade", b"Connection", b"Transfer-Encoding", b"", b"X\x00", b"A b"]
        values = [b"100-continue", b"websocket", b"close", b"gzip", b"\xff\xfe", b"", b"a" * 5_000]
        odd = [(self._chance.choice(names), self._chance.choice(values)) for _ in range(self._chance.randrange(6))]
        if self._chance.random() < 0.1:
            odd += [(b"X-%d" % number, b"1") for number in range(self._chance.choice([50, 5_000]))]
        lines = [*headers, *odd, (b"Content-Length", b"%d" % len(body)), (b"Connection", b"close")]
        self._chance.shuffle(lines)
        head = _head(method, target, lines)
        if self._chance.random() < 0.3:
            head = self._damaged(head)
        return Shot(head + body, "head", is_framed=False)

    def _odd_framing(self, target: str, headers: list[tuple[bytes, bytes]], body: bytes) -> Shot:
        chunked = (b"Transfer-Encoding", b"chunked")
        chunk = b"%x\r\n%b\r\n" % (len(body), body)
        lines, content = self._chance.choice(
            [
                ([chunked], chunk + b"0\r\n\r\n"),
                ([chunked], chunk),
                ([chunked], b"zz\r\n" + chunk),
                ([chunked], b"ffffffffffffffff\r\n" + body),
                ([chunked, (b"Content-Length", b"%d" % len(body))], chunk + b"0\r\n\r\n"),
                ([(b"Content-Length", b"%d" % (len(body) + 9))], body),
                ([(b"Content-Length", b"%d" % max(0, len(body) - 9))], body),
                ([(b"Content-Length", self._chance.choice([b"-1", b"1e3", b"", b"9" * 30, b"0x10"]))], body),
                ([(b"Content-Length", b"%d" % (1 << 40))], body),
                ([], body),
            ]
        )
        head = _head("POST", target, [*headers, *lines, (b"Connection", b"close")])
        return Shot(head + content, "framing", is_framed=False)

    def _pick(self, weighted: list[tuple[int, Any]]) -> Any:
        return self._chance.choices([choice for _, choice in weighted], [weight for weight, _ in weighted])[0]


def _head(method: str, target: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1".encode(), b"Host: h", *(b"%b: %b" % header for header in headers)]
    return b"\r\n".join([*lines, b"", b""])
