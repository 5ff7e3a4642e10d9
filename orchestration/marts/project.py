"""The dbt project: where it lies, how it learns which database it gets, and its manifest.

Belongs here: what is known of the project without importing dbt or Dagster, which takes seconds.
Does not belong here: running models (``dbt.py``).
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from database.connections import role_url
from database.errors import DatabaseUnavailableError
from database.locking import exclusively
from database.settings import DatabaseSettings

PROJECT_DIR = Path(__file__).parents[2] / "dbt_project"
MANIFEST = PROJECT_DIR / "target" / "manifest.json"
PARTIAL_PARSE = PROJECT_DIR / "target" / "partial_parse.msgpack"
EXECUTABLE = Path(sys.executable).with_name("dbt")


def environment(url: str) -> dict[str, str]:
    """Return the variables with which ``profiles.yml`` connects to ``url``."""
    given = conninfo_to_dict(url)
    names = {
        "DBT_HOST": "host",
        "DBT_PORT": "port",
        "DBT_USER": "user",
        "DBT_PASSWORD": "password",
        "DBT_DBNAME": "dbname",
        "DBT_SSLMODE": "sslmode",
    }
    return {name: str(given[key]) for name, key in names.items() if given.get(key) is not None}


def ensure_manifest() -> None:
    """Parse the dbt project if its manifest is missing or older than a file of the project; one process at a time.

    Works without a database: dbt connects to nothing while it parses.
    """
    MANIFEST.parent.mkdir(parents=True, exist_ok=True)
    with exclusively(MANIFEST.parent / "parse.lock"):
        if _is_stale():
            _parse()


def _is_stale() -> bool:
    if not MANIFEST.exists():
        return True
    written = MANIFEST.stat().st_mtime
    return any(path.stat().st_mtime > written for path in _sources())


def _sources() -> Iterator[Path]:
    yield from PROJECT_DIR.glob("*.yml")
    for folder in ("models", "macros", "tests"):
        yield from (PROJECT_DIR / folder).rglob("*")


def _parse() -> None:
    result = subprocess.run(
        [EXECUTABLE, "--quiet", "parse", "--project-dir", PROJECT_DIR, "--profiles-dir", PROJECT_DIR],
        env={**os.environ, **_connection_if_known(), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise RuntimeError(f"the dbt project cannot be parsed:\n{result.stdout}{result.stderr}")
    # dbt leaves a manifest alone whose content is the same.
    MANIFEST.touch()


def _connection_if_known() -> Mapping[str, str]:
    """A parse with the connection of later runs spares the first of them a parse of its own."""
    try:
        return environment(role_url(DatabaseSettings(), "pipeline"))
    except DatabaseUnavailableError:
        return {}
