"""Zones and rules, as functions and as commands: what may be added, and what a person is told otherwise."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from ingest import rules, zones
from ingest.__main__ import COMMANDS, main
from ingest.errors import InvalidRequestError

Command = Callable[..., Result]


def test_a_zone_is_added_with_its_time_zone_as_postgresql_spells_it(connection: psycopg.Connection) -> None:
    zone = zones.add(connection, " AI ", timezone="europe/berlin", description="machines")
    assert (zone.name, zone.timezone, zone.description, zone.is_active) == ("AI", "Europe/Berlin", "machines", True)
    assert zones.every(connection) == [zone]
    assert zones.named(connection, "AI") == zone


@pytest.mark.parametrize(
    ("timezone", "words"),
    [
        ("Berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("Europe/Pariss", "Europe/Paris"),
        ("nowhere at all", "names look like"),
    ],
)
def test_an_unknown_time_zone_is_refused_with_names_that_are_near(
    connection: psycopg.Connection, timezone: str, words: str
) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        zones.add(connection, "AI", timezone=timezone)


def test_a_name_that_is_taken_is_refused_and_the_transaction_goes_on(connection: psycopg.Connection) -> None:
    zones.add(connection, "AI")
    with pytest.raises(InvalidRequestError, match="there is a zone 'AI' already"):
        zones.add(connection, "AI")
    assert len(zones.every(connection)) == 1


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "a\nb", "\x1b[31m", "x" * 256])
def test_a_name_that_no_request_could_carry_is_refused(connection: psycopg.Connection, name: str) -> None:
    with pytest.raises(InvalidRequestError, match="a zone's name has 1 to 255 characters"):
        zones.add(connection, name)


def test_an_unknown_zone_is_refused_with_the_zones_there_are(connection: psycopg.Connection) -> None:
    with pytest.raises(InvalidRequestError, match="none at all yet"):
        zones.named(connection, "ai")
    zones.add(connection, "AI")
    with pytest.raises(InvalidRequestError, match="There are: 'AI'"):
        zones.set_active(connection, "ai", is_active=False)


def test_a_zone_can_be_switched_off_and_on_again_and_twice_is_once(connection: psycopg.Connection) -> None:
    zones.add(connection, "AI")
    for is_active in (False, False, True, True):
        assert zones.set_active(connection, "AI", is_active=is_active).is_active is is_active


def test_a_rule_is_added_to_its_zone_and_counted_there(connection: psycopg.Connection) -> None:
    zones.add(connection, "AI")
    rule = rules.add(connection, zone="AI", tag="t", query="q", interval_seconds=Decimal("0.05"), external_rule_id="9")
    assert (rule.zone, rule.tag, rule.query, rule.source) == ("AI", "t", "q", "twitterapi_io")
    assert rule.interval_seconds == Decimal("0.05")
    assert rules.every(connection, zone="AI") == rules.every(connection) == [rule]
    assert zones.named(connection, "AI").rule_count == 1
    assert not rules.set_active(connection, zone="AI", tag="t", is_active=False).is_active
    assert zones.named(connection, "AI").rule_count == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"tag": " "}, "the tag is empty"),
        ({"tag": "t" * 256}, "256 characters; twitterapi_io takes 255"),
        ({"query": ""}, "the query is empty"),
        ({"query": "q" * 256}, "256 characters; twitterapi_io takes 255"),
        ({"query": "a\x00b"}, "NUL"),
        ({"interval_seconds": Decimal("0.049")}, "between 0.05 and 86400"),
        ({"interval_seconds": Decimal(86_401)}, "between 0.05 and 86400"),
        ({"source": "v1_1"}, "'v1_1' has no rules"),
        ({"zone": "ai"}, "There are: 'AI'"),
    ],
)
def test_a_rule_that_the_provider_would_not_take_is_refused(
    connection: psycopg.Connection, wrong: dict[str, str], words: str
) -> None:
    zones.add(connection, "AI")
    with pytest.raises(InvalidRequestError, match=words):
        rules.add(connection, **{"zone": "AI", "tag": "t", "query": "q", **wrong})  # type: ignore[arg-type]


def test_a_tag_is_unique_in_its_zone_and_free_in_another(connection: psycopg.Connection) -> None:
    zones.add(connection, "AI")
    zones.add(connection, "Space")
    rules.add(connection, zone="AI", tag="t", query="q")
    rules.add(connection, zone="Space", tag="t", query="q")
    with pytest.raises(InvalidRequestError, match="has a rule with the tag 't' already"):
        rules.add(connection, zone="AI", tag="t", query="other")


def test_an_external_id_belongs_to_one_rule(connection: psycopg.Connection) -> None:
    zones.add(connection, "AI")
    rules.add(connection, zone="AI", tag="t", query="q", external_rule_id="9")
    with pytest.raises(InvalidRequestError, match="belongs to the zone 'AI' already, as 't'"):
        rules.add(connection, zone="AI", tag="u", query="q", external_rule_id="9")


def test_an_unknown_rule_is_refused_with_the_tags_there_are(connection: psycopg.Connection) -> None:
    zones.add(connection, "AI")
    with pytest.raises(InvalidRequestError, match="It has none"):
        rules.set_active(connection, zone="AI", tag="t", is_active=False)
    rules.add(connection, zone="AI", tag="t", query="q")
    with pytest.raises(InvalidRequestError, match="It has: 't'"):
        rules.set_active(connection, zone="AI", tag="T", is_active=False)


@pytest.fixture
def command(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """``python -m ingest`` in an empty directory, on a database of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    return lambda *arguments: CliRunner().invoke(main, arguments, prog_name="python -m ingest")


