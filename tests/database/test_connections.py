"""Connections: whose URL is used, what may be shown, and the roles behind the URLs."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from database import roles
from database.connections import (
    ROLES,
    Role,
    connect,
    connection_string,
    database_url,
    role_passwords,
    role_url,
    with_database,
    with_login,
    without_password,
)
from database.errors import DatabaseUnavailableError
from database.roles import ensure_roles
from database.settings import DatabaseSettings

URL = "postgresql://owner:s3cret@db.example:5433/tweets?options=-c%20jit%3Doff&sslmode=require"

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


def settings_in(state_dir: Path, **given: str) -> DatabaseSettings:
    return DatabaseSettings(_env_file=None, state_dir=state_dir, **given)  # type: ignore[call-arg,arg-type]


def test_a_given_url_is_used_as_it_is(tmp_path: Path) -> None:
    assert database_url(settings_in(tmp_path, database_url=URL)) == URL


def test_without_any_database_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match=r"make up.*DATABASE_URL"):
        database_url(settings_in(tmp_path))


def test_a_url_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must look like postgresql://"):
        settings_in(tmp_path, database_url="mysql://owner@db.example/tweets")


def test_settings_do_not_show_passwords(tmp_path: Path) -> None:
    assert "s3cret" not in repr(settings_in(tmp_path, database_url=URL, bi_database_url=URL))


def test_an_empty_variable_counts_as_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    assert settings_in(tmp_path).database_url is None


@given(user=names, password=names)
def test_any_user_and_password_survive_the_url(user: str, password: str) -> None:
    read = conninfo_to_dict(with_login(URL, user, password))
    assert (read["user"], read["password"]) == (user, password)
    assert (read["host"], read["port"], read["dbname"]) == ("db.example", "5433", "tweets")
    assert (read["options"], read["sslmode"]) == ("-c jit=off", "require")


@given(database=names)
def test_any_database_name_survives_the_url(database: str) -> None:
    read = conninfo_to_dict(with_database(URL, database))
    assert (read["dbname"], read["user"], read["host"]) == (database, "owner", "db.example")


def test_a_url_of_a_unix_socket_keeps_its_form() -> None:
    read = conninfo_to_dict(with_login("postgresql:///tweets?host=/run/db&user=owner", "pipeline", "p"))
    assert (read["user"], read["password"], read["host"], read["dbname"]) == ("pipeline", "p", "/run/db", "tweets")


@pytest.mark.parametrize("url", [URL, "postgresql:///tweets?password=s3cret", "postgresql://owner:s3cret@h1:1,h2:2/t"])
def test_a_shown_url_has_no_password(url: str) -> None:
    shown = without_password(url)
    assert "s3cret" not in shown
    assert conninfo_to_dict(shown).get("user") == conninfo_to_dict(url).get("user")


def test_a_role_url_that_is_set_wins_and_its_password_is_left_alone(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, database_url=URL, bi_database_url="postgresql://bi@replica.example/tweets")
    assert role_url(settings, "bi_reader") == "postgresql://bi@replica.example/tweets"
    assert role_passwords(settings)["bi_reader"] is None


def test_generated_passwords_are_private_distinct_and_stay(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "new", database_url=URL)
    first = {role: role_url(settings, role) for role in ROLES}
    assert first == {role: role_url(settings, role) for role in ROLES}
    kept = tmp_path / "new" / "role_passwords.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert len(set(json.loads(kept.read_text()).values())) == len(ROLES)


def test_several_first_users_agree_on_the_passwords(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, database_url=URL)
    with ThreadPoolExecutor(8) as pool:
        urls = set(pool.map(lambda _: role_url(settings, "pipeline"), range(16)))
    assert len(urls) == 1


def test_a_damaged_password_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "role_passwords.json").write_text("{")
    with pytest.raises(DatabaseUnavailableError, match=r"role_passwords\.json is not readable JSON"):
        role_url(settings_in(tmp_path, database_url=URL), "pipeline")


def test_parameters_in_the_url_win_over_the_defaults() -> None:
    read = conninfo_to_dict(connection_string(URL + "&connect_timeout=2", application_name="a test"))
    assert (str(read["connect_timeout"]), str(read["keepalives_idle"])) == ("2", "30")
    assert read["options"] == "-c jit=off -c timezone=UTC"


def test_a_session_is_in_utc_and_says_its_name(server_url: str) -> None:
    with connect(server_url, application_name="a test") as connection:
        row = connection.execute("select current_setting('timezone'), current_setting('application_name')").fetchone()
    assert row == ("UTC", "a test")


def test_an_unreachable_server_is_named_without_its_password() -> None:
    with pytest.raises(DatabaseUnavailableError) as caught:
        connect("postgresql://owner:s3cret@127.0.0.1:1/tweets", application_name="a test")
    assert "127.0.0.1:1/tweets" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_each_role_logs_in_with_its_url(role_urls: dict[Role, str]) -> None:
    for role, url in role_urls.items():
        with connect(url, application_name="a test") as connection:
            assert connection.execute("select current_user").fetchone() == (role,)


def test_making_the_roles_again_changes_nothing(server_url: str, role_urls: dict[Role, str]) -> None:
    passwords: dict[Role, str | None] = {
        role: str(conninfo_to_dict(url)["password"]) for role, url in role_urls.items()
    }
    with connect(server_url, application_name="a test") as connection:
        ensure_roles(connection, passwords)
        ensure_roles(connection, passwords)
    test_each_role_logs_in_with_its_url(role_urls)


def test_a_none_password_leaves_the_role_alone(server_url: str, role_urls: dict[Role, str]) -> None:
    with connect(server_url, application_name="a test") as connection:
        ensure_roles(connection, dict.fromkeys(ROLES))
    test_each_role_logs_in_with_its_url(role_urls)


def test_the_reader_of_the_marts_may_not_write(role_urls: dict[Role, str]) -> None:
    with (
        connect(role_urls["bi_reader"], application_name="a test") as connection,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        connection.execute("create table public.mine (id int)")


def test_an_owner_without_the_right_to_make_roles_is_told_so(server_url: str) -> None:
    with (
        connect(server_url, application_name="a test", autocommit=True) as owner,
        owner.transaction(force_rollback=True),
    ):
        owner.execute("create role plain_owner")
        owner.execute("set local role plain_owner")
        with pytest.raises(DatabaseUnavailableError, match=r"plain_owner|CREATEROLE"):
            ensure_roles(owner, dict.fromkeys(ROLES, "new"))


def test_an_owner_with_createrole_needs_no_superuser(server_url: str) -> None:
    """The roles serve other tests too: they are renamed away inside one transaction that is rolled back."""
    with (
        connect(server_url, application_name="a test", autocommit=True) as owner,
        owner.transaction(force_rollback=True),
    ):
        owner.execute("select pg_advisory_xact_lock(%s)", (roles._ONE_AT_A_TIME,))
        owner.execute("create role careful_owner createrole")
        for role in ROLES:
            rename = sql.SQL("alter role {} rename to {}")
            owner.execute(rename.format(sql.Identifier(role), sql.Identifier(f"away_{role}")))
        owner.execute("set local role careful_owner")
        ensure_roles(owner, dict.fromkeys(ROLES, "new"))
        ensure_roles(owner, dict.fromkeys(ROLES, "newer"))
        rows = owner.execute("select rolname from pg_roles where rolcanlogin and rolname = any(%s)", (list(ROLES),))
        assert {name for (name,) in rows} == set(ROLES)
