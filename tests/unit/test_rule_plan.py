"""The comparison of our rules with the provider's: no database, no provider."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ingest.provider.protocol import ProviderRule
from ingest.rule_sync.plan import Add, Adopt, Change, OwnRule, Plan, Remove, followed_handles, plan

OWN = OwnRule(UUID(int=1), "kelmora", "weather", "storm OR rain", 60.0, "r1", is_active=True)
THEIRS = ProviderRule("r1", "weather", "storm OR rain", 60.0, is_active=True)


def test_a_rule_that_is_as_it_should_be_is_left_alone() -> None:
    """Changing an unchanged active rule is an error at the provider."""
    assert plan([OWN], [THEIRS]) == Plan(unchanged_active=((OWN, THEIRS),))


def test_a_rule_that_the_provider_does_not_have_is_added() -> None:
    new = replace(OWN, external_rule_id=None)
    assert plan([new], []).actions == (Add(new),)


def test_a_rule_that_is_gone_at_the_provider_is_added_again_and_told() -> None:
    made = plan([OWN], [], believed_active={OWN.id})
    assert made.actions == (Add(OWN),)
    assert made.drift == ("the rule 'weather' of the zone 'kelmora' was active and is gone at the provider",)


def test_what_differs_is_changed_and_named() -> None:
    other = replace(THEIRS, query="sun", interval_seconds=30.0)
    assert plan([OWN], [other]).actions == (Change(OWN, other, ("query", "interval")),)


def test_a_rule_that_was_made_and_never_switched_on_is_switched_on() -> None:
    inactive = replace(THEIRS, is_active=False)
    made = plan([OWN], [inactive])
    assert made.actions == (Change(OWN, inactive, ("activity",)),)
    assert made.drift == ()


def test_a_rule_that_somebody_switched_off_is_switched_on_again_and_told() -> None:
    made = plan([OWN], [replace(THEIRS, is_active=False)], believed_active={OWN.id})
    assert made.drift == (
        "the rule 'weather' of the zone 'kelmora' was active and has been switched off at the provider",
    )


def test_a_disabled_rule_is_switched_off_once() -> None:
    disabled = replace(OWN, is_active=False)
    assert plan([disabled], [THEIRS]).actions == (Change(disabled, THEIRS, ("activity",)),)
    assert plan([disabled], [replace(THEIRS, is_active=False)]).actions == ()
    assert plan([disabled], []).actions == ()


def test_a_rule_made_by_a_run_that_died_is_adopted_not_made_twice() -> None:
    new = replace(OWN, external_rule_id=None)
    inactive = replace(THEIRS, is_active=False)
    assert plan([new], [inactive]).actions == (Adopt(new, inactive), Change(new, inactive, ("activity",)))


def test_a_stranger_is_reported_and_removed_only_on_request() -> None:
    stranger = ProviderRule("r9", "else", "else", 60.0, is_active=True)
    assert plan([OWN], [THEIRS, stranger]).actions == ()
    assert plan([OWN], [THEIRS, stranger]).unknown == (stranger,)
    assert plan([OWN], [THEIRS, stranger], removes_unknown=True).actions == (Remove(stranger),)


def test_a_rule_that_was_deleted_here_is_removed_there() -> None:
    made = plan([], [THEIRS], managed_ids={"r1"})
    assert made.actions == (Remove(THEIRS),)
    assert made.unknown == ()


def test_where_the_provider_does_not_say_what_is_active_the_last_word_counts() -> None:
    silent = replace(THEIRS, is_active=None)
    assert plan([OWN], [silent], believed_active={OWN.id}).actions == ()
    assert plan([OWN], [silent]).actions == (Change(OWN, silent, ("activity",)),)


rules = st.lists(
    st.builds(
        OwnRule,
        id=st.uuids(),
        zone=st.sampled_from(["kelmora", "ostrevia"]),
        tag=st.sampled_from(["a", "b", "c"]),
        query=st.sampled_from(["x", "y"]),
        interval_seconds=st.sampled_from([30.0, 60.0]),
        external_rule_id=st.one_of(st.none(), st.sampled_from(["r1", "r2", "r3"])),
        is_active=st.booleans(),
    ),
    max_size=5,
    unique_by=(lambda rule: rule.id, lambda rule: rule.external_rule_id or rule.id, lambda rule: (rule.zone, rule.tag)),
)
their_rules = st.lists(
    st.builds(
        ProviderRule,
        rule_id=st.sampled_from(["r1", "r2", "r3", "r4"]),
        tag=st.sampled_from(["a", "b", "c"]),
        query=st.sampled_from(["x", "y"]),
        interval_seconds=st.sampled_from([30.0, 60.0]),
        is_active=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda rule: rule.rule_id,
)


@given(own=rules, theirs=their_rules, removes_unknown=st.booleans())
def test_after_the_plan_was_carried_out_there_is_nothing_left_to_do(
    own: list[OwnRule], theirs: list[ProviderRule], removes_unknown: bool
) -> None:
    made = plan(own, theirs, removes_unknown=removes_unknown)
    own_after, theirs_after = carried_out(made, own, theirs)
    again = plan(own_after, theirs_after, removes_unknown=removes_unknown)
    assert again.actions == ()
    active = {rule.rule_id: (rule.tag, rule.query, rule.interval_seconds) for rule in theirs_after if rule.is_active}
    for rule in own_after:
        if rule.is_active:
            assert active[rule.external_rule_id or ""] == (rule.tag, rule.query, rule.interval_seconds)
        else:
            assert rule.external_rule_id not in active


def carried_out(made: Plan, own: list[OwnRule], theirs: list[ProviderRule]) -> tuple[list[OwnRule], list[ProviderRule]]:
    """Do to two lists what the actions say."""
    ids = {rule.id: rule.external_rule_id for rule in own}
    kept = {rule.rule_id: rule for rule in theirs}
    for number, action in enumerate(made.actions):
        match action:
            case Adopt(rule, found):
                ids[rule.id] = found.rule_id
            case Add(rule):
                ids[rule.id] = f"new {number}"
                kept[f"new {number}"] = ProviderRule(
                    f"new {number}", rule.tag, rule.query, rule.interval_seconds, is_active=True
                )
            case Change(rule, found, _):
                kept[found.rule_id] = ProviderRule(
                    found.rule_id, rule.tag, rule.query, rule.interval_seconds, rule.is_active
                )
            case Remove(found):
                del kept[found.rule_id]
    return [replace(rule, external_rule_id=ids[rule.id]) for rule in own], list(kept.values())


def test_followed_handles_are_found_in_any_case_and_excluded_ones_are_not() -> None:
    assert followed_handles("(from:Storm_Watch OR FROM:@rain) -from:noise lang:en wherefrom:x") == (
        "storm_watch",
        "rain",
    )
