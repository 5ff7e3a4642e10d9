"""How dbt is run: where the project lies, which database it gets, and what each invocation is spared.

Belongs here: the dbt project, its manifest, the dbt resource.
Does not belong here: what the models look like in Dagster (``translator.py``), when they run (``jobs.py``).
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from dagster_dbt import DbtCliInvocation, DbtCliResource, DbtProject
from packaging.version import Version, parse
from psycopg.conninfo import conninfo_to_dict

from database.connections import role_url
from database.errors import DatabaseUnavailableError
from database.locking import exclusively
from database.settings import DatabaseSettings

PROJECT_DIR = Path(__file__).parents[2] / "dbt_project"
MANIFEST = PROJECT_DIR / "target" / "manifest.json"
PARTIAL_PARSE = PROJECT_DIR / "target" / "partial_parse.msgpack"
EXECUTABLE = Path(sys.executable).with_name("dbt")


class FastDbt(DbtCliResource):
    """dbt's command line without two extras of the stock resource that cost 4 of its 9 CPU seconds each time.

    The version is asked of the installed package, not of ``dbt --version`` (which looks for newer releases); and no
    second adapter is loaded into this process, which only column lineage and row counts would use.
    """

    @cached_property
    def _cli_version(self) -> Version:  # type: ignore[override, unused-ignore]
        return parse(installed_version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:  # noqa: ARG002
        return None

    @contextmanager
    def invocation(self, args: Sequence[str], **arguments: Any) -> Iterator[DbtCliInvocation]:
        """Start dbt as the role ``pipeline``, with a directory of its own for what it writes, gone afterwards.

        A parse that had to be made in full (dbt makes one when the connection is not that of the parse before) is kept
        for the next invocation: it takes 3 seconds.
        """
        with tempfile.TemporaryDirectory(prefix="dbt-") as directory:
            target = Path(directory)
            with _environment(environment(role_url(DatabaseSettings(), "pipeline"))):
                invocation = self.cli(args, target_path=target, **arguments)
            yield invocation
            _keep_parse(target / PARTIAL_PARSE.name)


def project() -> DbtProject:
    """Return the dbt project, its manifest made anew if a file of the project is newer."""
    ensure_manifest()
    return DbtProject(project_dir=PROJECT_DIR)


def resource(dbt_project: DbtProject) -> FastDbt:
    """Return the resource that runs dbt in ``dbt_project``."""
    return FastDbt(
        project_dir=str(dbt_project.project_dir),
        dbt_executable=str(EXECUTABLE),
        global_config_flags=["--no-use-colors"],
    )


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


def _keep_parse(parsed: Path) -> None:
    """Put the parse of an invocation where the next one finds it, in one step."""
    if not parsed.exists():
        return
    if PARTIAL_PARSE.exists() and parsed.stat().st_size == PARTIAL_PARSE.stat().st_size:
        return
    beside = PARTIAL_PARSE.with_name(f"{PARTIAL_PARSE.name}.{os.getpid()}")
    shutil.copyfile(parsed, beside)
    beside.replace(PARTIAL_PARSE)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Lend ``variables`` to the child that is started meanwhile: the stock resource copies our environment to it."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
