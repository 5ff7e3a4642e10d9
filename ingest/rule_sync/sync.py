"""Bringing the provider's rules into line with ``core.twitter_rules``.

Belongs here: carrying a plan out, one action at a time, and keeping the history of active periods.
Does not belong here: the comparison (``plan``), adding rules to the table (``ingest.rules``), Dagster.

Every action is followed by what it changes here, at once: a run that dies leaves the rest for the next one. A rule that
the provider refuses stops nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from database import named_sql
from ingest.provider import health
from ingest.provider.protocol import Provider, ProviderFailed, ProviderRule, RuleRefused
from ingest.rule_sync.plan import Action, Add, Adopt, Change, OwnRule, Plan, Remove, followed_handles, plan

ONE_AT_A_TIME = 7_203_103
"""Advisory lock of a run."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "rules.sql")


@dataclass(frozen=True)
class Renamed:
    """A handle in a rule's query that its account no longer carries."""

    zone: str
    tag: str
    handle: str
    profile_id: int
    present_username: str
    since: datetime


@dataclass
class Report:
    """What a run found and did; in a dry run ``done`` says what would be done."""

    own_rules: int = 0
    provider_rules: int = 0
    active: int = 0
    done: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)
    unknown: list[ProviderRule] = field(default_factory=list)
    renamed: list[Renamed] = field(default_factory=list)


class AlreadyRunning(RuntimeError):  # noqa: N818 -- the name says what happened
    """Another run is at work: two would each make the same new rule."""


