"""The outcome table: complete, and never a reason for a sender to lose or repeat a delivery for nothing."""

from __future__ import annotations

import pytest

from ingest.outcomes import OUTCOMES, Reason


def test_every_reason_has_an_outcome_and_every_outcome_a_reason() -> None:
    assert set(OUTCOMES) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_the_only_server_error_is_a_503_and_it_and_429_say_when_to_come_back(reason: Reason) -> None:
    outcome = OUTCOMES[reason]
    assert outcome.status < 500 or outcome.status == 503
    assert (outcome.retry_after_seconds is not None) == (outcome.status in (429, 503))
    assert outcome.sender_retries or outcome.status not in (429, 503)


@pytest.mark.parametrize("reason", Reason)
def test_an_explanation_is_one_or_more_whole_sentences(reason: Reason) -> None:
    explanation = OUTCOMES[reason].explanation
    assert explanation[0].isupper()
    assert explanation.endswith((".", "…"))


def test_only_what_was_committed_or_answered_counts_as_accepted() -> None:
    accepted = {reason for reason in Reason if OUTCOMES[reason].is_accepted}
    assert accepted == {Reason.ACCEPTED, Reason.CONTROL, Reason.REPEATED, Reason.CHALLENGE_ANSWERED}
