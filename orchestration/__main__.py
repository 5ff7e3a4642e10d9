"""The command line of the running project: ``python -m orchestration up | demo | job | migrate | chaos``.

Belongs here: options, messages and exit codes (0 well, 1 failed, 2 wrong use or a port that is taken).
Does not belong here: what the commands do.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
from pydantic import ValidationError

from database.connections import database_url, without_password
from database.errors import DatabaseUnavailableError
from datalayer import embedded_redis
from orchestration import interrupted_runs
from orchestration.dagster_home import URL_VARIABLE
from orchestration.preparation import PROJECT, DatabaseWatch, Prepared, prepared
from orchestration.process import Process
from orchestration.processes import all_processes, demonstration_environment, ports, standin_answers
from orchestration.settings import RuntimeSettings
from orchestration.supervisor import PortTakenError, StartError, Supervisor, refuse_taken_ports, stopping_on_signals


@click.group()
def main() -> None:
    """Run the tweet analytics pipeline, or one of its jobs."""


@main.command()
@click.option(
    "--with-standin/--without-standin",
    default=None,
    help="Run the stand-in provider. By default it runs only when neither a database nor a provider is configured.",
)
def up(*, with_standin: bool | None) -> None:
    """Run everything until Ctrl-C: database, webhook, Dagster, and a stand-in provider where nothing is configured."""
    with _plain_errors():
        settings = RuntimeSettings()
        stand_in = settings.is_local_demonstration if with_standin is None else with_standin
        with _alone(settings.state_dir):
            refuse_taken_ports(ports(settings, with_standin=stand_in))
            _serve(settings, with_standin=stand_in)


@main.command()
def demo() -> None:
    """Stream a synthetic day through the webhook, build the marts, print them and what was checked, end."""
    from ingest.standin.push import WebhookError
    from orchestration import demonstration

    with _plain_errors():
        try:
            demonstration.run(RuntimeSettings(), click.echo)
        except (demonstration.DemonstrationFailedError, WebhookError) as error:
            raise click.ClickException(str(error)) from None


@main.command()
@click.argument("name")
@click.option("--once", is_flag=True, help="Do what waits and end (for jobs that otherwise stay).")
@click.option("--as-of", metavar="TIME", help="The moment the marts are computed for, ISO 8601.")
def job(name: str, *, once: bool, as_of: str | None) -> None:
    """Run the Dagster job NAME here to its end, without the user interface."""
    with _plain_errors(), prepared(RuntimeSettings()) as database:
        os.environ.update(database.dagster_environment)
        # A job asked for beside `make up` reaches the same provider as the jobs that run there.
        if database.settings.is_local_demonstration and standin_answers(database.settings):
            os.environ.update(demonstration_environment(database))
        from orchestration import headless

        fields = {name: value for name, value in (("once", once), ("as_of", as_of)) if value}
        try:
            succeeded = headless.run_job(name, fields=fields, say=click.echo)
        except headless.JobError as error:
            raise click.UsageError(str(error)) from None
    raise SystemExit(0 if succeeded else 1)


@main.command()
@click.option("--author-id", help="The account's numeric id.")
@click.option("--handle", help="The account's handle, where the id is not known.")
@click.option("--tweet-id", help="A tweet's id.")
@click.option("--zone", help="A zone's name.")
@click.option("--reason", default="request", show_default=True, help="Why, for the certificate. Name nobody here.")
@click.option("--erase", "is_real", is_flag=True, help="Do it. Without this only say what would be touched.")
def erase(*, is_real: bool, **fields: str | None) -> None:
    """Erase an author, a tweet or a zone everywhere, and certify it: the job `erase` without the user interface."""
    with _plain_errors(), prepared(RuntimeSettings()) as database:
        os.environ.update(database.dagster_environment)
        from orchestration import headless

        given = {name: value for name, value in fields.items() if value}
        succeeded = headless.run_job("erase", fields={**given, "dry_run": not is_real}, say=click.echo)
    raise SystemExit(0 if succeeded else 1)


@main.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    with _plain_errors(), prepared(RuntimeSettings()) as database:
        click.echo(f"the schema is up to date in {without_password(database_url(database.settings))}")


@main.command()
@click.option("--minutes", type=click.FloatRange(min=0.05), default=10.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Which tweets, and which faults in which order.")
@click.option("--kills", type=click.IntRange(min=0), default=0, help="At least so many, however long it takes.")
@click.option("--rate", type=click.FloatRange(min=1), default=100.0, show_default=True, help="Tweets a second.")
@click.option("--with-dagster/--without-dagster", default=True, help="Without it: a normaliser and dbt alone.")
@click.option("--log", type=click.Path(path_type=Path), help="Where the log goes; else STATE_DIR/logs.")
def chaos(*, minutes: float, seed: int, kills: int, rate: float, with_dagster: bool, log: Path | None) -> None:
    """Kill everything again and again under load, in a scratch directory, and show that nothing acknowledged is lost.

    Ends with code 1 if anything was.
    """
    from orchestration.chaos.run import Options, run

    with _plain_errors():
        path = log or RuntimeSettings().state_dir / "logs" / f"chaos-{seed}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", buffering=1) as file:

            def say(line: str) -> None:
                click.echo(line)
                click.echo(line, file=file)

            report = run(Options(minutes, seed, kills, rate, with_dagster), say)
            for line in report.lines():
                say(line)
        click.echo(f"log                   {path}")
    raise SystemExit(0 if report.is_clean else 1)


def _serve(settings: RuntimeSettings, *, with_standin: bool) -> None:
    with prepared(settings) as database:
        environment = database.dagster_environment
        interrupted_runs.close(environment[URL_VARIABLE], environment)
        click.echo(f"database          {without_password(database_url(database.settings))}")
        if with_standin:
            from orchestration import demonstration

            demonstration.register_live_rules(database)
        _run(database, with_standin=with_standin)


def _run(database: Prepared, *, with_standin: bool) -> None:
    redis = _redis(database.settings)
    sockets = Path(tempfile.mkdtemp(prefix="tweet-pipeline-"))
    try:
        processes = all_processes(database, with_standin=with_standin, redis=redis, socket_directory=sockets)
        supervisor = Supervisor(
            processes,
            log_directory=database.settings.state_dir / "logs",
            working_directory=PROJECT,
            say=click.echo,
        )
        with stopping_on_signals(supervisor):
            try:
                if supervisor.start():
                    _announce(processes)
                supervisor.supervise(DatabaseWatch(database, click.echo).look)
            finally:
                click.echo("stopping")
                supervisor.stop()
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


def _redis(settings: RuntimeSettings) -> embedded_redis.EmbeddedRedis | None:
    if settings.redis_url is not None:
        return None
    planned = embedded_redis.plan(settings.state_dir)
    if isinstance(planned, embedded_redis.NotServed):
        click.echo(f"cache             off: {planned.reason}; set REDIS_URL to use a server of your own")
        return None
    return planned


def _announce(processes: list[Process]) -> None:
    for process in processes:
        if process.address:
            click.echo(f"{process.name:<18}{process.address}")
    click.echo("everything runs; stop with Ctrl-C")


@contextmanager
def _alone(state_dir: Path) -> Iterator[None]:
    """Refuse a second supervisor under one state directory."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PortTakenError(
                f"everything runs already under {state_dir}: stop it first, or set STATE_DIR to another directory "
                "and INGEST_PORT, API_PORT, DAGSTER_PORT and STANDIN_PORT to other ports."
            ) from None
        yield


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what can go wrong for a user into one message and an exit code; end on SIGTERM as on Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        yield
    except PortTakenError as error:
        raise _Misuse(str(error)) from None
    except (StartError, DatabaseUnavailableError, embedded_redis.RedisUnavailableError) as error:
        raise click.ClickException(str(error)) from None
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" for fault in error.errors())
        raise _Misuse("a setting cannot be used: " + "; ".join(problems)) from None


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _Misuse(click.ClickException):
    """Something that the caller can put right: a taken port, a setting that cannot be used."""

    exit_code = 2


if __name__ == "__main__":
    main()
