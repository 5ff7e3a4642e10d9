"""Cursors: where a page ended, as a text that only this package reads.

Belongs here: encoding and decoding.
Does not belong here: which columns a list is ordered by.

A cursor names the list it belongs to, so that the cursor of one list is refused by another instead of skipping rows
there silently. It holds positions, never offsets: rows that arrive meanwhile neither repeat nor hide a row.
"""

from __future__ import annotations

import base64
import binascii
import struct

from datalayer.errors import InvalidCursorError

_MAX_TEXT = 200


def encode(name: str, *position: int) -> str:
    """Return the cursor of the list ``name`` after the row at ``position``."""
    packed = name.encode("ascii") + b"\0" + struct.pack(f">{len(position)}q", *position)
    return base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def decode(name: str, cursor: str, length: int = 1) -> tuple[int, ...]:
    """Return the position that ``encode`` was given. Raises ``InvalidCursorError`` for anything else."""
    try:
        if len(cursor) > _MAX_TEXT:
            raise InvalidCursorError(f"a cursor has at most {_MAX_TEXT} characters")
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        head, _, tail = packed.partition(b"\0")
        if head != name.encode("ascii"):
            raise InvalidCursorError(f"this cursor is not of the list {name!r}: use next_cursor of its last page")
        return struct.unpack(f">{length}q", tail)
    except (binascii.Error, struct.error, ValueError) as error:
        if isinstance(error, InvalidCursorError):
            raise
        raise InvalidCursorError("this is no cursor: use next_cursor of the last page as it is") from error
