"""Running a named statement and making records of its rows.

Belongs here: the one place where the data layer meets the driver.
Does not belong here: SQL (``sql/``), what the rows mean.

Connections are the caller's: nothing here commits, rolls back or changes a session. Statements are prepared at once:
planning one over the partitions costs more than running it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row, dict_row

from database.named_sql import statements

Record = TypeVar("Record")

Connection = psycopg.Connection[Any]

_SQL = Path(__file__).parent / "sql"


def all_records(
    connection: Connection, kind: type[Record], module: str, name: str, parameters: Mapping[str, object]
) -> list[Record]:
    """Return the rows of a statement as records of ``kind``, whose fields are the statement's columns."""
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        cursor.execute(statements(_SQL / f"{module}.sql")[name], parameters, prepare=True)
        return cursor.fetchall()


def all_rows(
    connection: Connection, module: str, name: str, parameters: Mapping[str, object], *, prepare: bool = True
) -> list[dict[str, Any]]:
    """Return the rows of a statement by column name."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(statements(_SQL / f"{module}.sql")[name], parameters, prepare=prepare)
        return cursor.fetchall()


def one_row(
    connection: Connection, module: str, name: str, parameters: Mapping[str, object], *, prepare: bool = True
) -> dict[str, Any] | None:
    """Return the only row of a statement, None where there is none."""
    rows = all_rows(connection, module, name, parameters, prepare=prepare)
    return rows[0] if rows else None
