"""Partitions as Parquet files: written, checked against the table, read back.

Belongs here: the file, its manifest, the checksum of a table's content, loading a file into a table.
Does not belong here: which partition is archived when (``retention``).

Rows travel as CSV between PostgreSQL and Arrow: both sides read and write it in C, so that a month is minutes. What
Arrow has no exact type for (uuid, arrays, jsonb, numeric) is kept as PostgreSQL writes it. Generated columns are left
out: they are generated again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet
from psycopg import sql

BLOCK_BYTES = 32 << 20
"""CSV text in a row group: what is in memory at once, times three or so."""

_ARROW_TYPES = {
    "int8": pa.int64(),
    "int4": pa.int32(),
    "int2": pa.int16(),
    "bool": pa.bool_(),
    "timestamptz": pa.timestamp("us", "UTC"),
}
_BYTES = "bytea"

_READABLE = arrow_csv.ParseOptions(newlines_in_values=True)


class ArchiveError(RuntimeError):
    """An archive does not hold what it must; the message says which and why. Nothing was dropped for it."""


@dataclass(frozen=True)
class Column:
    """A column as PostgreSQL names its type."""

    name: str
    type_name: str


@dataclass(frozen=True)
class Content:
    """What a table holds: equal for the same rows in any order, and different for any other."""

    row_count: int
    checksum: str

    def __add__(self, other: Content) -> Content:
        return Content(self.row_count + other.row_count, str(int(self.checksum) + int(other.checksum)))


@dataclass(frozen=True)
class Manifest:
    """What stands beside each file. ``lower`` and ``upper`` are the partition's bounds, as ids."""

    table: str
    suffix: str
    lower: int
    upper: int
    columns: tuple[Column, ...]
    row_count: int
    content_checksum: str
    file: str
    file_bytes: int
    file_sha256: str

    @property
    def content(self) -> Content:
        """Return what the file holds."""
        return Content(self.row_count, self.content_checksum)

    def write(self, path: Path) -> None:
        """Write the manifest, whole or not at all."""
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")
        settle(unfinished, path)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a manifest. Raises ``ArchiveError``."""
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**fields, "columns": tuple(Column(**column) for column in fields["columns"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ArchiveError(f"{path} is no manifest of an archive: {error}") from None


def columns_of(connection: psycopg.Connection[Any], table: sql.Identifier) -> tuple[Column, ...]:
    """Return the columns of a table that hold data of their own, in their order."""
    rows = connection.execute(
        """
        select attributes.attname::text, types.typname::text
        from pg_attribute as attributes
        inner join pg_type as types on attributes.atttypid = types.oid
        where
            attributes.attrelid = to_regclass(%s)
            and attributes.attnum > 0
            and not attributes.attisdropped
            and attributes.attgenerated = ''
        order by attributes.attnum
        """,
        (table.as_string(connection),),
    )
    return tuple(Column(*row) for row in rows)


def content_of(connection: psycopg.Connection[Any], table: sql.Identifier, columns: tuple[Column, ...]) -> Content:
    """Return the number of rows of a table and the checksum over ``columns``."""
    _speak_plainly(connection)
    statement = sql.SQL(
        "select count(*), coalesce(sum(('x' || substr(md5(row({columns})::text), 1, 15))::bit(60)::bigint), 0)::text"
        " from {table}"
    )
    row = connection.execute(statement.format(columns=_names(columns), table=table)).fetchone()
    return Content(*(row or (0, "0")))


def write(connection: psycopg.Connection[Any], table: sql.Identifier, key: sql.Composable, path: Path) -> int:
    """Write all rows of a table, ordered by ``key``, into a Parquet file, whole or not at all; return their number."""
    _speak_plainly(connection)
    columns = columns_of(connection, table)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    copying = sql.SQL("copy (select {} from {} order by {}) to stdout (format csv)")
    row_count = 0
    with parquet.ParquetWriter(unfinished, _schema(columns), compression="zstd") as writer:
        for block in _blocks(connection, copying.format(_names(columns), table, key)):
            rows = _read_csv(block, columns)
            row_count += rows.num_rows
            writer.write_table(rows)
    settle(unfinished, path)
    return row_count


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_back(connection: psycopg.Connection[Any], path: Path, table: sql.Identifier) -> Content:
    """Return what a file holds, found by loading its row groups one by one into a table like ``table``."""
    columns = columns_of(connection, table)
    scratch = sql.Identifier("archive_read_back")
    total = Content(0, "0")
    connection.execute(sql.SQL("drop table if exists pg_temp.{}").format(scratch))
    connection.execute(sql.SQL("create temp table {} (like {} including generated)").format(scratch, table))
    try:
        for rows in _row_groups(path):
            _load_rows(connection, scratch, rows, columns)
            total += content_of(connection, scratch, columns)
            connection.execute(sql.SQL("truncate {}").format(scratch))
    finally:
        if not connection.broken:
            connection.execute(sql.SQL("drop table if exists pg_temp.{}").format(scratch))
    return total


def load(connection: psycopg.Connection[Any], path: Path, table: sql.Identifier, columns: tuple[Column, ...]) -> None:
    """Load all rows of a file into a table, in the caller's transaction."""
    for rows in _row_groups(path):
        _load_rows(connection, table, rows, columns)


