"""Thirteen real minutes of a public stream, from the webhook to the marts, with whatever a bad day brings.

The tests of this module follow one another on one database, in the order in which they stand.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from database.connections import connect
from ingest import zones
from orchestration.marts import ledger
from tests.conftest import SharedState
from tests.dbt import builds
from tests.ingest import landing
from tests.story import recount
from tests.story.comparison import differences
from tests.story.running import Pipeline, pipeline
from tests.waiting import wait_until

ZONE = "archive"
AS_OF = datetime(2019, 7, 3, 6, 42, tzinfo=UTC)
"""The end of the last minute."""

FIRST_KILL = 300
SECOND_KILL = 600
"""Deliveries that have been committed when the service, and then the replay, are killed. There are 980 in all."""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("real stream"), pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Story:
    """The archive, what must come of it, and the pipeline it went through."""

    files: list[Path]
    counted: recount.Recount
    pipeline: Pipeline


@pytest.fixture(scope="module")
def files() -> list[Path]:
    folder = os.environ.get("REAL_DATA_DIR")
    if not folder:
        pytest.skip("REAL_DATA_DIR is not set: the real archive is not part of the repository")
    found = sorted((Path(folder) / "public-stream-2019-v1.1").glob("*.json.bz2"))
    if not found:
        pytest.skip(f"no public-stream-2019-v1.1/*.json.bz2 under REAL_DATA_DIR={folder}")
    return found


@pytest.fixture(scope="module")
def story(
    files: list[Path],
    server_url: str,
    template_database: str,
    shared_state: SharedState,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Story]:
    """The archive after a replay in which the service and the replay were killed, normalised and built by dbt."""
    with pipeline(server_url, template_database, shared_state, tmp_path_factory.mktemp("story")) as running:
        zones.add(running.owner, ZONE)
        _replay_badly(running, files)
        running.normalise()
        running.build(AS_OF)
        yield Story(files, recount.recount_v1_1(recount.read_lines(files), ZONE), running)


def _replay_badly(running: Pipeline, files: list[Path]) -> None:
    """Kill the service in the middle of the replay and start it again; then kill the replay, and run it again."""
    with running.replaying(*files, zone=ZONE) as replay:
        wait_until(lambda: running.landed() >= FIRST_KILL)
        running.service.kill()
        landed = running.landed()
        running.service.start()
        wait_until(lambda: running.landed() >= max(SECOND_KILL, landed + 1))
        assert replay.poll() is None, "the replay ended before it could be killed"
        replay.kill()
        replay.wait()
    running.replay(*files, zone=ZONE)


def test_a_replay_through_kills_ends_in_what_a_recount_of_the_files_says(story: Story) -> None:
    assert differences(story.pipeline.owner, story.counted, ZONE, AS_OF) == []


def test_the_archive_holds_as_many_tweets_and_authors_as_are_known_of_it(story: Story) -> None:
    counts = {
        "delivered tweets": "select count(*) from core.twitter_tweet_zones",
        "tweets": "select count(*) from core.twitter_tweets",
        "authors": "select count(*) from core.twitter_profiles",
        "tweets of the hour": "select sum(total_tweets) from marts.twitter_zone_stats_hourly",
    }
    assert {name: int(story.pipeline.one(statement)) for name, statement in counts.items()} == {
        "delivered tweets": 23_541,
        "tweets": 35_646,
        "authors": 33_680,
        "tweets of the hour": 23_541,
    }


def test_every_line_is_accounted_for(story: Story) -> None:
    fates = story.pipeline.accounting()
    accepted = fates.pop("accepted")
    assert sum(fates.values()) == accepted >= 97_217
    assert (fates["normalised"], fates["dead"], fates["waiting"]) == (23_541, 0, 0)
    # What was under way when something was killed was posted twice.
    assert fates["duplicate"] >= 42
    assert fates["control"] >= 73_634


def test_the_marts_pass_their_own_verification(story: Story) -> None:
    with connect(story.pipeline.urls["pipeline"], application_name="verify", autocommit=True) as connection:
        assert builds.drift(connection) == {}


def test_no_notice_of_the_archive_is_about_a_tweet_of_the_archive(story: Story) -> None:
    """So that the numbers above are those of the files, with the notices applied."""
    assert {deletion.tweet_id for deletion in story.counted.deletions}.isdisjoint(story.counted.tweets)
    assert story.pipeline.one("select count(*) from core.twitter_tweets where suppressed_at is not null") == 0


def test_the_same_archive_shuffled_changes_no_row(story: Story, tmp_path: Path) -> None:
    running = story.pipeline
    before = _everything(running)
    accounted = running.accounting()
    progress = _replay_shuffled(story, tmp_path)
    assert (progress["normalised"], progress["dead"], progress["waiting"]) == (0, 0, 0)
    assert (progress["duplicate"], progress["control"]) == (23_541 + 42, 73_634)
    assert running.accounting()["accepted"] == accounted["accepted"] + 97_217
    assert set(ledger.waiting(running.owner).values()) == {0}
    assert _everything(running) == before
    running.build(AS_OF)
    assert _everything(running) == before


def test_what_is_deleted_afterwards_leaves_the_marts_with_its_retweets(story: Story, tmp_path: Path) -> None:
    """The last test of the module: notices about some delivered tweets, and about originals that were retweeted."""
    delivered = sorted(tweet.tweet_id for tweet in story.counted.in_zone(ZONE))
    originals = sorted(
        tweet.content.retweeted_tweet_id for tweet in story.counted.in_zone(ZONE) if tweet.content.retweeted_tweet_id
    )
    chance = random.Random(11)
    doomed = {*chance.sample(delivered, 200), *chance.sample(originals, 100)}
    notices = [json.dumps({"delete": {"status": {"id": each, "id_str": str(each)}}}).encode() for each in doomed]
    file = tmp_path / "notices.json"
    file.write_bytes(b"\n".join(notices))
    running = story.pipeline
    running.replay(file, zone=ZONE)
    running.normalise()
    running.build(AS_OF)
    told = recount.recount_v1_1(notices, ZONE).deletions
    counted = dataclasses.replace(story.counted, deletions=story.counted.deletions + told)
    assert differences(running.owner, counted, ZONE, AS_OF) == []
    assert len(doomed) <= 23_541 - int(running.one("select sum(total_tweets) from marts.twitter_zone_stats_hourly"))
    assert running.one("select count(*) from core.twitter_tweets") == 35_646
    with connect(running.urls["pipeline"], application_name="verify", autocommit=True) as connection:
        assert builds.drift(connection) == {}


def _replay_shuffled(story: Story, folder: Path) -> dict[str, int]:
    """Replay all lines in another order, normalise them, and return what became of these items."""
    before = story.pipeline.accounting()
    lines = [line.rstrip(b"\n") + b"\n" for line in recount.read_lines(story.files)]
    random.Random(7).shuffle(lines)
    shuffled = folder / "shuffled.json"
    shuffled.write_bytes(b"".join(lines))
    story.pipeline.replay(shuffled, zone=ZONE)
    story.pipeline.normalise()
    return {fate: count - before[fate] for fate, count in story.pipeline.accounting().items()}


def _everything(running: Pipeline) -> dict[str, list[tuple[Any, ...]]]:
    """Return what core says about the world, and every row of the marts."""
    return {**landing.content(running.owner), **builds.contents(running.owner)}