class RuleSync:
    """Synchronises one source's rules. The connection must be in autocommit mode and belong to ``pipeline``."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        provider: Provider,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection = connection
        self._provider = provider
        self._now = now

    def run(self, *, is_dry_run: bool = False, removes_unknown: bool = False) -> Report:
        """Make the provider's rules ours, or only say what that would take. Idempotent.

        Raises ``ProviderFailed``, and ``AlreadyRunning``.
        """
        with self._alone():
            own_rules = self._own_rules()
            try:
                provider_rules = self._provider.rules()
            except ProviderFailed as failed:
                health.note_failure(self._connection, failed, self._now())
                raise
            wanted = plan(
                own_rules,
                provider_rules,
                believed_active=frozenset(self._column("open_periods")),
                managed_ids=frozenset(self._column("managed_ids")),
                removes_unknown=removes_unknown,
            )
            report = Report(
                own_rules=len(own_rules),
                provider_rules=len(provider_rules),
                active=len(wanted.unchanged_active),
                drift=list(wanted.drift),
                unknown=list(wanted.unknown),
                renamed=self._renamed(own_rules),
            )
            if is_dry_run:
                report.done = [_told(action) for action in wanted.actions]
            else:
                self._carry_out(wanted, report)
        return report

    @contextmanager
    def _alone(self) -> Iterator[None]:
        row = self._connection.execute(_SQL["try_lock"], {"key": ONE_AT_A_TIME}).fetchone()
        if not row or not row[0]:
            raise AlreadyRunning("another run synchronises the rules at this moment")
        try:
            yield
        finally:
            self._connection.execute(_SQL["unlock"], {"key": ONE_AT_A_TIME})

    def _own_rules(self) -> list[OwnRule]:
        rows = self._connection.execute(_SQL["own_rules"], {"source": self._provider.source})
        return [OwnRule(*row) for row in rows]

    def _column(self, statement: str) -> list[Any]:
        return [row[0] for row in self._connection.execute(_SQL[statement], {"source": self._provider.source})]

    def _renamed(self, own_rules: Sequence[OwnRule]) -> list[Renamed]:
        """Find handles that active rules follow and that their accounts have given up: such rules fall silent."""
        follows = [(own, handle) for own in own_rules if own.is_active for handle in followed_handles(own.query)]
        rows = self._connection.execute(_SQL["renamed_handles"], {"handles": [handle for _, handle in follows]})
        given_up = {handle: (profile_id, username, since) for handle, profile_id, username, since in rows}
        return [Renamed(own.zone, own.tag, handle, *given_up[handle]) for own, handle in follows if handle in given_up]

    def _carry_out(self, wanted: Plan, report: Report) -> None:
        self._note_what_is(wanted)
        for action in wanted.actions:
            try:
                report.active += self._do(action)
            except RuleRefused as refused:
                report.refused.append(f"could not {_told(action)}: {refused}")
            else:
                report.done.append(_told(action))
        health.note_success(self._connection, self._provider.source, self._now())

    def _note_what_is(self, wanted: Plan) -> None:
        """Keep the history of periods for what the provider's list alone tells."""
        for own, theirs in wanted.unchanged_active:
            self._open(own, theirs)
        for own in wanted.unchanged_inactive:
            self._close(own, is_ours=False)
        parameters = {"source": self._provider.source, "now": self._now()}
        self._connection.execute(_SQL["close_periods_of_deleted_rules"], parameters)

    def _do(self, action: Action) -> bool:
        """Carry an action out and write down what it changed; return whether a rule is active by it."""
        if isinstance(action, Adopt):
            self._set_external_id(action.own, action.theirs.rule_id)
            return False
        if isinstance(action, Remove):
            self._provider.delete_rule(action.theirs.rule_id)
            return False
        if isinstance(action, Add):
            return self._add(action.own)
        return self._change(action)

    def _add(self, own: OwnRule) -> bool:
        """Make a rule, note its id before anything else can fail, and switch it on where that is needed."""
        self._close(own, is_ours=False)
        made = self._provider.add_rule(own.tag, own.query, own.interval_seconds)
        self._set_external_id(own, made.rule_id)
        if not made.is_active:
            made = self._provider.change_rule(replace(made, is_active=True))
        self._open(own, made)
        return True

    def _change(self, action: Change) -> bool:
        own, theirs = action.own, action.theirs
        target = ProviderRule(theirs.rule_id, own.tag, own.query, own.interval_seconds, own.is_active)
        changed = self._provider.change_rule(target)
        if changed.rule_id != theirs.rule_id:
            self._set_external_id(own, changed.rule_id)
        # Another query is another period, though the rule goes on.
        self._close(own, is_ours=theirs.is_active is not False)
        if own.is_active:
            self._open(own, changed)
        return own.is_active

    def _set_external_id(self, own: OwnRule, external_rule_id: str) -> None:
        parameters = {"rule_id": own.id, "external_rule_id": external_rule_id}
        self._connection.execute(_SQL["set_external_id"], parameters)

    def _open(self, own: OwnRule, theirs: ProviderRule) -> None:
        """Say that a rule is active: its period goes on, or one begins."""
        parameters = {
            "rule_id": own.id,
            "now": self._now(),
            "external_rule_id": theirs.rule_id,
            "query": own.query,
            "interval_seconds": own.interval_seconds,
        }
        if self._connection.execute(_SQL["confirm_period"], parameters).rowcount == 0:
            self._connection.execute(_SQL["open_period"], parameters)

    def _close(self, own: OwnRule, *, is_ours: bool) -> None:
        self._connection.execute(_SQL["close_period"], {"rule_id": own.id, "now": self._now(), "is_ours": is_ours})


def _told(action: Action) -> str:
    """Return what an action does, as an infinitive for a person."""
    if isinstance(action, Remove):
        return f"remove the rule {action.theirs.tag!r} ({action.theirs.rule_id}), which is not in the table"
    name = f"the rule {action.own.tag!r} of the zone {action.own.zone!r}"
    if isinstance(action, Adopt):
        return f"take {name} for the provider's {action.theirs.rule_id}, which says the same"
    if isinstance(action, Add):
        return f"add {name} and switch it on"
    if not action.own.is_active:
        return f"switch {name} off"
    return f"change {name} ({', '.join(action.reasons)})"
