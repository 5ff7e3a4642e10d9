"""What is wrong at this moment: failed runs, failed checks, stale assets, budgets that are nearly spent.

Belongs here: asking Dagster's storage and the budget, the sensor that does so.
Does not belong here: who was told what (``incidents``).

A run speaks for its job, and its check evaluations for their checks: the latest word counts, so that a success ends the
incident that a failure opened. Runs of every code location are seen.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg

from orchestration.alerts import incidents, sending
from orchestration.alerts.incidents import Problem
from orchestration.alerts.settings import AlertSettings
from orchestration.resources import PipelineDatabase

FIRST_LOOK = timedelta(hours=1)
"""How far the very first look goes back."""

OVERLAP = timedelta(minutes=2)
"""How far each look goes back behind the one before: a run's end is written by another process, with another clock."""

STATES = ("stale", "budget")
"""Kinds that are looked at as a whole each time."""

MOST_RUNS = 500

WILL_RETRY = "dagster/will_retry"

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


@dataclass
class Seen:
    """What runs said: the latest word about each subject."""

    problems: dict[str, Problem] = field(default_factory=dict)
    well: set[str] = field(default_factory=set)

    def note(self, subject: str, problem: Problem | None) -> None:
        """Take down the latest word about a subject."""
        self.problems.pop(subject, None)
        self.well.discard(subject)
        if problem is None:
            self.well.add(subject)
        else:
            self.problems[subject] = problem


def ended_runs(instance: dg.DagsterInstance, since: datetime) -> Seen:
    """Return what the runs that ended since a moment say of their jobs and checks."""
    seen = Seen()
    records = instance.get_run_records(dg.RunsFilter(statuses=_ENDED, updated_after=since), limit=MOST_RUNS)
    for record in sorted(records, key=lambda each: each.end_time or 0.0):
        run = record.dagster_run
        _note_checks(instance, run.run_id, seen)
        if run.tags.get(WILL_RETRY) == "true":
            continue
        subject = f"run:{run.job_name}"
        is_well = run.status is dg.DagsterRunStatus.SUCCESS
        detail = f"run {run.run_id[:8]}: open it in the UI; its last error says what happened and what to do"
        seen.note(subject, None if is_well else Problem(subject, f"The job {run.job_name} failed", detail))
    return seen


def _note_checks(instance: dg.DagsterInstance, run_id: str, seen: Seen) -> None:
    events = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    for event in events:
        dagster_event = event.event_log_entry.dagster_event
        if dagster_event is None:
            continue
        evaluation = dagster_event.asset_check_evaluation_data
        asset = evaluation.asset_key.to_user_string()
        subject = f"check:{asset}:{evaluation.check_name}"
        title = f"The check {evaluation.check_name} of {asset} fails ({evaluation.severity.value})"
        detail = evaluation.description or "see its latest evaluation in the UI"
        seen.note(subject, None if evaluation.passed else Problem(subject, title, detail))


def stale_assets(instance: dg.DagsterInstance) -> list[Problem]:
    """Return the assets whose freshness policy is broken, as Dagster's daemon finds it."""
    records = instance.get_freshness_state_records(list(instance.all_asset_keys()))
    return [
        Problem(
            f"stale:{key.to_user_string()}",
            f"{key.to_user_string()} is stale",
            "nothing has been materialised for longer than its freshness policy allows; is its schedule on?",
        )
        for key, record in sorted(records.items(), key=lambda each: each[0].to_user_string())
        if record.freshness_state.value == "FAIL"
    ]


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people once when a run or a check fails, an asset is stale or a budget nearly spent; and once "
    "when it is over. ALERT_WEBHOOK_URL and ALERT_EMAIL_TO say where to; ops.incidents holds everything.",
)
def watch_for_incidents(context: dg.SensorEvaluationContext, database: PipelineDatabase) -> dg.SkipReason:
    """Look at everything that ended since the look before, and at what is so; open, close and tell incidents."""
    now = datetime.now(UTC)
    settings = AlertSettings()
    before = datetime.fromisoformat(context.cursor) if context.cursor else now - FIRST_LOOK
    seen = ended_runs(context.instance, before - OVERLAP)
    with database.connect(application_name="watch for incidents") as connection:
        budgets = incidents.nearly_spent(connection, settings.alert_budget_share, now)
        problems = [*seen.problems.values(), *stale_assets(context.instance), *budgets]
        incidents.update(connection, problems, well=seen.well, states=STATES, now=now)
        told = incidents.tell(connection, sending.senders(settings), now=now)
    context.update_cursor(now.isoformat())
    return dg.SkipReason("; ".join(message.text for message in told)[:500] or "nothing new")
