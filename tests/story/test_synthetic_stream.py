"""A synthetic stretch of the stand-in's stream, from the webhook to the marts: late, twice, out of order, in slices.

Two rules overlap on purpose: what follows the busiest authors is collected for a zone of its own and for a topic's.
"""

from __future__ import annotations

import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from database import snowflake
from database.codec import Codec
from database.connections import connect, with_database
from ingest import rules, zones
from ingest.standin.feed import Habits
from ingest.standin.push import Webhook
from ingest.standin.rules import Rule
from ingest.standin.stream import Envelope, SyntheticDay, post_all
from ingest.standin.topics import TOPICS
from orchestration.marts import ledger
from tests.conftest import SharedState
from tests.dbt import builds
from tests.dbt.builds import Builder, builder
from tests.dbt.conftest import BuiltTemplate, clone, drop
from tests.ingest import landing
from tests.ingest.front_door import KEY
from tests.story import recount
from tests.story.comparison import differences
from tests.story.running import Pipeline, pipeline

START = datetime(2026, 2, 27, 20, tzinfo=UTC)
HOURS = 30
"""Over the end of a month, and longer than the window of trending tags: some tags have left it again."""

TWEETS = 1_500
END = START + timedelta(hours=HOURS)
BUSIEST = "busiest"
ZONES = (*(topic.name for topic in TOPICS), BUSIEST)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("synthetic stream")]


@dataclass(frozen=True)
class Story:
    """The stretch: its deliveries as the provider sent them, and what must come of them."""

    envelopes: list[Envelope]
    rules: tuple[Rule, ...]
    counted: recount.Recount


