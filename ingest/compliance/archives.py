"""Archived partitions without what was erased: files, manifests and what the database notes of them.

Belongs here: finding an author's tweets in archives, rewriting files row by row, looking whether anything is left.
Does not belong here: when a partition is archived or restored (``database.retention``), the file's form (``archive``).

A file is replaced as a whole, then its manifest, then the note in the database: an erasure that dies in between leaves
a file that its manifest does not vouch for, which nobody restores, and is simply asked for again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as parquet
from psycopg import sql

from database import archive, named_sql, normal_forms
from database.archive import Manifest
from database.codec import NO_DICTIONARY, Codec, UnreadableFrameError
from ingest.compliance.redact import HANDLE, TWEET, USER, BlockList

TWEETS, ENTITIES, DELIVERIES = "core.twitter_tweets", "core.twitter_entities", "raw.deliveries"

Row = dict[str, Any]


@dataclass(frozen=True)
class Sought:
    """What must not be found: ids, handles in lower case, a zone's id, and a pattern of bodies and texts."""

    numbers: frozenset[int]
    handles: frozenset[str]
    zone: str | None
    pattern: re.Pattern[bytes] | None

    def is_in(self, text: bytes) -> bool:
        """Tell whether a body or a text holds any of it."""
        return self.pattern is not None and self.pattern.search(text) is not None


_SQL = named_sql.statements(Path(__file__).parent / "sql" / "archives.sql")
_REFERENCES = ("in_reply_to_tweet_id", "quoted_tweet_id", "conversation_id")


