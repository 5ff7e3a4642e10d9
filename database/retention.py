"""Retention: old partitions are detached, archived, verified and dropped, and can be brought back.

Belongs here: which partitions are due, what forbids it, the steps, their order, restoring.
Does not belong here: making partitions (``partitions``), the files (``archive``).

Every step is written down in ``ops.partition_archives`` once it is done, and the catalogue is asked before it is done:
a run that dies at any point is resumed by the next one. The tables of core leave together, month by month, children
first; the month is sealed before its first table goes (T31). Nothing is dropped that was not read back from its file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from database import archive, named_sql, partitions, snowflake
from database.archive import ArchiveError, Content, Manifest
from database.partitions import HISTORY, Partition, PartitionedTable
from database.settings import RetentionSettings

ONE_AT_A_TIME = 7_203_004
"""Advisory lock of a run."""

RESTORED_FOR = timedelta(days=7)
"""How long a restored partition stays, unless it is told otherwise."""

_BEGINNING = datetime(2006, 3, 1, tzinfo=UTC)
"""Before the first tweet of all."""

_CHILDREN_FIRST = (
    "core.twitter_entities",
    "core.twitter_engagement_history",
    "core.twitter_tweet_raw",
    "core.twitter_tweet_metrics",
    "core.twitter_tweet_zones",
    "core.twitter_tweets",
    "raw.deliveries",
    "ops.delivery_accounting",
)

TABLES = tuple(
    next(table for table in partitions.TABLES if table.full_name == full_name) for full_name in _CHILDREN_FIRST
)
"""All partitioned tables in the order in which a month leaves them."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "retention.sql")
_CATALOGUE = named_sql.statements(Path(__file__).parent / "sql" / "partitions.sql")


class RetentionError(RuntimeError):
    """What was asked for cannot be done; the message says why, and nothing was changed for it."""


class AlreadyRunning(RuntimeError):  # noqa: N818 -- the name says what happened
    """Another run is at work."""


@dataclass(frozen=True)
class Action:
    """A partition that is due, or that a run began with. ``refusal`` says what forbids to go on with it."""

    table: PartitionedTable
    partition: Partition
    step: str
    refusal: str | None = None

    @property
    def name(self) -> str:
        """Return the partition's name."""
        return self.table.partition_name(self.partition.suffix)


@dataclass
class Report:
    """What a run did, or would do."""

    is_dry_run: bool
    actions: list[Action] = field(default_factory=list)
    archived_rows: int = 0
    archived_bytes: int = 0
    dropped: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def refused(self) -> list[Action]:
        """Return what could not be taken up, and why."""
        return [action for action in self.actions if action.refusal]


@dataclass(frozen=True)
class Entry:
    """A line of the inventory: a partition, attached or archived, and what happens to it next."""

    table: str
    name: str
    starts_at: datetime | None
    ends_at: datetime
    row_count: int
    total_bytes: int
    next_action: str


@dataclass(frozen=True)
class _TakenUp:
    table: PartitionedTable
    partition: Partition
    step: str
    keep_until: datetime | None


