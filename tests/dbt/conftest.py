"""Fixtures of the marts' tests: a database in which dbt has made everything, and builds in it.

Belongs here: the built template, its clones, builders.
Does not belong here: facts (``facts.py``) and how a build is run (``builds.py``).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from database.connections import Role, connect, role_passwords, with_database, with_login
from database.settings import DatabaseSettings
from tests.conftest import SharedState
from tests.dbt import facts
from tests.dbt.builds import Builder, Dbt, ModelBuild, builder, recorded


@dataclass(frozen=True)
class BuiltTemplate:
    """A database without facts in which dbt has built every model once, and what it sent for that."""

    name: str
    builds: tuple[ModelBuild, ...]


@dataclass(frozen=True)
class Marts:
    """A database of a test's own: facts are written by the owner, models are built by the role ``pipeline``."""

    owner_url: str
    pipeline_url: str
    facts: psycopg.Connection[Any]
    build: Builder
    builds: tuple[ModelBuild, ...]


def as_role(url: str, shared_state: SharedState, role: Role) -> str:
    password = role_passwords(DatabaseSettings(state_dir=shared_state.state_dir))[role]
    return with_login(url, role, password or "")


@pytest.fixture(scope="session")
def built_template(
    server_url: str, template_database: str, shared_state: SharedState, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BuiltTemplate]:
    """One real build for the session; every test clones what it made."""
    name = f"built_{secrets.token_hex(4)}"
    with connect(server_url, application_name="tests", autocommit=True) as administration:
        clone(administration, name, template_database)
        try:
            dbt = Dbt(
                as_role(with_database(server_url, name), shared_state, "pipeline"), tmp_path_factory.mktemp("dbt")
            )
            dbt("run")
            yield BuiltTemplate(name, recorded(dbt, name))
        finally:
            drop(administration, name)


@pytest.fixture
def marts_database(server_url: str, built_template: BuiltTemplate) -> Iterator[str]:
    """The owner's URL of a clone of the built database."""
    name = f"marts_{secrets.token_hex(6)}"
    with connect(server_url, application_name="tests", autocommit=True) as administration:
        clone(administration, name, built_template.name)
        try:
            yield with_database(server_url, name)
        finally:
            drop(administration, name)


@pytest.fixture
def marts(marts_database: str, built_template: BuiltTemplate, shared_state: SharedState) -> Iterator[Marts]:
    """A built database with two zones, a few authors and no tweets."""
    pipeline_url = as_role(marts_database, shared_state, "pipeline")
    with ExitStack() as stack:
        owner = stack.enter_context(connect(marts_database, application_name="facts", autocommit=True))
        facts.add_world(owner)
        facts.set_as_of(owner, facts.NOON)
        build = stack.enter_context(builder(pipeline_url, built_template.builds))
        yield Marts(marts_database, pipeline_url, owner, build, built_template.builds)


@pytest.fixture
def another_builder(marts: Marts) -> Iterator[Callable[[], Builder]]:
    """Opens further sessions that build in the same database."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(builder(marts.pipeline_url, marts.builds))


@pytest.fixture
def dbt(marts: Marts, tmp_path: Path) -> Dbt:
    """The real dbt on the test's database."""
    return Dbt(marts.pipeline_url, tmp_path)


def clone(administration: psycopg.Connection[Any], name: str, template: str) -> None:
    statement = sql.SQL("create database {} template {} strategy file_copy")
    administration.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))


def drop(administration: psycopg.Connection[Any], name: str) -> None:
    administration.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