class Archives:
    """The archives in a directory. The connection is the owner's, in autocommit mode."""

    def __init__(self, connection: psycopg.Connection[Any], directory: Path, codec: Codec) -> None:
        self._connection = connection
        self._directory = directory
        self._codec = codec

    def manifests(self) -> list[tuple[Path, Manifest]]:
        """Return every manifest with its path."""
        return [(path, Manifest.read(path)) for path in sorted(self._directory.glob("*/*.json"))]

    def tweets_of(self, user_ids: set[int], tweet_ids: set[int]) -> set[int]:
        """Return the ids of the archived tweets of some accounts, and of the retweets of these and of ``tweet_ids``."""
        found = {row["tweet_id"] for row in self._tweets("author_profile_id") if row["author_profile_id"] in user_ids}
        originals = found | tweet_ids
        retweets = self._tweets("retweeted_tweet_id")
        return found | {row["tweet_id"] for row in retweets if row["retweeted_tweet_id"] in originals}

    def _tweets(self, column: str) -> Iterator[Row]:
        for path, manifest in self.manifests():
            if manifest.table == TWEETS:
                with parquet.ParquetFile(path.parent / manifest.file) as file:
                    for number in range(file.num_row_groups):
                        yield from file.read_row_group(number, columns=["tweet_id", column]).to_pylist()

    def rewrite(self, named: BlockList, zone: str | None = None) -> dict[str, int]:
        """Rewrite every file that holds something of the list, or a link to a zone that goes.

        Return by table how many rows were changed or went.
        """
        changed: dict[str, int] = {}
        for path, manifest in self.manifests():
            count = self._rewrite(path, manifest, self._change_of(manifest.table, named, zone))
            if count:
                changed[manifest.table] = changed.get(manifest.table, 0) + count
        return changed

    def _rewrite(self, path: Path, manifest: Manifest, change: Callable[[Row], Row | None]) -> int:
        file = path.parent / manifest.file
        unfinished = file.with_suffix(".unfinished")
        count = 0
        with (
            parquet.ParquetFile(file) as old,
            parquet.ParquetWriter(unfinished, old.schema_arrow, compression="zstd") as new,
        ):
            for number in range(old.num_row_groups):
                before = old.read_row_group(number).to_pylist()
                after = [change(row) for row in before]
                count += sum(one != other for one, other in zip(before, after, strict=True))
                new.write_table(pa.Table.from_pylist([row for row in after if row is not None], old.schema_arrow))
        if not count:
            unfinished.unlink()
            return 0
        archive.settle(unfinished, file)
        content = self._content_of(file, manifest)
        rewritten = replace(
            manifest,
            row_count=content.row_count,
            content_checksum=content.checksum,
            file_bytes=file.stat().st_size,
            file_sha256=archive.sha256_of(file),
        )
        rewritten.write(path)
        self._connection.execute(
            _SQL["note_rewritten"],
            {
                "row_count": rewritten.row_count,
                "content_checksum": rewritten.content_checksum,
                "file_sha256": rewritten.file_sha256,
                "file_bytes": rewritten.file_bytes,
                "table_name": rewritten.table,
                "suffix": rewritten.suffix,
            },
        )
        return count

    def _content_of(self, file: Path, manifest: Manifest) -> archive.Content:
        """Return what a file holds, as PostgreSQL counts it: by the columns that it was archived with."""
        scratch = sql.Identifier("rewritten_archive")
        with self._connection.transaction():
            self._connection.execute(
                sql.SQL("create temp table {} (like {} including generated) on commit drop").format(
                    scratch, sql.Identifier(*manifest.table.split("."))
                )
            )
            archive.load(self._connection, file, scratch, manifest.columns)
            return archive.content_of(self._connection, scratch, manifest.columns)

    def _change_of(self, table: str, named: BlockList, zone: str | None) -> Callable[[Row], Row | None]:
        """Return what is to become of a row of a table; ``None`` for one that goes."""

        def change(row: Row) -> Row | None:
            if named.has(TWEET, row.get("tweet_id")) or (zone is not None and row.get("zone_id") == zone):
                return None
            if table == TWEETS:
                return None if named.has(USER, row["author_profile_id"]) else _tweet_of_another(row, named)
            if table == ENTITIES:
                return _entity_of_another(row, named)
            if table == DELIVERIES:
                return self._delivery(row, named)
            return row

        return change

    def _delivery(self, row: Row, named: BlockList) -> Row:
        try:
            redacted = named.redact(self._codec.decompress(row["body"], row["dictionary_id"]))
        except UnreadableFrameError:
            return row
        if redacted is None:
            return row
        frame = Codec({}, NO_DICTIONARY).compress(redacted)
        return {**row, "body": frame, "body_bytes": len(redacted), "dictionary_id": NO_DICTIONARY}

    def search(self, sought: Sought, findings: list[str]) -> dict[str, int]:
        """Look through every file; append where something was found, return how many rows were read by table."""
        searched: dict[str, int] = {}
        for path, manifest in self.manifests():
            with parquet.ParquetFile(path.parent / manifest.file) as file:
                for number in range(file.num_row_groups):
                    rows = file.read_row_group(number).to_pylist()
                    place = f"archive {manifest.table}"
                    searched[place] = searched.get(place, 0) + len(rows)
                    found = sum(self._holds(row, sought) for row in rows)
                    if found:
                        findings.append(f"the archive {path.parent.name}/{manifest.file}: {found} rows")
        return searched

    def _holds(self, row: Row, sought: Sought) -> bool:
        return any(self._is_sought(name, value, row, sought) for name, value in row.items())

    def _is_sought(self, name: str, value: object, row: Row, sought: Sought) -> bool:
        if isinstance(value, int):
            return name.endswith("_id") and value in sought.numbers
        if isinstance(value, str):
            return value.lower() in sought.handles or value == sought.zone or sought.is_in(value.encode())
        if isinstance(value, bytes):
            try:
                return sought.is_in(self._codec.decompress(value, row["dictionary_id"]))
            except UnreadableFrameError:
                return False
        return False


def _tweet_of_another(row: Row, named: BlockList) -> Row:
    references = {name: None if named.has(TWEET, row[name]) else row[name] for name in _REFERENCES}
    username = row["in_reply_to_username"]
    return {
        **row,
        **references,
        "text": named.without_mentions(row["text"]),
        "in_reply_to_user_id": None if named.has(USER, row["in_reply_to_user_id"]) else row["in_reply_to_user_id"],
        "in_reply_to_username": named.pseudonym(username) if username and named.has(HANDLE, username) else username,
    }


def _entity_of_another(row: Row, named: BlockList) -> Row:
    value = row["entity_value"]
    if row["entity_type"] == "mention" and (named.has(USER, row["mentioned_user_id"]) or named.has(HANDLE, value)):
        pseudonym = named.pseudonym(value)
        normalized = normal_forms.mention(pseudonym)
        return {**row, "entity_value": pseudonym, "entity_normalized": normalized, "mentioned_user_id": None}
    if row["entity_type"] == "url":
        link = named.without_mentions(value)
        return row if link == value else {**row, "entity_value": link, "entity_normalized": normal_forms.url(link)}
    return row
