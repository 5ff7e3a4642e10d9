"""Archive files as requests: lines in order, grouped into the bodies that the webhook takes.

Belongs here: opening plain, gzip and bzip2 files, lines, JSON documents, batches bounded in lines and bytes.
Does not belong here: sending anything, remembering what was sent.

Nothing is judged here: a line that cannot be read is sent as it is, since the service is who keeps dead letters.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Self, cast

import msgspec

from database import snowflake
from ingest.replay.errors import ReplayStoppedError

Dialect = Literal["v1_1", "twitterapi_io"]

MAX_DOCUMENT_BYTES = 256 * 1024 * 1024
"""The largest single JSON document that is read whole; line-delimited files have no such bound."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is never split: a line, or an element of a JSON document.

    ``number`` counts from 1 and counts blank lines too, so that it is the line number in an editor. ``form`` says
    how it travels: "line" beside others in one body, "tweet" in an envelope of its own, "body" as it is.
    """

    number: int
    data: bytes
    form: Literal["line", "tweet", "body"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that travel in one request, in order."""

    records: tuple[Record, ...]

    def halves(self) -> tuple[Batch, Batch]:
        """Split in two; only a batch of two records or more has halves."""
        middle = len(self.records) // 2
        return Batch(self.records[:middle]), Batch(self.records[middle:])


class Archive:
    """An open archive file that knows how many of its bytes on disk have been read."""

    def __init__(self, path: Path) -> None:
        """Open ``path``; what it is packed with follows from its suffix."""
        self.path = path
        try:
            self._raw: BinaryIO = path.open("rb")
        except OSError as error:
            raise ReplayStoppedError(f"cannot open {path}: {error.strerror}") from error
        self.bytes_total = path.stat().st_size

    def __enter__(self) -> Self:
        """Return itself; leaving closes the file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._raw.close()

    @property
    def bytes_read(self) -> int:
        """How much of the file has been read, as packed on disk."""
        return self._raw.tell()

    def records(self, dialect: Dialect) -> Iterator[Record]:
        """Yield the records of the file in order, blank lines left out."""
        lines = self._lines()
        if dialect == "v1_1":
            yield from (Record(number, line, "line") for number, line in lines)
        else:
            yield from _enveloped_records(lines)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        number = 0
        try:
            for number, line in enumerate(self._unpacked(), start=1):
                if line.strip():
                    yield number, line.rstrip(b"\r\n")
        except (OSError, EOFError, zlib.error) as error:
            raise ReplayStoppedError(
                f"{self.path} is damaged or cut off after line {number}: {error}. "
                "The lines before it can be replayed from an unpacked copy."
            ) from error

    def _unpacked(self) -> BinaryIO:
        if self.path.suffix == ".bz2":
            return cast("BinaryIO", bz2.open(self._raw))
        if self.path.suffix == ".gz":
            return cast("BinaryIO", io.BufferedReader(gzip.GzipFile(fileobj=self._raw)))
        return self._raw


def batches(records: Iterable[Record], max_records: int, max_bytes: int) -> Iterator[Batch]:
    """Group consecutive lines into batches; whatever travels alone, or is larger than the bound, is a batch alone."""
    open_records: list[Record] = []
    size = 0
    for record in records:
        alone = record.form != "line"
        full = len(open_records) >= max_records or size + len(record.data) + 1 > max_bytes
        if open_records and (alone or full):
            yield Batch(tuple(open_records))
            open_records, size = [], 0
        if alone:
            yield Batch((record,))
        else:
            open_records.append(record)
            size += len(record.data) + 1
    if open_records:
        yield Batch(tuple(open_records))


def body(batch: Batch, tag: str | None) -> bytes:
    """Return the bytes of a request: the records exactly as archived, a bare tweet in an envelope with ``tag``.

    The envelope states the time in the tweet's own id. An archive does not say when its counters were read; a fixed
    time makes a second replay change nothing, and the earliest possible one lets no archive overwrite what is newer.
    """
    first = batch.records[0]
    if first.form == "tweet":
        return _envelope(first.data, tag or "")
    if first.form == "body":
        return first.data
    return b"".join(record.data + b"\n" for record in batch.records)


class _Shape(msgspec.Struct):
    """As much of a JSON object as tells an envelope from a tweet."""

    id: str | int | None = None
    event_type: object = None
    tweets: msgspec.Raw = msgspec.Raw()


_read_shape: Callable[[bytes], _Shape] = msgspec.json.Decoder(_Shape).decode
_read_elements: Callable[[bytes], list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_any: Callable[[bytes], msgspec.Raw] = msgspec.json.Decoder(msgspec.Raw).decode


def _enveloped_records(lines: Iterator[tuple[int, bytes]]) -> Iterator[Record]:
    """Take the file for one JSON document if its first line is no JSON but the whole is; else line by line."""
    first = next(lines, None)
    if first is None:
        return
    if not _is_json(first[1]):
        head = _head([first], lines)
        document = b"\n".join(line for _, line in head)
        if _is_json(document):
            yield from _elements(document)
            return
        for number, line in head:
            yield _record(number, line)
    elif first[1].lstrip().startswith(b"["):
        yield from _elements(first[1])
    else:
        yield _record(*first)
    for number, line in lines:
        yield _record(number, line)


def _head(start: list[tuple[int, bytes]], lines: Iterator[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    size = 0
    for number, line in lines:
        start.append((number, line))
        size += len(line)
        if size > MAX_DOCUMENT_BYTES:
            break
    return start


def _elements(document: bytes) -> Iterator[Record]:
    """One record for each element of a list, numbered by its place; one for anything else."""
    if not document.lstrip().startswith(b"["):
        yield _record(1, document)
        return
    for number, element in enumerate(_read_elements(document), start=1):
        yield _record(number, bytes(element).strip())


def _record(number: int, data: bytes) -> Record:
    return Record(number, data, "tweet" if _is_bare_tweet(data) else "body")


def _is_bare_tweet(data: bytes) -> bool:
    try:
        shape = _read_shape(data)
    except (msgspec.DecodeError, RecursionError):
        return False
    return shape.id is not None and shape.event_type is None and not bytes(shape.tweets)


def _is_json(data: bytes) -> bool:
    try:
        _read_any(data)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _envelope(tweet: bytes, tag: str) -> bytes:
    head = b'{"event_type":"tweet","rule_tag":' + json.dumps(tag).encode() + b',"tweets":['
    return head + tweet + b"]" + _timestamp(tweet) + b"}"


def _timestamp(tweet: bytes) -> bytes:
    try:
        tweet_id = int(_read_shape(tweet).id or 0)
    except ValueError:
        return b""
    if not snowflake.FIRST_SNOWFLAKE_TWEET_ID <= tweet_id <= snowflake.MAX_ID:
        return b""
    return b',"timestamp":%d' % snowflake.unix_ms(tweet_id)
