"""How dbt is run, and what each invocation is spared.

Belongs here: the dbt resource.
Does not belong here: the project (``project.py``), what its models look like in Dagster (``translator.py``).
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from dagster_dbt import DbtCliInvocation, DbtCliResource, DbtProject
from packaging.version import Version, parse

from database.connections import role_url
from database.settings import DatabaseSettings
from orchestration.marts.project import EXECUTABLE, PARTIAL_PARSE, PROJECT_DIR, ensure_manifest, environment


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
        """Start dbt as the role ``pipeline``, with a directory of its own for what it writes.

        Nothing of it stays but the log of a failure, and a parse that had to be made in full (dbt makes one when the
        connection is not that of the parse before): the next invocation saves the 3 seconds.
        """
        target = Path(tempfile.mkdtemp(prefix="dbt-"))
        try:
            with _lent(environment(role_url(DatabaseSettings(), "pipeline"))):
                invocation = self.cli(args, target_path=target, **arguments)
            yield invocation
        except BaseException:
            _keep_log_alone(target)
            raise
        _keep_parse(target / PARTIAL_PARSE.name)
        shutil.rmtree(target)


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


def _keep_parse(parsed: Path) -> None:
    """Put the parse of an invocation where the next one finds it, in one step."""
    if not parsed.exists():
        return
    if PARTIAL_PARSE.exists() and parsed.stat().st_size == PARTIAL_PARSE.stat().st_size:
        return
    beside = PARTIAL_PARSE.with_name(f"{PARTIAL_PARSE.name}.{os.getpid()}")
    shutil.copyfile(parsed, beside)
    beside.replace(PARTIAL_PARSE)


def _keep_log_alone(target: Path) -> None:
    """Leave the log where the message of the failure says it is, and nothing else."""
    for path in target.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != "dbt.log":
            path.unlink(missing_ok=True)


@contextmanager
def _lent(variables: Mapping[str, str]) -> Iterator[None]:
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
