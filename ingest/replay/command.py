"""``replay``: archived tweets through the running webhook, from the command line.

Belongs here: options, the progress bar, the words of the summary.
Does not belong here: reading the environment (the caller gives the defaults), the replay itself.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import click
import psycopg
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ingest.coverage.ledger import cover_replay
from ingest.replay.archive import Dialect
from ingest.replay.drain import Drained, read_accounting, wait_for_drain
from ingest.replay.errors import ReplayStoppedError
from ingest.replay.run import DEFAULT_BATCH, Progress, ReplayPlan, ReplaySummary, replay

LOG_EVERY_SECONDS = 5.0
MOST_REFUSED_LINES_SHOWN = 20

DEFAULT_ZONE = "archive"
"""Where archived tweets go unless a zone is named: v1.1 knows no rules."""


@dataclass(frozen=True, slots=True)
class ReplayDefaults:
    """What options need not say: where the service is, its key, where state is kept, how to read the accounting.

    ``connect`` opens a connection in autocommit that may read ``ops.delivery_accounting``; None where the database
    cannot be reached from here, and the summary then ends with what was acknowledged. ``add_zone`` makes sure that a
    zone is there and tells whether it had to be added.
    """

    url: str
    key: str | None
    state_dir: Path
    connect: Callable[[], AbstractContextManager[psycopg.Connection]] | None = None
    add_zone: Callable[[str], bool] | None = None
    signing_secret: bytes | None = None


def replay_command(load_defaults: Callable[[], ReplayDefaults]) -> click.Command:
    """Make the command; ``load_defaults`` is called when it runs, not before."""

    @click.command("replay")
    @click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
    @click.option("--zone", help=f"The zone that v1.1 tweets are collected for; by default {DEFAULT_ZONE!r}.")
    @click.option("--tag", help="The rule tag for twitterapi.io tweets that have no envelope.")
    @click.option("--dialect", type=click.Choice(get_args(Dialect)), default="v1_1", show_default=True)
    @click.option("--url", help="Address of the ingest service; by default the one that runs here.")
    @click.option("--key", help="Webhook key; by default bodies are signed, or the first key is shown.")
    @click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="At most so many items a second.")
    @click.option("--concurrency", type=click.IntRange(1, 64), default=4, show_default=True)
    @click.option("--batch", type=click.IntRange(1, 10_000), default=DEFAULT_BATCH, show_default=True)
    @click.option("--resume/--no-resume", default=True, show_default=True, help="Go on where a replay was interrupted.")
    @click.option(
        "--drain-timeout",
        type=click.FloatRange(min=0),
        default=600.0,
        show_default=True,
        help="Seconds to wait for everything to be normalised; 0 does not wait.",
    )
    def command(
        *,
        files: tuple[Path, ...],
        zone: str | None,
        url: str | None,
        key: str | None,
        drain_timeout: float,
        **options: object,
    ) -> None:
        """Post archived tweets (plain, .gz or .bz2) through the running webhook."""
        defaults = load_defaults()
        used_key = key or defaults.key
        secret = None if key else defaults.signing_secret
        if not used_key and secret is None:
            raise click.UsageError(
                "no webhook key: give --key, or set TWITTERAPI_IO_WEBHOOK_KEYS or STANDARD_WEBHOOK_SECRETS"
            )
        if options["dialect"] == "v1_1":
            zone = zone or DEFAULT_ZONE
            _have_zone(zone, defaults)
        plan = ReplayPlan(
            files=files,
            zone=zone,
            url=url or defaults.url,
            key=used_key or "",
            signing_secret=secret,
            state_dir=defaults.state_dir,
            **options,  # type: ignore[arg-type]  # click has checked each option against its type.
        )
        _run(plan, defaults, drain_timeout)

    return command


def _have_zone(zone: str, defaults: ReplayDefaults) -> None:
    """Add the zone if it is missing: its tweets would all become dead letters."""
    if defaults.add_zone is not None and defaults.add_zone(zone):
        click.echo(f"added the zone {zone!r}")


def _run(plan: ReplayPlan, defaults: ReplayDefaults, drain_timeout: float) -> None:
    try:
        with _shown_progress() as on_progress:
            summary = asyncio.run(replay(plan, on_progress))
    except ReplayStoppedError as error:
        raise click.ClickException(str(error)) from error
    for line in summary_lines(summary):
        click.echo(line)
    if defaults.connect is not None and drain_timeout > 0 and summary.delivery_ids:
        with defaults.connect() as connection:
            accounting = partial(read_accounting, connection)
            drained = wait_for_drain(accounting, summary.delivery_ids, timeout_seconds=drain_timeout)
            if plan.zone is not None and not drained.waiting_deliveries:
                cover_replay(connection, plan.zone, summary.delivery_ids)
        click.echo(drained_line(drained))


def summary_lines(summary: ReplaySummary) -> list[str]:
    """Say what a replay came to, and which lines were refused."""
    resumed = f" (and {summary.resumed_items:,} by the runs before)" if summary.resumed_items else ""
    first = (
        f"replayed {summary.files:,} files: {summary.posted_items:,} items posted, "
        f"{summary.acknowledged_items:,} acknowledged{resumed} in {len(summary.delivery_ids):,} deliveries, "
        f"{len(summary.refused):,} refused, {summary.retries:,} retries, "
        f"{summary.elapsed_seconds:.1f} s, {summary.items_per_second:,.0f} items/s"
    )
    shown = summary.refused[:MOST_REFUSED_LINES_SHOWN]
    lines = [first, *(f"refused: line {line.number} of {line.file}: {line.reason}" for line in shown)]
    if len(summary.refused) > len(shown):
        lines.append(f"refused: and {len(summary.refused) - len(shown):,} lines more")
    return lines


def drained_line(drained: Drained) -> str:
    """Say what became of the acknowledged items."""
    counts = drained.counts
    text = (
        f"of {counts.items:,} items: {counts.normalised:,} accepted, {counts.duplicate:,} duplicate, "
        f"{counts.control:,} control messages, {counts.dead:,} dead-lettered"
    )
    if drained.waiting_deliveries:
        text += f"; {drained.waiting_deliveries:,} deliveries still wait: is `normalize` running?"
    return text


@contextmanager
def _shown_progress() -> Iterator[Callable[[Progress], None]]:
    """A bar for people, plain lines for logs."""
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[counts]}"),
            TimeRemainingColumn(),
        )
        with Bar(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("replay", total=None, counts="")

            def advance(progress: Progress) -> None:
                bar.update(
                    task,
                    description=progress.file.name,
                    completed=progress.bytes_read,
                    total=progress.bytes_total,
                    counts=_counts(progress),
                )

            yield advance
    else:
        yield _LogLines(time.monotonic)


class _LogLines:
    """One line every few seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next_at = clock() + LOG_EVERY_SECONDS

    def __call__(self, progress: Progress) -> None:
        if self._clock() >= self._next_at:
            self._next_at = self._clock() + LOG_EVERY_SECONDS
            share = progress.bytes_read / max(progress.bytes_total, 1)
            click.echo(f"{share:.0%} {progress.file.name}: {_counts(progress)}", err=True)


def _counts(progress: Progress) -> str:
    rate = progress.acknowledged_items / max(progress.elapsed_seconds, 0.001)
    refused = f", {progress.refused:,} refused" if progress.refused else ""
    return f"{progress.acknowledged_items:,} items{refused}, {rate:,.0f}/s"