@dataclass(frozen=True)
class Run:
    """A pipeline that has the stretch's zones and rules, and builds in it."""

    pipeline: Pipeline
    build: Builder

    @property
    def owner(self) -> psycopg.Connection[Any]:
        return self.pipeline.owner

    def post(self, envelopes: Iterable[Envelope]) -> None:
        """Post deliveries, several at once, and normalise them."""
        webhook = Webhook(f"{self.pipeline.service.door.url}/webhooks/twitterapi_io", KEY)
        summary = post_all(webhook, envelopes)
        assert summary.acknowledged == summary.deliveries
        self.pipeline.normalise()

    def refresh(self, as_of: datetime) -> None:
        """Build all marts as of a moment."""
        ledger.set_as_of(self.owner, as_of)
        self.build()

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return what core says about the world, and every row of the marts."""
        return {**landing.content(self.owner), **builds.contents(self.owner)}


@pytest.fixture(scope="module")
def story() -> Story:
    """Deliveries that misbehave more than usual: each fifth tweet comes late, each tenth delivery twice."""
    habits = Habits(late_share=0.2, duplicate_share=0.1)
    day = SyntheticDay(11, snowflake.to_unix_ms(START), HOURS, TWEETS, habits=habits, authors=200)
    envelopes = list(day)
    assert {envelope.kind for envelope in envelopes} == {"fresh", "late", "duplicate"}
    received_at = datetime.now(UTC)
    counted = recount.recount_envelopes([(each.body, received_at) for each in envelopes], _zones_of(day.rules))
    return Story(envelopes, day.rules, counted)


def _zones_of(given: Iterable[Rule]) -> dict[str, list[str]]:
    return {rule.rule_id: [ZONES[0], BUSIEST] if rule.tag == BUSIEST else [rule.tag] for rule in given}


def _register(connection: psycopg.Connection[Any], given: Iterable[Rule]) -> None:
    """Make a zone of each rule. A rule for two zones is found by its tag: an id of the provider belongs to one."""
    for zone in ZONES:
        zones.add(connection, zone)
    for rule in given:
        is_shared = rule.tag == BUSIEST
        for zone in (ZONES[0], BUSIEST) if is_shared else (rule.tag,):
            rules.add(
                connection,
                zone=zone,
                tag=rule.tag,
                query=rule.value,
                interval_seconds=Decimal(str(rule.interval_seconds)),
                external_rule_id=None if is_shared else rule.rule_id,
            )


@pytest.fixture(scope="module")
def template(story: Story, server_url: str, built_template: BuiltTemplate) -> Iterator[BuiltTemplate]:
    """A database with the zones and the rules, so that they have the same ids in all of its clones."""
    name = f"story_{secrets.token_hex(6)}"
    with connect(server_url, application_name="tests", autocommit=True) as administration:
        clone(administration, name, built_template.name)
        try:
            with connect(with_database(server_url, name), application_name="register rules") as connection:
                _register(connection, story.rules)
            yield BuiltTemplate(name, built_template.builds)
        finally:
            drop(administration, name)


MakeRun = Callable[[], AbstractContextManager[Run]]


@pytest.fixture(scope="module")
def make_run(
    server_url: str, template: BuiltTemplate, shared_state: SharedState, tmp_path_factory: pytest.TempPathFactory
) -> MakeRun:
    @contextmanager
    def make() -> Iterator[Run]:
        directory = tmp_path_factory.mktemp("story")
        with (
            pipeline(server_url, template.name, shared_state, directory) as running,
            builder(running.urls["pipeline"], template.builds) as build,
        ):
            yield Run(running, build)

    return make


@pytest.fixture(scope="module")
def one_shot(story: Story, make_run: MakeRun) -> Iterator[Run]:
    """Everything posted at once, several bodies side by side, and built by the real dbt."""
    with make_run() as run:
        run.post(story.envelopes)
        run.pipeline.build(END)
        yield run


@pytest.fixture
def another_run(make_run: MakeRun) -> Iterator[Run]:
    """A pipeline in which nothing has happened."""
    with make_run() as run:
        yield run


def _differences(run: Run, counted: recount.Recount) -> list[str]:
    return [line for zone in ZONES for line in differences(run.owner, counted, zone, END)]


@pytest.mark.parametrize("zone", ZONES)
def test_the_stretch_ends_in_what_a_recount_of_its_deliveries_says(story: Story, one_shot: Run, zone: str) -> None:
    assert len(story.counted.in_zone(zone)) > TWEETS / 20
    assert differences(one_shot.owner, story.counted, zone, END) == []


def test_every_delivered_tweet_is_accounted_for(story: Story, one_shot: Run) -> None:
    landed = _landed(one_shot.owner)
    pings = Counter(landed) - Counter(envelope.body for envelope in story.envelopes)
    assert len(landed) == len(story.envelopes) + pings.total()
    # Bodies that are posted side by side change places, and the second of two ways into a zone is the duplicate.
    received_at = datetime.now(UTC)
    expected = recount.recount_envelopes([(body, received_at) for body in landed], _zones_of(story.rules)).accounting
    assert expected.control == pings.total() > 0
    assert expected.duplicate > expected.normalised / 20
    assert one_shot.pipeline.accounting() == {"accepted": expected.items, **asdict(expected), "waiting": 0}


def _landed(connection: psycopg.Connection[Any]) -> list[bytes]:
    """Return the bodies as they were kept, in the order of their arrival."""
    codec = Codec(dict(connection.execute("select dictionary_id, dictionary from raw.compression_dictionaries")))
    bodies = connection.execute("select body, dictionary_id from raw.deliveries order by delivery_id")
    return [codec.decompress(body, dictionary_id) for body, dictionary_id in bodies]


def test_the_marts_pass_their_own_verification(one_shot: Run) -> None:
    with connect(one_shot.pipeline.urls["pipeline"], application_name="verify", autocommit=True) as connection:
        assert builds.drift(connection) == {}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_slices_in_any_order_with_refreshes_between_them_equal_one_shot(
    story: Story, one_shot: Run, another_run: Run, seed: int
) -> None:
    chance = random.Random(seed)
    for part in _slices(chance, story.envelopes):
        another_run.post(part)
        if chance.random() < 0.7:
            another_run.refresh(START + timedelta(hours=chance.uniform(1, HOURS)))
    another_run.refresh(END)
    assert another_run.everything() == one_shot.everything()
    assert _differences(another_run, story.counted) == []


def _slices(chance: random.Random, envelopes: Sequence[Envelope]) -> Iterator[list[Envelope]]:
    """Cut a shuffled stretch into a few parts, and give some deliveries to two of them."""
    shuffled = chance.sample(envelopes, len(envelopes))
    cuts = sorted(chance.sample(range(len(shuffled)), chance.randint(3, 7)))
    for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True):
        yield shuffled[start:end] + chance.choices(shuffled, k=(end - start) // 5)


def test_everything_again_shuffled_changes_no_row(story: Story, one_shot: Run) -> None:
    before = one_shot.everything()
    one_shot.post(random.Random(5).sample(story.envelopes, len(story.envelopes)))
    assert set(ledger.waiting(one_shot.owner).values()) == {0}
    one_shot.refresh(END)
    assert one_shot.everything() == before