def test_the_commands_add_list_and_switch_and_show_ids(command: Command, connection: psycopg.Connection) -> None:
    assert "zones add NAME" in command("zones", "list").output
    assert command("zones", "add", "AI", "--timezone", "Europe/Berlin", "--description", "[bold]x").exit_code == 0
    assert (
        command("rules", "add", "--zone", "AI", "--tag", "t", "--query", "from:a [b]", "--interval", "0.5").exit_code
        == 0
    )
    (zone,), (rule,) = zones.every(connection), rules.every(connection)
    listed = command("zones", "list").output
    assert all(text in listed for text in (str(zone.id), "Europe/Berlin", "[bold]x"))
    listed = command("rules", "list", "--zone", "AI").output
    assert all(text in listed for text in (str(rule.id), "from:a [b]", "0.5"))
    connection.rollback()
    assert command("rules", "disable", "--zone", "AI", "--tag", "t").exit_code == 0
    assert command("zones", "disable", "AI").exit_code == 0
    assert not rules.every(connection)[0].is_active
    assert not zones.every(connection)[0].is_active
    connection.rollback()
    assert command("rules", "enable", "--zone", "AI", "--tag", "t").exit_code == 0
    assert command("zones", "enable", "AI").exit_code == 0
    assert rules.every(connection)[0].is_active


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("zones", "add", "AI", "--timezone", "Berlin"), "Did you mean 'Europe/Berlin'?"),
        (("zones", "disable", "AI"), "there is no zone 'AI'"),
        (("rules", "add", "--zone", "AI", "--tag", "t", "--query", "q"), "there is no zone 'AI'"),
        (("rules", "add", "--zone", "AI", "--tag", "t", "--query", "q", "--interval", "soon"), "is not a number"),
        (("rules", "add", "--zone", "AI", "--tag", "t", "--query", "q", "--interval", "nan"), "is not a number"),
        (("rules", "list", "--zone", "AI"), "there is no zone 'AI'"),
        (("nothing",), "No such command"),
    ],
)
def test_a_command_that_cannot_be_done_ends_with_code_2_and_a_sentence(
    command: Command, arguments: tuple[str, ...], words: str
) -> None:
    result = command(*arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


def test_a_database_without_a_schema_is_told_to_be_migrated(
    command: Command, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    result = command("zones", "list")
    assert result.exit_code == 1
    assert "make migrate" in result.output


def test_a_database_that_is_away_ends_with_a_sentence(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:secret@127.0.0.1:1/none")
    result = command("rules", "list")
    assert result.exit_code == 1
    assert "cannot connect" in result.output
    assert "secret" not in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_needs_no_setting(name: str, command: Command) -> None:
    result = command(name, "--help")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: python -m ingest {name}")
