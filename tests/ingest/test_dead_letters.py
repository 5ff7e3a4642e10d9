"""Dead letters are shown by reason and replayed from the command line, a dry run first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from database.connections import Role
from ingest.__main__ import main
from tests.ingest import landing
from tests.ingest.landing import one

Command = Callable[..., Result]


@pytest.fixture
def command(
    database_url: str, role_urls: Mapping[Role, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """``python -m ingest`` in an empty directory, on a database of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PIPELINE_DATABASE_URL", role_urls["pipeline"])
    return lambda *arguments: CliRunner().invoke(main, arguments, prog_name="python -m ingest")


def test_letters_are_listed_by_reason_and_replayed_by_filter_after_a_dry_run(
    command: Command, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        landing.add_rules(owner)
        for number in range(3):
            landing.land(owner, landing.delivery(landing.tweet(number + 1), tag="later"))
        landing.land(owner, b"no json", source="v1_1", zone="alpha")
        landing.drain(owner)
        listed = command("dead-letters", "list").output
        assert listed.index("unknown_rule") < listed.index("unreadable_item")

        owner.execute(
            "insert into core.twitter_rules (zone_id, tag, query) select id, 'later', 'words' from core.zones"
            " where name = 'alpha'"
        )
        dry = command("dead-letters", "replay", "--reason", "unknown_rule")
        assert "3 open dead letters in 3 deliveries match" in dry.output
        assert one(owner, "select count(*) from core.twitter_tweets") == 0
        assert "0 open" in command("dead-letters", "replay", "--reason", "unknown_rule", "--since", "2999-01-01").output

        real = command("dead-letters", "replay", "--reason", "unknown_rule", "--for-real")
        assert "3 new tweets, 3 new zone links; 0 letters are still open" in real.output
        assert landing.letters(owner) == [("item", "unreadable_item")]
        everything = landing.content(owner)
        again = command("dead-letters", "replay", "--for-real")
        assert "0 new tweets, 0 new zone links; 1 letters are still open" in again.output
        assert landing.content(owner) == everything
