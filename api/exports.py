"""Whole tables as files: Parquet, CSV and NDJSON, streamed from one snapshot.

Belongs here: what can be exported, and writing the formats.
Does not belong here: HTTP.

A server-side cursor in a REPEATABLE READ transaction: a file of any length is of one moment and needs the memory of one
batch. Its connection is its own, so that a slow reader keeps no connection from the others.
"""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from database.connections import connect
from database.named_sql import statements
from datalayer.windows import Span

BATCH = 2_000
"""Rows held at once: about 1 MB of tweets."""

_SQL = Path(__file__).parent / "exports.sql"

_ARROW_TYPES = {"int8": "int64", "float8": "float64", "bool": "bool_", "text": "string", "timestamptz": "timestamp"}

Row = tuple[Any, ...]
Columns = list[tuple[str, str]]
Write = Callable[[Columns, Iterator[list[Row]]], Iterator[bytes]]


@dataclass(frozen=True)
class Format:
    """A way to write rows."""

    media_type: str
    write: Write


TABLES: Mapping[str, str] = {
    "zone-stats-hourly": "zone_stats_hourly",
    "top-profiles": "top_profiles",
    "trending-hashtags": "trending_hashtags",
    "tweets": "tweets",
}
"""What can be exported, and the statement that reads it."""


def stream(database_url: str, table: str, format_name: str, zone_id: UUID, span: Span) -> Iterator[bytes]:
    """Return the file in pieces. The connection and the snapshot are open before the first piece is asked for."""
    connection = connect(database_url, application_name="api export")
    try:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        # An export may take longer than a page; it is bounded by how fast its reader is.
        connection.execute("set local statement_timeout = '10min'")
        cursor = connection.cursor(f"export_{secrets.token_hex(4)}")
        cursor.itersize = BATCH
        parameters = {
            "zone_id": zone_id,
            "since": span.since,
            "until": span.until,
            "first": span.ids.first,
            "end": span.ids.end,
        }
        cursor.execute(statements(_SQL)[TABLES[table]], parameters)
        batches = _batches(cursor)
        begun = next(batches, [])
        columns = _columns(connection, cursor)
    except BaseException:
        connection.close()
        raise
    return _pieces(connection, cursor, FORMATS[format_name].write(columns, _from(begun, batches)))


def _pieces(
    connection: psycopg.Connection, cursor: psycopg.ServerCursor[Row], pieces: Iterator[bytes]
) -> Iterator[bytes]:
    """Yield the pieces; close what was opened, also when the reader goes away in the middle."""
    with connection, cursor:
        yield from pieces


def _from(begun: list[Row], batches: Iterator[list[Row]]) -> Iterator[list[Row]]:
    if begun:
        yield begun
    yield from batches


def _batches(cursor: psycopg.ServerCursor[Row]) -> Iterator[list[Row]]:
    while batch := cursor.fetchmany(BATCH):
        yield batch


def _columns(connection: psycopg.Connection, cursor: psycopg.ServerCursor[Row]) -> Columns:
    found = []
    for column in cursor.description or ():
        kind = connection.adapters.types.get(column.type_code)
        found.append((column.name, kind.name if kind else "text"))
    return found


def _ndjson(columns: Columns, batches: Iterator[list[Row]]) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    names = [name for name, _ in columns]
    for batch in batches:
        yield encoder.encode_lines(dict(zip(names, row, strict=True)) for row in batch)


def _csv(columns: Columns, batches: Iterator[list[Row]]) -> Iterator[bytes]:
    """Write CSV with a header; unknown is empty, and a text that a spreadsheet would run as a formula gets a quote."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([name for name, _ in columns])
    for batch in batches:
        writer.writerows([_cell(value) for value in row] for row in batch)
        yield out.getvalue().encode()
        out.seek(0)
        out.truncate()
    yield out.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value


def _parquet(columns: Columns, batches: Iterator[list[Row]]) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    schema = pa.schema([(name, _arrow_type(kind)) for name, kind in columns])
    out = _Pieces()
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for batch in batches:
            arrays = [
                pa.array(values, field.type) for values, field in zip(zip(*batch, strict=True), schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            yield out.taken()
    yield out.taken()


def _arrow_type(kind: str) -> Any:
    import pyarrow as pa

    name = _ARROW_TYPES.get(kind, "string")
    return pa.timestamp("us", tz="UTC") if name == "timestamp" else getattr(pa, name)()


class _Pieces(io.RawIOBase):
    """A file that is only appended to and taken away piece by piece."""

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._written.append(piece)
        self._position += len(piece)
        return len(piece)

    def taken(self) -> bytes:
        written, self._written = self._written, []
        return b"".join(written)


FORMATS: Mapping[str, Format] = {
    "ndjson": Format("application/x-ndjson", _ndjson),
    "csv": Format("text/csv; charset=utf-8", _csv),
    "parquet": Format("application/vnd.apache.parquet", _parquet),
}
