"""Erasing an author, a tweet or a zone everywhere, and the certificate that nothing is left.

Belongs here: whom a request means, the order in which places are cleaned, the search afterwards.
Does not belong here: how a body is rewritten (``redact``), building the marts, caches.

The order matters. The block list comes first and is waited for: whatever is delivered or being written then is read
without the erased. Then raw deliveries and archives are rewritten, and the rows of ``core`` go, with what others wrote
pseudonymised, in one transaction whose marks retract the marts at their next build. The certificate is made after that
build. All of it may be repeated: an erasure that was interrupted is simply asked for again.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from database import named_sql, normal_forms
from database.codec import Codec, UnreadableFrameError
from ingest.compliance import block_list
from ingest.compliance.archives import Archives, Sought
from ingest.compliance.block_list import Key
from ingest.compliance.redact import HANDLE, TWEET, USER, BlockList
from ingest.errors import InvalidRequestError

PAGE = 200
"""Deliveries that are looked through and rewritten in one transaction."""

PATIENCE_SECONDS = 600.0
"""How long transactions are waited for that began before the block list was committed."""

SHORTEST_TEXT = 12
"""Characters of a text that is searched for as such: shorter ones ("ok!") stand in many tweets of others."""

SEARCHED_ID_DIGITS = 8
"""Shorter numbers are looked for as ids only, not anywhere in a body: they are counts as well."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "erase.sql")
_CLAIM_SQL = named_sql.statements(Path(__file__).parents[1] / "normalise" / "sql" / "claim.sql")

