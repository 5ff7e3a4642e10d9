"""What must be done so that the provider's rules are ours: a comparison of two lists.

Belongs here: the difference, action by action, and what in it is worth telling a person.
Does not belong here: the database, the provider, carrying anything out.

The table is the truth. A rule that is as it should be is left alone: changing an unchanged active rule is an error at
twitterapi.io. A rule of ours without the provider's id is first looked for at the provider by tag and query, since a
run may have died between making it and writing its id down; only then is it made.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from ingest.provider.protocol import ProviderRule

_FROM = re.compile(r"(?<![\w:])-?from:@?(\w{1,50})", re.IGNORECASE)


@dataclass(frozen=True)
class OwnRule:
    """A rule as ``core.twitter_rules`` has it. ``is_active``: it is, and so is its zone."""

    id: UUID
    zone: str
    tag: str
    query: str
    interval_seconds: float
    external_rule_id: str | None
    is_active: bool


@dataclass(frozen=True)
class Add:
    """Make a rule at the provider and activate it."""

    own: OwnRule


@dataclass(frozen=True)
class Change:
    """Give a rule at the provider the values of ours. ``reasons``: which of them differ."""

    own: OwnRule
    theirs: ProviderRule
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Adopt:
    """Write down the id of a rule that the provider has already; a ``Change`` may follow."""

    own: OwnRule
    theirs: ProviderRule


@dataclass(frozen=True)
class Remove:
    """Delete a rule at the provider that is not in the table (any more)."""

    theirs: ProviderRule


Action = Adopt | Add | Change | Remove


@dataclass(frozen=True)
class Plan:
    """The actions, in order; the rules that are active at the provider and stay so; and what drifted.

    ``drift`` are sentences about what somebody else changed at the provider, ``unknown`` the provider's rules that
    are not in the table.
    """

    actions: tuple[Action, ...] = ()
    unchanged_active: tuple[tuple[OwnRule, ProviderRule], ...] = ()
    unchanged_inactive: tuple[OwnRule, ...] = ()
    unknown: tuple[ProviderRule, ...] = ()
    drift: tuple[str, ...] = ()


@dataclass
class _Plan:
    adoptions: list[Action] = field(default_factory=list)
    changes: list[Action] = field(default_factory=list)
    active: list[tuple[OwnRule, ProviderRule]] = field(default_factory=list)
    inactive: list[OwnRule] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)


def plan(
    own_rules: Sequence[OwnRule],
    provider_rules: Sequence[ProviderRule],
    *,
    believed_active: Collection[UUID] = frozenset(),
    managed_ids: Collection[str] = frozenset(),
    removes_unknown: bool = False,
) -> Plan:
    """Return what to do.

    ``believed_active``: which of our rules were active when the provider was last seen. ``managed_ids``: the
    provider's ids of rules that are or were ours. One that is in the table no longer was deleted here, and goes; any
    other stranger is only reported, unless ``removes_unknown``.
    """
    by_id = {rule.rule_id: rule for rule in provider_rules}
    taken = {rule.external_rule_id for rule in own_rules if rule.external_rule_id is not None}
    strays = [rule for rule in provider_rules if rule.rule_id not in taken]
    made = _Plan()
    for own in sorted(own_rules, key=lambda rule: (rule.zone, rule.tag)):
        theirs = by_id.get(own.external_rule_id or "")
        if theirs is None:
            theirs = _adoptable(own, strays)
            if theirs is not None:
                strays.remove(theirs)
                made.adoptions.append(Adopt(own, theirs))
        was_active = own.id in believed_active
        if theirs is None:
            _without(own, made, was_active=was_active)
        else:
            _compare(own, theirs, made, was_active=was_active)
    removals = [Remove(rule) for rule in strays if removes_unknown or rule.rule_id in managed_ids]
    return Plan(
        actions=(*made.adoptions, *made.changes, *removals),
        unchanged_active=tuple(made.active),
        unchanged_inactive=tuple(made.inactive),
        unknown=tuple(rule for rule in strays if rule.rule_id not in managed_ids),
        drift=tuple(made.drift),
    )


def _adoptable(own: OwnRule, strays: Sequence[ProviderRule]) -> ProviderRule | None:
    return next((rule for rule in strays if (rule.tag, rule.query) == (own.tag, own.query)), None)


def _without(own: OwnRule, made: _Plan, *, was_active: bool) -> None:
    """Plan for a rule that the provider does not have."""
    if was_active:
        made.drift.append(f"{_name(own)} was active and is gone at the provider")
    if own.is_active:
        made.changes.append(Add(own))
    else:
        made.inactive.append(own)


def _compare(own: OwnRule, theirs: ProviderRule, made: _Plan, *, was_active: bool) -> None:
    """Plan for a rule that both sides have."""
    is_active = was_active if theirs.is_active is None else theirs.is_active
    if was_active and not is_active:
        made.drift.append(f"{_name(own)} was active and has been switched off at the provider")
    differing = [
        name
        for name, differs in (
            ("tag", own.tag != theirs.tag),
            ("query", own.query != theirs.query),
            ("interval", theirs.interval_seconds is not None and own.interval_seconds != theirs.interval_seconds),
            ("activity", own.is_active != is_active),
        )
        if differs
    ]
    if not own.is_active and not is_active:
        # What a rule says that delivers nothing is of no consequence; it is put right when it is switched on.
        made.inactive.append(own)
    elif differing:
        made.changes.append(Change(own, theirs, tuple(differing)))
    else:
        made.active.append((own, theirs))


def _name(own: OwnRule) -> str:
    return f"the rule {own.tag!r} of the zone {own.zone!r}"


def followed_handles(query: str) -> tuple[str, ...]:
    """Return the handles, in lower case, that a query follows by ``from:``; one that is excluded is not followed."""
    return tuple(
        dict.fromkeys(found.group(1).lower() for found in _FROM.finditer(query) if not found.group().startswith("-"))
    )
