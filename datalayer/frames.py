"""Records as a pandas frame, for notebooks.

Belongs here: flattening records into columns.
Does not belong here: fetching. pandas is imported when a frame is made: services never pay for it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from datalayer.records import Page

if TYPE_CHECKING:
    import pandas as pd


def to_frame(records: Iterable[Any] | Page[Any]) -> pd.DataFrame:
    """Return one row for each record.

    Nested records become columns with a prefix (``author_username``), tuples of records stay objects. Times are UTC
    timestamps, whole numbers keep ``NA`` where unknown instead of becoming floating point, which rounds ids.
    """
    import pandas as pd

    rows = [_flat(record) for record in (records.items if isinstance(records, Page) else records)]
    frame = pd.DataFrame.from_records(rows)
    for column in frame.columns:
        values = [row.get(column) for row in rows]
        known = [value for value in values if value is not None]
        if known and all(type(value) is int for value in known):
            frame[column] = pd.array(values, dtype="Int64")
        elif known and all(isinstance(value, datetime) for value in known):
            frame[column] = pd.to_datetime(pd.Series(values, dtype="object"), utc=True)
    return frame


def _flat(record: Any, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if dataclasses.is_dataclass(value):
            flat |= _flat(value, f"{prefix}{field.name}_")
        else:
            flat[prefix + field.name] = value
    return flat