_DELETIONS: tuple[LiteralString, ...] = (
    "delete_links", "delete_entities", "delete_history", "delete_metrics", "delete_raw_objects", "delete_events",
    "delete_edits", "delete_absences", "delete_tweets", "delete_profile_events", "delete_profile_snapshots",
    "delete_profile_absences", "delete_profiles", "delete_profile_marks", "delete_audit",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """Whom or what to erase: an author by id or handle, a tweet by id, or a zone by name. Exactly one of the kinds."""

    author_id: int | None = None
    handle: str | None = None
    tweet_id: int | None = None
    zone: str | None = None

    @property
    def kind(self) -> str:
        """Return what the request is about. Raises ``InvalidRequestError`` unless it is about one thing."""
        given = {
            "author": self.author_id is not None or bool(self.handle),
            "tweet": self.tweet_id is not None,
            "zone": bool(self.zone),
        }
        chosen = [kind for kind, is_given in given.items() if is_given]
        if len(chosen) != 1:
            raise InvalidRequestError(
                "say one thing to erase: an author (id or handle), a tweet's id, or a zone's name"
            )
        return chosen[0]


@dataclass
class Subject:
    """What a request means in this database at this moment."""

    kind: str
    user_ids: set[int] = field(default_factory=set)
    handles: set[str] = field(default_factory=set)
    tweet_ids: set[int] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    authors: set[int] = field(default_factory=set)
    zone_id: UUID | None = None

    @property
    def keys(self) -> list[Key]:
        """Return what bodies are searched for."""
        return [
            *((USER, str(user_id)) for user_id in sorted(self.user_ids)),
            *((HANDLE, handle) for handle in sorted(self.handles)),
            *((TWEET, str(tweet_id)) for tweet_id in sorted(self.tweet_ids)),
        ]

    @property
    def mention_pattern(self) -> str | None:
        """Return a PostgreSQL pattern of texts that mention the erased or link to them."""
        if not self.handles:
            return None
        return rf"([@＠]|(twitter|x)\.com/)({'|'.join(sorted(self.handles))})(?![A-Za-z0-9_])"

    @property
    def zone(self) -> str | None:
        """Return the zone's id as text."""
        return None if self.zone_id is None else str(self.zone_id)

    @property
    def sought(self) -> Sought:
        """Return what a file or a cache must not hold."""
        numbers = frozenset(self.user_ids | self.tweet_ids)
        return Sought(numbers, frozenset(self.handles), self.zone, _needles(self))

    @property
    def any_pattern(self) -> str:
        """Return a PostgreSQL pattern of texts that name the erased in any way."""
        numbers = "|".join(str(number) for number in sorted(self.user_ids | self.tweet_ids))
        words = "|".join(sorted(self.handles))
        return rf"\m({'|'.join(part for part in (numbers, words) if part)})\M"


@dataclass(frozen=True)
class Certificate:
    """Where was looked, with how many rows or files, and what was found there: nothing, if it is a good one."""

    erasure_id: int
    searched: dict[str, int]
    findings: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing was found."""
        return not self.findings


class Eraser:
    """Erasures through one connection, which must be in autocommit mode and belong to the owner of the database."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        archive_directory: Path,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._sleep = sleep
        self._codec = Codec(dict(connection.execute(_CLAIM_SQL["dictionaries"]).fetchall()))
        self._archives = Archives(connection, archive_directory, self._codec)
        connection.execute(_SQL["create_tables"])

    def resolve(self, request: Request) -> Subject:
        """Find what a request means; nothing is changed but temporary tables."""
        subject = Subject(request.kind)
        self._connection.execute(_SQL["empty_tables"])
        if subject.kind == "author":
            self._choose_author(request, subject)
        elif subject.kind == "tweet":
            self._connection.execute(_SQL["choose_tweet"], {"tweet_id": request.tweet_id})
        else:
            row = self._connection.execute(_SQL["zone_named"], {"zone": request.zone}).fetchone()
            if row is None:
                raise InvalidRequestError(f"there is no zone {request.zone!r}")
            subject.zone_id = row[0]
            self._connection.execute(_SQL["choose_tweets_of_zone"], {"zone_id": subject.zone_id})
        self._connection.execute(_SQL["choose_retweets"])
        if subject.kind != "zone":
            self._choose_archived(subject, request)
        for tweet_id, text, author in self._connection.execute(_SQL["chosen"]):
            subject.tweet_ids.add(tweet_id)
            if text is not None and len(text) >= SHORTEST_TEXT:
                subject.texts.add(text)
            if author is not None:
                subject.authors.add(author)
        subject.texts -= {
            text for (text,) in self._connection.execute(_SQL["texts_of_others"], {"texts": sorted(subject.texts)})
        }
        return subject

    def _choose_archived(self, subject: Subject, request: Request) -> None:
        """Choose what left ``core`` with its month as well: its retweets and answers may still be here."""
        named = {request.tweet_id} if request.tweet_id is not None else set()
        for tweet_id in self._archives.tweets_of(subject.user_ids, named):
            self._connection.execute(_SQL["choose_tweet"], {"tweet_id": tweet_id})

    def _choose_author(self, request: Request, subject: Subject) -> None:
        if request.author_id is not None:
            subject.user_ids.add(request.author_id)
        if request.handle:
            handle = request.handle.lstrip("@")
            if not re.fullmatch(r"[A-Za-z0-9_]{1,15}", handle):
                raise InvalidRequestError(f"{request.handle!r} is no handle")
            subject.handles.add(handle.lower())
            if request.author_id is None:
                found = self._connection.execute(_SQL["profiles_named"], {"handle": handle}).fetchall()
                if len(found) != 1:
                    raise InvalidRequestError(
                        f"{len(found)} accounts carry the handle {handle!r}: give the account's id (author_id)"
                    )
                subject.user_ids.add(found[0][0])
        for user_id in subject.user_ids:
            rows = self._connection.execute(_SQL["handles_of"], {"user_id": user_id})
            handles = {handle.lower() for (handle,) in rows}
            subject.handles |= {handle for handle in handles if re.fullmatch(r"[a-z0-9_]{1,15}", handle)}
            self._connection.execute(_SQL["choose_user"], {"user_id": user_id})
        self._connection.execute(_SQL["choose_tweets_of_users"])

    def count(self, request: Request) -> dict[str, int]:
        """Say what an erasure would touch; a dry run."""
        subject = self.resolve(request)
        named = block_list.of(self._connection, subject.keys)
        deliveries = sum(named.redact(body) is not None for _, body in self._bodies())
        others = self._connection.execute(_SQL["tweets_of_others"], _others(subject)).fetchall()
        return {
            "accounts": len(subject.user_ids),
            "tweets": len(subject.tweet_ids),
            "deliveries_to_rewrite": deliveries,
            "tweets_of_others_that_name_them": sum(row[0] not in subject.tweet_ids for row in others),
        }

    def erase(self, request: Request, *, reason: str, requested_by: str) -> tuple[int, Subject]:
        """Erase; return the erasure's number and what it was about. The certificate comes once the marts are built."""
        subject = self.resolve(request)
        with self._connection.transaction():
            erasure_id = self._begin(subject, request, reason, requested_by)
            if subject.kind != "zone":
                block_list.add(self._connection, subject.keys)
        self._wait_for_older_ones()
        # What was being written meanwhile is there now.
        again = self.resolve(request)
        again.handles |= subject.handles
        again.texts |= subject.texts
        again.tweet_ids |= subject.tweet_ids
        if again.kind != "zone":
            with self._connection.transaction():
                block_list.add(self._connection, again.keys)
        named = block_list.of(self._connection, again.keys)
        rewritten = self._rewrite_deliveries(named, f"erasure {erasure_id}")
        archived = self._archives.rewrite(named, subject.zone)
        with self._connection.transaction():
            removed = self._remove(again, named, rewritten)
            removed |= {"deliveries_rewritten": len(rewritten)}
            removed |= {f"archive {table}": count for table, count in archived.items()}
            self._connection.execute(_SQL["note_erased"], {"removed": Jsonb(removed), "erasure_id": erasure_id})
        return erasure_id, again

    def _begin(self, subject: Subject, request: Request, reason: str, requested_by: str) -> int:
        hashing = block_list.of(self._connection, ())
        about = str(subject.zone_id or request.tweet_id or min(subject.user_ids))
        row = self._connection.execute(
            _SQL["begin_erasure"],
            {
                "kind": subject.kind,
                "subject_hash": hashing.hash_of(subject.kind, about),
                "reason": reason,
                "requested_by": requested_by,
            },
        ).fetchone()
        assert row is not None  # noqa: S101 -- an insert that returns
        return int(row[0])

    def _wait_for_older_ones(self) -> None:
        """Wait until every transaction has ended that may not have seen the block list."""
        (transaction,) = self._connection.execute(_SQL["next_transaction"]).fetchone() or ("0",)
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            row = self._connection.execute(_SQL["are_older_ones_over"], {"transaction": transaction}).fetchone()
            if row and row[0]:
                return
            if time.monotonic() > until:
                raise TimeoutError(
                    f"a transaction has been open for {PATIENCE_SECONDS:.0f} s (see pg_stat_activity): end it, then "
                    "ask for the erasure again"
                )
            self._sleep(0.1)

    def _bodies(self) -> Iterator[tuple[int, bytes]]:
        """Yield every delivery, decompressed; a frame that cannot be read holds nothing that anybody could."""
        after = 0
        while True:
            page = self._connection.execute(
                _SQL["page_of_deliveries"], {"after": after, "limit": PAGE}, binary=True
            ).fetchall()
            for delivery_id, dictionary_id, frame in page:
                try:
                    yield delivery_id, self._codec.decompress(frame, dictionary_id)
                except UnreadableFrameError:
                    continue
            if len(page) < PAGE:
                return
            after = page[-1][0]

    def _rewrite_deliveries(self, named: BlockList, reason: str) -> list[int]:
        rewritten = []
        for delivery_id, body in self._bodies():
            redacted = named.redact(body)
            if redacted is not None:
                with self._connection.transaction():
                    block_list.rewrite_delivery(self._connection, delivery_id, redacted, reason)
                rewritten.append(delivery_id)
        return rewritten

    def _remove(self, subject: Subject, named: BlockList, rewritten: list[int]) -> dict[str, int]:
        removed: dict[str, int] = {}
        run = self._connection.execute
        run(_SQL["lock_tweets"])
        if subject.zone_id is not None:
            removed["zone_links"] = run(_SQL["delete_zone_links"], {"zone_id": subject.zone_id}).rowcount
        removed["dead_letters"] = run(_SQL["empty_letters"]).rowcount
        run(_SQL["rewrite_letters"], {"rewritten": rewritten, "pattern": subject.any_pattern})
        removed |= self._pseudonymise(subject, named)
        for name in _DELETIONS:
            if name == "delete_profile_events" and subject.zone_id is not None:
                self._choose_profiles_left(subject)
            removed[name.removeprefix("delete_")] = run(_SQL[name]).rowcount
        if subject.zone_id is not None:
            for name in ("delete_rules_of_zone", "delete_periods_of_zone"):
                removed[name.removeprefix("delete_")] = run(_SQL[name], {"zone_id": subject.zone_id}).rowcount
            self._delete_by_zone(subject.zone_id)
            run(_SQL["delete_zone"], {"zone_id": subject.zone_id})
        if self._is_anything_counted():
            removed["sealed_counts"] = run(_SQL["delete_sealed_counts"], {"zone_id": subject.zone_id}).rowcount
            run(_SQL["forget_sealed_mentions"], {"mentions": _mentions(subject)})
        run(_SQL["delete_suppression_marks"])
        run("update ops.suppression_state set changed_at = clock_timestamp()")
        return removed

    def _choose_profiles_left(self, subject: Subject) -> None:
        """Choose the accounts that only the erased zone knew."""
        self._connection.execute(_SQL["profiles_without_tweets"], {"authors": sorted(subject.authors)})
        if self._is_anything_counted():
            self._connection.execute(_SQL["spare_profiles_of_sealed_months"], {"zone_id": subject.zone_id})

    def _is_anything_counted(self) -> bool:
        return self._connection.execute(_SQL["is_anything_counted"]).fetchone() == (True,)

    def _pseudonymise(self, subject: Subject, named: BlockList) -> dict[str, int]:
        """Take the erased out of what others wrote: texts, answers, mentions, links, and what accounts say."""
        others = _others(subject)
        tweets = [
            row for row in self._connection.execute(_SQL["tweets_of_others"], others) if row[0] not in subject.tweet_ids
        ]
        self._connection.execute(
            _SQL["rewrite_tweets_of_others"],
            {
                "tweet_ids": [tweet_id for tweet_id, _, _ in tweets],
                "texts": [named.without_mentions(text) for _, text, _ in tweets],
                "usernames": [_pseudonymous(named, username) for _, _, username in tweets],
            },
        )
        entities = [
            (tweet_id, ordinal, *_pseudonymous_entity(named, entity_type, value))
            for tweet_id, ordinal, entity_type, value in self._connection.execute(_SQL["entities_of_others"], others)
            if tweet_id not in subject.tweet_ids
        ]
        self._connection.execute(
            _SQL["rewrite_entities_of_others"],
            {
                "tweet_ids": [row[0] for row in entities],
                "ordinals": [row[1] for row in entities],
                "values": [row[2] for row in entities],
                "normalized": [row[3] for row in entities],
            },
        )
        profiles = self._connection.execute(_SQL["profiles_of_others"], others).fetchall()
        for user_id, description in profiles:
            parameters = {"user_id": user_id, "description": named.without_mentions(description)}
            self._connection.execute(_SQL["rewrite_profile_of_others"], parameters)
        return {"tweets_of_others": len(tweets), "mentions_by_others": len(entities)}

    def _delete_by_zone(self, zone_id: UUID) -> None:
        """Delete what the pipeline noted about a zone, but not the marks, which empty the marts."""
        for schema, table, column, type_name in self._columns():
            is_note = schema == "ops" and column == "zone_id" and type_name == "uuid"
            if is_note and not table.endswith(("__marks", "__claims", "__touched")):
                statement = sql.SQL("delete from {} where zone_id = %s").format(sql.Identifier(schema, table))
                self._connection.execute(statement, (zone_id,))

    def certify(
        self,
        erasure_id: int,
        subject: Subject,
        *,
        searched: Mapping[str, int] | None = None,
        findings: Sequence[str] = (),
    ) -> Certificate:
        """Look everywhere for what was erased, write the certificate and return it. The marts must have been built.

        ``searched`` and ``findings`` are of places that only the caller knows, such as caches.
        """
        self._forget_claims(subject)
        searched, findings = dict(searched or {}), list(findings)
        for place, count in self._search_tables(subject, findings):
            searched[place] = searched.get(place, 0) + count
        searched["raw.deliveries.body"] = self._search_bodies(subject, findings)
        searched |= self._archives.search(subject.sought, findings)
        if subject.handles:
            pattern = rf"(^|[^A-Za-z0-9_])({'|'.join(sorted(subject.handles))})($|[^A-Za-z0-9_])"
            for zone, tag in self._connection.execute(_SQL["rules_that_name"], {"pattern": pattern}):
                findings.append(f"the rule {tag!r} of the zone {zone!r} asks for a handle that was erased: change it")
        certificate = Certificate(erasure_id, searched, tuple(findings))
        self._connection.execute(
            _SQL["note_certificate"],
            {"erasure_id": erasure_id, "searched": Jsonb(searched), "findings": Jsonb(list(findings))},
        )
        return certificate

    def _forget_claims(self, subject: Subject) -> None:
        """Empty the notes of which buckets were rebuilt or changed of late, as far as they name what was erased."""
        named: dict[str, list[Any]] = {
            "author_profile_id": sorted(subject.user_ids),
            "profile_id": sorted(subject.user_ids),
            "tweet_id": sorted(subject.tweet_ids),
            "entity_value": _mentions(subject),
            "zone_id": [] if subject.zone_id is None else [subject.zone_id],
        }
        for schema, table, column, _ in self._columns():
            if schema == "ops" and table.endswith(("__claims", "__touched")) and named.get(column):
                statement = sql.SQL("delete from {} where {} = any(%s)")
                names = (sql.Identifier(schema, table), sql.Identifier(column))
                with self._connection.transaction():
                    self._connection.execute(_SQL["wait_for_verification"], {"mart": table.rpartition("__")[0]})
                    self._connection.execute(statement.format(*names), (named[column],))

    def _columns(self) -> list[tuple[str, str, str, str]]:
        return self._connection.execute(_SQL["columns"]).fetchall()

    def _search_tables(self, subject: Subject, findings: list[str]) -> Iterator[tuple[str, int]]:
        ids = sorted(subject.user_ids | subject.tweet_ids)
        words = [*(str(number) for number in ids), *sorted(subject.handles)]
        texts = sorted(subject.texts)
        for schema, table, column, type_name in self._columns():
            condition = _condition(column, type_name, subject)
            if condition is None:
                continue
            name = f"{schema}.{table}.{column}"
            statement = sql.SQL("select count(*), count(*) filter (where {}) from {}").format(
                condition.format(column=sql.Identifier(column)), sql.Identifier(schema, table)
            )
            parameters = {
                "ids": ids,
                "words": words,
                "texts": texts,
                "pattern": subject.mention_pattern or "$^",
                "zone_id": subject.zone_id,
            }
            count, found = self._connection.execute(statement, parameters).fetchone() or (0, 0)
            if found:
                findings.append(f"{name}: {found} of {count} rows")
            yield name, count

    def _search_bodies(self, subject: Subject, findings: list[str]) -> int:
        sought = subject.sought
        count = 0
        for delivery_id, body in self._bodies():
            count += 1
            if sought.is_in(body):
                findings.append(f"raw.deliveries.body: the delivery {delivery_id} holds something that was erased")
        return count


def _others(subject: Subject) -> dict[str, Any]:
    return {"pattern": subject.mention_pattern, "handles": sorted(subject.handles)}


def _mentions(subject: Subject) -> list[str]:
    """Return the handles as the marts have them."""
    return sorted(normal_forms.mention(handle) for handle in subject.handles)


def _pseudonymous(named: BlockList, username: str | None) -> str | None:
    return named.pseudonym(username) if username is not None and named.has(HANDLE, username) else username


def _pseudonymous_entity(named: BlockList, entity_type: str, value: str) -> tuple[str, str]:
    if entity_type == "mention":
        pseudonym = named.pseudonym(value)
        return pseudonym, normal_forms.mention(pseudonym)
    link = named.without_mentions(value)
    return link, normal_forms.url(link)


def _condition(column: str, type_name: str, subject: Subject) -> sql.SQL | None:
    """Return how a column is searched; ``None`` for one that cannot hold what was erased."""
    is_id = column.endswith(("_id", "_ids"))
    if type_name == "uuid":
        return sql.SQL("{column} = %(zone_id)s") if subject.zone_id is not None and column == "zone_id" else None
    if type_name == "int8":
        return sql.SQL("{column} = any(%(ids)s::bigint[])") if is_id else None
    if type_name == "_int8":
        return sql.SQL("{column} && %(ids)s::bigint[]") if is_id else None
    if type_name == "_text":
        return sql.SQL("{column} && %(words)s::text[]")
    if type_name in ("json", "jsonb"):
        return sql.SQL("{column}::text ~* %(pattern)s")
    return sql.SQL(
        "lower({column}) = any(%(words)s::text[]) or {column} ~* %(pattern)s or {column} = any(%(texts)s::text[])"
    )


def _needles(subject: Subject) -> re.Pattern[bytes] | None:
    """Return a pattern of whatever must not stand in a body: ids, mentions, fields with the handle, whole texts."""
    parts: list[str] = []
    numbers = sorted(subject.user_ids | subject.tweet_ids)
    long = [str(number) for number in numbers if len(str(number)) >= SEARCHED_ID_DIGITS]
    short = [str(number) for number in numbers if len(str(number)) < SEARCHED_ID_DIGITS]
    if long:
        parts.append(rf"(?<!\d)(?:{'|'.join(long)})(?!\d)")
    if short:
        parts.append(rf"[iI]d(?:_str)?\"\s*:\s*\"?(?:{'|'.join(short)})(?!\d)")
    if subject.handles:
        parts.append(rf"(?:@|\.com\\?/|\"\s*:\s*\")(?:{'|'.join(sorted(subject.handles))})(?![A-Za-z0-9_])")
    for text in sorted(subject.texts):
        as_written = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        parts.extend(re.escape(written) for written in sorted(as_written))
    return re.compile("|".join(parts).encode(errors="replace"), re.IGNORECASE) if parts else None


def as_lines(figures: dict[str, int]) -> Sequence[str]:
    """Return figures for people, one a line, without those that are zero."""
    return [f"{name.replace('_', ' ')}: {count}" for name, count in figures.items() if count]