def _load_rows(
    connection: psycopg.Connection[Any], table: sql.Identifier, rows: pa.Table, columns: tuple[Column, ...]
) -> None:
    text = io.BytesIO()
    as_text = rows.select([column.name for column in columns])
    for index, column in enumerate(columns):
        if column.type_name == _BYTES:
            hexadecimal = [None if value is None else "\\x" + value.hex() for value in as_text[column.name].to_pylist()]
            as_text = as_text.set_column(index, column.name, pa.array(hexadecimal, pa.string()))
    arrow_csv.write_csv(as_text, text, arrow_csv.WriteOptions(include_header=False))
    statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(table, _names(columns))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(text.getvalue())


def _row_groups(path: Path) -> Iterator[pa.Table]:
    with parquet.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number)


def _blocks(connection: psycopg.Connection[Any], copying: sql.Composed) -> Iterator[bytes]:
    """Yield CSV text in blocks of whole rows: each message of COPY is a row."""
    block = bytearray()
    with connection.cursor() as cursor, cursor.copy(copying) as copy:
        for row in copy:
            block += row
            if len(block) >= BLOCK_BYTES:
                yield bytes(block)
                block.clear()
    if block:
        yield bytes(block)


def _read_csv(block: bytes, columns: tuple[Column, ...]) -> pa.Table:
    convert = arrow_csv.ConvertOptions(
        column_types={column.name: _csv_type(column) for column in columns},
        # PostgreSQL writes NULL as nothing and an empty text as "".
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    names = arrow_csv.ReadOptions(column_names=[column.name for column in columns], block_size=len(block) + 1)
    rows = arrow_csv.read_csv(io.BytesIO(block), names, _READABLE, convert)
    for index, column in enumerate(columns):
        if column.type_name == _BYTES:
            raw = [None if value is None else bytes.fromhex(value[2:]) for value in rows[column.name].to_pylist()]
            rows = rows.set_column(index, column.name, pa.array(raw, pa.binary()))
    return rows.cast(_schema(columns))


def _csv_type(column: Column) -> pa.DataType:
    return _ARROW_TYPES.get(column.type_name, pa.string())


def _schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema(
        [(column.name, pa.binary() if column.type_name == _BYTES else _csv_type(column)) for column in columns]
    )


def _names(columns: tuple[Column, ...]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)


def _speak_plainly(connection: psycopg.Connection[Any]) -> None:
    """Fix what the text of a value depends on, so that a checksum is the same in every session."""
    connection.execute(
        "select set_config('timezone', 'UTC', false), set_config('datestyle', 'ISO, YMD', false),"
        " set_config('bytea_output', 'hex', false)"
    )


def settle(unfinished: Path, path: Path) -> None:
    """Give a file its name once it is on the disk, and the name too."""
    for place in (unfinished, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if place == unfinished:
            unfinished.replace(path)
