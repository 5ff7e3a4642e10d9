"""The files of the repository, as the tests of this folder read them.

Belongs here: finding files.
Does not belong here: what must be true of them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("database", "ingest", "datalayer", "api", "orchestration")


def tracked() -> list[Path]:
    """Return the files that git knows, or would add; where git is absent, every file of the packages and the tests."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [path for name in sorted(listed.split("\0")) if name and (path := ROOT / name).is_file()]


def modules() -> list[Path]:
    """Return the Python modules of the packages."""
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def sql_files() -> list[Path]:
    """Return the SQL of the packages; ``schema.sql`` is PostgreSQL's own writing."""
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.sql"))]
    return [path for path in found if path.name != "schema.sql"]


def named(path: Path) -> str:
    """Return how a path is spoken of."""
    return path.relative_to(ROOT).as_posix()