class Retention:
    """Applies the settings. The connection is the owner's, in autocommit mode.

    ``on_step`` is called before each step with the partition's name and the step.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        settings: RetentionSettings,
        *,
        now: datetime,
        on_step: Callable[[str, str], None] = lambda _name, _step: None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._directory = settings.archive_directory
        self._now = now
        self._on_step = on_step

    def run(self, *, is_dry_run: bool = False) -> Report:
        """Take every due partition as far as it can go, oldest first. Idempotent; may die at any point.

        An archive that does not hold what it must is a failure in the report, and its table stays. Raises
        ``AlreadyRunning``, and ``LockNotAvailable`` where a lock is never to be had.
        """
        with self._alone():
            report = Report(is_dry_run)
            held_months: set[tuple[str, int]] = set()
            for action in self.plan():
                month = (action.table.schema, action.partition.upper)
                report.actions.append(action)
                if action.refusal or (month in held_months and action.step == "detaching"):
                    # Children first: where one of them cannot go, its parents stay as well.
                    held_months.add(month)
                elif not is_dry_run:
                    try:
                        self._take(action, report)
                    except ArchiveError as error:
                        report.failures.append(str(error))
                        held_months.add(month)
            return report

    def plan(self) -> list[Action]:
        """Return what is due, in the order in which it will be done, with what forbids it. Changes nothing."""
        taken_up = {(each.table.full_name, each.partition.suffix): each for each in self._taken_up()}
        actions = []
        for number, table in enumerate(TABLES):
            begun = [each for each in taken_up.values() if each.table is table and each.step in _UNDER_WAY]
            actions += [(each.partition.upper, number, Action(table, each.partition, each.step)) for each in begun]
            underway = {each.partition.suffix for each in begun}
            for due in self._due(table):
                known = taken_up.get((table.full_name, due.suffix))
                is_kept = known is not None and known.keep_until is not None and known.keep_until > self._now
                if due.suffix not in underway and not is_kept:
                    action = Action(table, due, "detaching", self._refusal(table, due))
                    actions.append((due.upper, number, action))
        return [action for _, _, action in sorted(actions, key=lambda each: each[:2])]

    def inventory(self) -> list[Entry]:
        """Return every partition, attached or archived, with its bounds, rows, bytes and what happens to it next."""
        planned = {action.name: action for action in self.plan()}
        taken_up = {(each.table.full_name, each.partition.suffix): each for each in self._taken_up()}
        entries = []
        for table in TABLES:
            sizes = partitions.sizes(self._connection, table)
            for each in partitions.existing(self._connection, table):
                name = table.partition_name(each.partition.suffix)
                known = taken_up.pop((table.full_name, each.partition.suffix), None)
                told = _told(planned.get(name)) or self._fate(table, each.partition, known)
                rows, size = sizes.get(each.partition.suffix, (0, 0))
                entries.append(_entry(table, each.partition, rows, size, told))
        for known in taken_up.values():
            name = known.table.partition_name(known.partition.suffix)
            manifest = self._manifest_if_any(known.table, known.partition.suffix)
            rows, size = (manifest.row_count, manifest.file_bytes) if manifest else (0, 0)
            told = _told(planned.get(name)) or "archived; `restore_partition` brings it back"
            entries.append(_entry(known.table, known.partition, rows, size, told))
        return entries

    def restore(self, table_name: str, suffix: str, *, keep_for: timedelta = RESTORED_FOR) -> Content:
        """Bring an archived partition back, identical, and keep it for a while. Returns what it holds.

        The month's buckets are unsealed once all of core's tables are back. Raises ``RetentionError``,
        ``ArchiveError``. A restoration that died is begun anew.
        """
        with self._alone():
            known = next(
                (
                    each
                    for each in self._taken_up()
                    if (each.table.full_name, each.partition.suffix) == (table_name, suffix)
                ),
                None,
            )
            if known is None or known.step not in ("dropped", "restoring"):
                archived = sorted(
                    each.table.partition_name(each.partition.suffix)
                    for each in self._taken_up()
                    if each.step == "dropped"
                )
                raise RetentionError(
                    f"{table_name}_{suffix} is not in the archive; there are: {', '.join(archived) or 'none'}"
                )
            content = self._restore(known.table, known.partition)
            self._note("note_restored", known.table, known.partition, keep_until=self._now + keep_for)
            self._unseal_if_whole(known.partition)
            return content

    def archived(self, suffix: str) -> list[str]:
        """Return the tables that have a month in the archive and not in the database, in the order of leaving."""
        found = {
            each.table.full_name
            for each in self._taken_up()
            if each.partition.suffix == suffix and each.step in ("dropped", "restoring")
        }
        return [table.full_name for table in TABLES if table.full_name in found]

    # What is due.

    def _due(self, table: PartitionedTable) -> Iterator[Partition]:
        months = self._settings.months_kept(table.schema)
        if not months:
            return
        cutoff = snowflake.floor(partitions.months_after(partitions.month_start(self._now), -months))
        for each in partitions.existing(self._connection, table):
            is_kept_history = each.partition.suffix == HISTORY and not self._settings.retention_drops_history
            if each.partition.upper <= cutoff and not is_kept_history:
                yield each.partition

    def _refusal(self, table: PartitionedTable, partition: Partition) -> str | None:
        if table.schema == "core" and self._count("is_sealed", {"lower": partition.lower}):
            # All was well when it was sealed, and nothing that comes later is kept.
            return None
        waiting = self._count("unnormalised", {"upper": partition.upper})
        if waiting:
            return f"{waiting} deliveries of its time or before are not normalised"
        if table.schema == "core":
            for queue, column in self._queues():
                marks = self._marks(queue, column, partition)
                if marks:
                    return f"{marks} marks of its time wait in ops.{queue}: build the marts first"
        return None

    def _queues(self) -> list[tuple[str, str]]:
        return [(name, column) for name, column in self._connection.execute(_SQL["queues"])]

    def _marks(self, queue: str, column: str, partition: Partition) -> int:
        bounds: tuple[Any, Any] = (partition.lower, partition.upper)
        if column == "hour":
            bounds = (_starts_at(partition), snowflake.at(partition.upper))
        statement = sql.SQL("select count(*) from {queue} where {column} >= {start} and {column} < {end}").format(
            queue=sql.Identifier("ops", queue),
            column=sql.Identifier(column),
            start=sql.Literal(bounds[0]),
            end=sql.Literal(bounds[1]),
        )
        row = self._connection.execute(statement).fetchone()
        return int(row[0]) if row else 0

    def _fate(self, table: PartitionedTable, partition: Partition, known: _TakenUp | None) -> str:
        if known is not None and known.keep_until is not None:
            return f"restored, kept until {known.keep_until:%Y-%m-%d}"
        months = self._settings.months_kept(table.schema)
        if not months or (partition.suffix == HISTORY and not self._settings.retention_drops_history):
            return "kept"
        leaves = partitions.months_after(snowflake.at(partition.upper), months)
        return f"leaves in {leaves:%Y-%m}"

    # The steps.

    def _take(self, action: Action, report: Report) -> None:
        table, partition, step = action.table, action.partition, action.step
        if step == "detaching":
            self._on_step(action.name, "begin")
            if not self._begin(table, partition):
                return
            self._on_step(action.name, "detach")
            self._detach(table, partition)
            self._note("note_detached", table, partition)
            step = "detached"
        if step == "detached":
            self._on_step(action.name, "archive")
            manifest = self._archive(table, partition)
            report.archived_rows += manifest.row_count
            report.archived_bytes += manifest.file_bytes
            step = "archived"
        if step == "archived":
            self._on_step(action.name, "verify")
            self._verify(table, partition)
            self._note("note_verified", table, partition)
            step = "verified"
        if step == "verified":
            self._on_step(action.name, "drop")
            self._drop(table, partition)
            self._on_step(action.name, "end")
            self._note("note_dropped", table, partition)
            report.dropped.append(action.name)

    def _begin(self, table: PartitionedTable, partition: Partition) -> bool:
        """Write down that a partition is taken up, and seal its month if it is core's; false if that is forbidden now.

        Batches that are being written are waited for, so that what they mark is seen by the last look at the queues.
        """
        is_allowed = True

        def begin() -> None:
            nonlocal is_allowed
            with self._connection.transaction():
                self._connection.execute(_SQL["hold_writers_of_facts"], {"key": partitions.WRITERS_OF_FACTS})
                is_allowed = self._refusal(table, partition) is None
                if not is_allowed:
                    return
                self._note("begin", table, partition, lower=partition.lower, upper=partition.upper)
                if table.schema == "core":
                    bounds = {"starts_at": _starts_at(partition), "ends_at": snowflake.at(partition.upper)}
                    ids = {"lower": partition.lower, "upper": partition.upper}
                    self._connection.execute(_SQL["seal"], ids | bounds)

        partitions.patiently(self._connection, begin)
        return is_allowed

    def _detach(self, table: PartitionedTable, partition: Partition) -> None:
        """Detach without blocking anybody, or finish what an interrupted detaching left; nothing if it was finished."""
        place = {"table": table.full_name, "partition": table.partition_name(partition.suffix)}
        names = (table.identifier, table.partition(partition.suffix))

        def detach() -> None:
            row = self._connection.execute(_CATALOGUE["attachment"], place).fetchone()
            if row is None:
                return
            how = sql.SQL("finalize" if row[0] else "concurrently")
            self._connection.execute(sql.SQL("alter table {} detach partition {} {}").format(*names, how))

        partitions.patiently(self._connection, detach)

    def _archive(self, table: PartitionedTable, partition: Partition) -> Manifest:
        """Write the file and its manifest, and note both. A file of an interrupted run is written anew."""
        place = table.partition(partition.suffix)
        columns = archive.columns_of(self._connection, place)
        content = archive.content_of(self._connection, place, columns)
        path = self._file(table, partition.suffix)
        archive.write(self._connection, place, sql.SQL("1, 2"), path)
        manifest = Manifest(
            table=table.full_name,
            suffix=partition.suffix,
            lower=partition.lower,
            upper=partition.upper,
            columns=columns,
            row_count=content.row_count,
            content_checksum=content.checksum,
            file=path.name,
            file_bytes=path.stat().st_size,
            file_sha256=archive.sha256_of(path),
        )
        manifest.write(self._manifest_path(table, partition.suffix))
        self._note(
            "note_archived",
            table,
            partition,
            path=path.relative_to(self._directory).as_posix(),
            row_count=manifest.row_count,
            content_checksum=manifest.content_checksum,
            file_sha256=manifest.file_sha256,
            file_bytes=manifest.file_bytes,
        )
        return manifest

    def _verify(self, table: PartitionedTable, partition: Partition) -> None:
        """Read the file back and compare it with the table, row for row by checksum. Raises ``ArchiveError``."""
        manifest = self._sound_manifest(table, partition.suffix)
        place = table.partition(partition.suffix)
        present = archive.content_of(self._connection, place, manifest.columns)
        found = archive.read_back(self._connection, self._file(table, partition.suffix), place)
        if not found == present == manifest.content:
            raise ArchiveError(
                f"the archive of {table.partition_name(partition.suffix)} does not hold what the table does: "
                f"{found.row_count} of {present.row_count} rows were read back, or their content differs. "
                "The table stays; remove the file, and the next run writes it anew."
            )

    def _drop(self, table: PartitionedTable, partition: Partition) -> None:
        statement = sql.SQL("drop table if exists {}").format(table.partition(partition.suffix))
        partitions.patiently(self._connection, partial(_execute, self._connection, statement))

    # Restoring.

    def _restore(self, table: PartitionedTable, partition: Partition) -> Content:
        place = table.partition(partition.suffix)
        named = {"table": table.full_name, "partition": table.partition_name(partition.suffix)}
        manifest = self._sound_manifest(table, partition.suffix)
        if self._connection.execute(_CATALOGUE["attachment"], named).fetchone() is not None:
            # It died between attaching and writing that down.
            return manifest.content
        self._note("note_restoring", table, partition)
        with self._connection.transaction():
            self._connection.execute(sql.SQL("drop table if exists {}").format(place))
            partitions.make_aside(self._connection, table, partition.suffix)
            archive.load(self._connection, self._file(table, partition.suffix), place, manifest.columns)
        found = archive.content_of(self._connection, place, manifest.columns)
        if found != manifest.content:
            raise ArchiveError(f"{manifest.file} does not hold what its manifest says; nothing was attached")
        self._prepare_to_attach(table, partition)
        partitions.patiently(self._connection, lambda: self._attach(table, partition))
        return found

    def _prepare_to_attach(self, table: PartitionedTable, partition: Partition) -> None:
        """Check aside what attaching would otherwise check while others wait: bounds and foreign keys."""
        place = table.partition(partition.suffix)
        key = sql.Identifier("delivery_id" if table.schema in ("raw", "ops") else "tweet_id")
        self._connection.execute(
            sql.SQL("alter table {} add constraint lies_within_bounds check ({} >= {} and {} < {})").format(
                place, key, sql.Literal(partition.lower), key, sql.Literal(partition.upper)
            )
        )
        for name, definition in self._connection.execute(_CATALOGUE["foreign_keys"], {"table": table.full_name}):
            adding = sql.SQL("alter table {} add constraint {} {} not valid").format(
                place,
                sql.Identifier(name),
                sql.SQL(definition),
            )
            partitions.patiently(self._connection, partial(_execute, self._connection, adding))
            self._connection.execute(
                sql.SQL("alter table {} validate constraint {}").format(place, sql.Identifier(name))
            )

    def _attach(self, table: PartitionedTable, partition: Partition) -> None:
        with self._connection.transaction():
            partitions.attach(self._connection, table, partition)
            self._connection.execute(
                sql.SQL("alter table {} drop constraint lies_within_bounds").format(table.partition(partition.suffix))
            )

    def _unseal_if_whole(self, partition: Partition) -> None:
        """Open a month's buckets again once every table of core has it."""
        missing = [
            each
            for each in self._taken_up()
            if each.table.schema == "core" and each.partition == partition and each.step != "restored"
        ]
        if not missing:
            self._connection.execute(_SQL["unseal"], {"lower": partition.lower})

    # Where things are.

    def _file(self, table: PartitionedTable, suffix: str) -> Path:
        return self._directory / table.full_name / f"{suffix}.parquet"

    def _manifest_path(self, table: PartitionedTable, suffix: str) -> Path:
        return self._directory / table.full_name / f"{suffix}.json"

    def _manifest_if_any(self, table: PartitionedTable, suffix: str) -> Manifest | None:
        path = self._manifest_path(table, suffix)
        return Manifest.read(path) if path.exists() else None

    def _sound_manifest(self, table: PartitionedTable, suffix: str) -> Manifest:
        """Return the manifest of a file whose bytes are those that were written. Raises ``ArchiveError``."""
        manifest = Manifest.read(self._manifest_path(table, suffix))
        path = self._file(table, suffix)
        if not path.exists() or archive.sha256_of(path) != manifest.file_sha256:
            raise ArchiveError(f"{path} is missing, or its bytes are not those that were written (SHA-256 differs)")
        return manifest

    # What is remembered.

    def _taken_up(self) -> list[_TakenUp]:
        by_name = {table.full_name: table for table in TABLES}
        rows = self._connection.execute(_SQL["taken_up"]).fetchall()
        return [
            _TakenUp(by_name[name], Partition(suffix, lower, upper), step, keep_until)
            for name, suffix, lower, upper, step, keep_until in rows
        ]

    def _note(self, statement: str, table: PartitionedTable, partition: Partition, **values: Any) -> None:
        self._connection.execute(_SQL[statement], {"table": table.full_name, "suffix": partition.suffix} | values)

    def _count(self, statement: str, parameters: dict[str, Any]) -> int:
        row = self._connection.execute(_SQL[statement], parameters).fetchone()
        return int(row[0]) if row else 0

    @contextmanager
    def _alone(self) -> Iterator[None]:
        row = self._connection.execute(_SQL["try_lock"], {"key": ONE_AT_A_TIME}).fetchone()
        if not row or not row[0]:
            raise AlreadyRunning("another run applies the retention at this moment")
        try:
            yield
        finally:
            if not self._connection.broken:
                self._connection.execute(_SQL["unlock"], {"key": ONE_AT_A_TIME})


_UNDER_WAY = ("detaching", "detached", "archived", "verified")


def _execute(connection: psycopg.Connection[Any], statement: sql.Composed) -> None:
    connection.execute(statement)


def _starts_at(partition: Partition) -> datetime:
    return _BEGINNING if partition.lower == 0 else snowflake.at(partition.lower)


def _told(action: Action | None) -> str | None:
    if action is None:
        return None
    return f"refused: {action.refusal}" if action.refusal else f"due: {_NEXT[action.step]}"


_NEXT = {"detaching": "detach", "detached": "archive", "archived": "verify", "verified": "drop"}


def _entry(table: PartitionedTable, partition: Partition, rows: int, total_bytes: int, next_action: str) -> Entry:
    starts_at = None if partition.lower == 0 else snowflake.at(partition.lower)
    name = table.partition_name(partition.suffix)
    return Entry(table.full_name, name, starts_at, snowflake.at(partition.upper), rows, total_bytes, next_action)
