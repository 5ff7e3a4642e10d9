"""What is there before anything runs: a schema, Dagster's tables, and for each service its own login only."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

from database import embedded
from database.connections import connect
from orchestration import dagster_home, interrupted_runs
from orchestration.preparation import PROJECT, DatabaseWatch, Prepared, prepared
from orchestration.settings import RuntimeSettings


@pytest.fixture(scope="module")
def database() -> Iterator[Prepared]:
    state_dir = Path(tempfile.mkdtemp(prefix="tweet-pipeline-preparation-"))
    settings = RuntimeSettings(_env_file=None, state_dir=state_dir, embedded_postgres_port=54480)  # type: ignore[call-arg]
    with prepared(settings) as database:
        yield database
    assert embedded.running(state_dir) is None
    shutil.rmtree(state_dir)


def test_a_service_gets_its_own_login_and_no_other(database: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://owner:secret@db.example/tweets")
    monkeypatch.setenv("PIPELINE_DATABASE_URL", "postgresql://pipeline:secret@db.example/tweets")
    environment = database.environment("ingest_writer")
    assert conninfo_to_dict(environment["INGEST_DATABASE_URL"])["user"] == "ingest_writer"
    assert not [name for name in environment if name.endswith("DATABASE_URL") and name != "INGEST_DATABASE_URL"]
    assert "secret" not in str(environment.values())


def test_the_login_works(database: Prepared) -> None:
    url = database.environment("ingest_writer")["INGEST_DATABASE_URL"]
    with connect(url, application_name="a test") as connection:
        assert connection.execute("select current_user").fetchone() == ("ingest_writer",)


def test_nothing_reports_home(database: Prepared) -> None:
    environment = database.environment()
    assert environment["DO_NOT_TRACK"] == "1"
    assert environment["DAGSTER_DISABLE_TELEMETRY"] == "yes"
    assert environment["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"
    assert dagster_home.configuration()["telemetry"] == {"enabled": False}
    assert dagster_home.configuration()["nux"] == {"enabled": False}


def test_dagster_has_its_tables_in_a_database_of_its_own(database: Prepared) -> None:
    environment = database.dagster_environment
    assert conninfo_to_dict(environment[dagster_home.URL_VARIABLE])["dbname"] == "dagster"
    with connect(environment[dagster_home.URL_VARIABLE], application_name="a test") as connection:
        assert connection.execute("select count(*) from runs").fetchone() == (0,)


def test_dagsters_configuration_holds_no_password(database: Prepared) -> None:
    password = str(conninfo_to_dict(database.settings.database_url or "")["password"])
    assert password not in (database.settings.state_dir / "dagster" / "dagster.yaml").read_text()


def test_an_open_run_of_an_earlier_life_is_closed_and_a_headless_one_is_not(database: Prepared) -> None:
    environment = database.dagster_environment
    program = (
        "import dagster as dg, sys\n"
        "job = dg.GraphDefinition(name='nothing', node_defs=[]).to_job()\n"
        "with dg.DagsterInstance.get() as instance:\n"
        "    for tags in ({}, dict([sys.argv[1:]])):\n"
        "        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)\n"
        "        instance.event_log_storage.set_concurrency_slots('pool', 2)\n"
        "        instance.event_log_storage.claim_concurrency_slot('pool', run.run_id, 'step')\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, *interrupted_runs.HEADLESS_TAG]
    subprocess.run(command, env=environment, cwd=PROJECT, check=True)
    storage_url = environment[dagster_home.URL_VARIABLE]
    assert interrupted_runs.close(storage_url, environment) == 1
    assert interrupted_runs.close(storage_url, environment) == 0
    with connect(storage_url, application_name="a test") as connection:
        rows = connection.execute("select status from runs order by id").fetchall()
        assert rows == [("FAILURE",), ("STARTED",)]
        held = "select status from runs join concurrency_slots on concurrency_slots.run_id = runs.run_id"
        assert connection.execute(held).fetchall() == [("STARTED",)]
        connection.execute("truncate runs cascade")


def test_a_database_that_died_comes_back_where_everybody_knows_it(database: Prepared) -> None:
    assert database.server is not None
    found = embedded.running(database.settings.state_dir)
    assert found is not None
    said: list[str] = []
    watch = DatabaseWatch(database, said.append)
    watch.look()
    assert said == []
    subprocess.run(["kill", "-9", str(found.pid)], check=True)
    while embedded.running(database.settings.state_dir) is not None:
        continue
    watch.look()
    again = embedded.running(database.settings.state_dir)
    assert again is not None
    assert (again.port, again.pid != found.pid) == (database.server.port, True)
    assert said == ["the embedded PostgreSQL ended; it starts again"]


def test_synthetic_tweets_never_mix_with_real_ones(tmp_path: Path) -> None:
    def demonstrates(**given: str) -> bool:
        settings = RuntimeSettings(_env_file=None, state_dir=tmp_path, **given)  # type: ignore[call-arg,arg-type]
        return settings.is_local_demonstration

    assert demonstrates()
    assert not demonstrates(database_url="postgresql://owner@db.example/tweets")
    assert not demonstrates(twitterapi_io_key="key")
    assert not demonstrates(x_api_bearer_token="token")


def test_the_workspace_file_names_modules_that_everybody_can_load() -> None:
    entries = yaml.safe_load((PROJECT / "workspace.yaml").read_text())["load_from"]
    names = [entry["python_module"]["location_name"] for entry in entries]
    assert [entry["python_module"]["module_name"] for entry in entries] == [
        f"orchestration.locations.{name}" for name in names
    ]


def test_a_taken_port_ends_the_command_with_a_sentence_and_code_2(tmp_path: Path, database: Prepared) -> None:
    with closing(socket.socket()) as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        environment = database.environment() | {
            "STATE_DIR": str(tmp_path),
            "DATABASE_URL": database.settings.database_url or "",
            "INGEST_PORT": str(port),
        }
        result = subprocess.run(
            [sys.executable, "-m", "orchestration", "up"],
            env=environment, cwd=PROJECT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert result.returncode == 2
    assert f"port {port}, where ingest should listen, is taken" in result.stderr
    assert "INGEST_PORT" in result.stderr
    assert "Traceback" not in result.stderr
