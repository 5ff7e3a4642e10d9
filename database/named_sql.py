"""SQL that lives in named ``.sql`` files beside the code that runs it.

Belongs here: finding and splitting such files.
Does not belong here: any SQL.

A file holds statements, each after a line ``-- name: some_name``. The text is passed to the driver as it is, with
bound parameters; nothing is ever formatted into it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import LiteralString, cast

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def statements(path: Path) -> dict[str, LiteralString]:
    """Return the statements of a file by name, in the order of the file."""
    parts = _NAME.split(path.read_text(encoding="utf-8"))
    names, bodies = parts[1::2], parts[2::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{path} names a statement twice: {sorted(names)}")
    return {name: cast("LiteralString", body.strip().rstrip(";")) for name, body in zip(names, bodies, strict=True)}
