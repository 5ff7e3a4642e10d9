"""What the commands for people share: one transaction, errors as sentences, tables.

Belongs here: the owner's connection, exit codes, the look of a table.
Does not belong here: what a command does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import click
import psycopg
from rich import box
from rich.console import Console
from rich.table import Table

from database.connections import connect, database_url
from database.errors import DatabaseUnavailableError
from database.settings import DatabaseSettings
from ingest.errors import InvalidRequestError

MAX_WIDTH = 10_000
"""Characters in a line of a table that no person reads directly."""


LAST_COLUMN_WIDTH = 24


@contextmanager
def transaction() -> Iterator[psycopg.Connection]:
    """Give a connection of the owner, committed at the end. What a person can cure ends as a sentence, not a traceback.

    Exit code 2: what was asked for cannot be done. Exit code 1: there is no database, or no schema in it.
    """
    try:
        with connect(database_url(DatabaseSettings()), application_name="ingest command") as connection:
            yield connection
    except InvalidRequestError as error:
        raise click.UsageError(str(error)) from None
    except DatabaseUnavailableError as error:
        raise click.ClickException(str(error)) from None
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        raise click.ClickException("the database has no schema yet: run `make migrate`.") from None
    except psycopg.OperationalError as error:
        raise click.ClickException(f"the database went away: {str(error).strip()}") from None


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; the last column is folded where a terminal is narrow, and nothing anywhere else.

    So ids can be copied, and a program that reads the lines finds one for each row.
    """
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    *unfolded, last = columns
    for column in unfolded:
        table.add_column(column, no_wrap=True)
    table.add_column(last, overflow="fold", min_width=LAST_COLUMN_WIDTH)
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    console = Console()
    natural = console.measure(table, options=console.options.update(width=MAX_WIDTH))
    width = max(console.width, natural.minimum) if console.is_terminal else natural.maximum
    Console(width=width).print(table)


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).replace("[", r"\[")
