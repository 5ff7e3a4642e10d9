"""Which database to talk to, as whom, and how a connection is opened.

Belongs here: the owner's URL, one URL per role, their generated passwords, connection parameters.
Does not belong here: making the roles (``roles.py``), starting a server (``embedded.py``).
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, quote, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from database import embedded
from database.errors import DatabaseUnavailableError
from database.locking import exclusively
from database.settings import DatabaseSettings

Role = Literal["ingest_writer", "pipeline", "bi_reader", "api_reader"]

ROLES: tuple[Role, ...] = ("ingest_writer", "pipeline", "bi_reader", "api_reader")

_CONNECTION_DEFAULTS = {
    "connect_timeout": "10",
    "keepalives": "1",
    # A vanished peer is noticed after 30 + 3 × 10 seconds, not after the kernel's two hours.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}


def database_url(settings: DatabaseSettings) -> str:
    """Return the owner's URL: the one that is set, or that of the running embedded server."""
    if settings.database_url is not None:
        return settings.database_url
    server = embedded.running(settings.state_dir)
    if server is None:
        raise DatabaseUnavailableError(
            f"no database: DATABASE_URL is not set, and no embedded server runs under {settings.state_dir}. "
            "Start everything with `make up`, or set DATABASE_URL to a PostgreSQL 15 to 18."
        )
    return server.url


def role_url(settings: DatabaseSettings, role: Role) -> str:
    """Return the URL that ``role`` connects with: the one that is set, else derived from the owner's."""
    given = _given_role_urls(settings)[role]
    if given is not None:
        return given
    return with_login(database_url(settings), role, _generated_passwords(settings.state_dir)[role])


def role_passwords(settings: DatabaseSettings) -> dict[Role, str | None]:
    """Return each role's password for ``ensure_roles``; None where a URL is set and its password is not ours."""
    given = _given_role_urls(settings)
    generated = _generated_passwords(settings.state_dir)
    return {role: None if given[role] is not None else generated[role] for role in ROLES}


def with_login(url: str, user: str, password: str) -> str:
    """Return ``url`` with another user and password; hosts, database and options stay."""
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2]
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return _joined(parts, f"{login}@{hosts}", parts.path, _query_without(parts, "user", "password"))


def with_database(url: str, database: str) -> str:
    """Return ``url`` with another database on the same server."""
    parts = urlsplit(url)
    return _joined(parts, parts.netloc, "/" + quote(database, safe=""), _query_without(parts, "dbname"))


def without_password(url: str) -> str:
    """Return ``url`` as it may be shown: without its password."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    return _joined(parts, login.partition(":")[0] + at + hosts, parts.path, _query_without(parts, "password"))


def connect(url: str, *, application_name: str, autocommit: bool = False) -> psycopg.Connection:
    """Open a connection whose session is in UTC and which notices a peer that has vanished.

    Parameters in ``url`` win over the defaults. Raises ``DatabaseUnavailableError``, without the password, when
    the server cannot be reached.
    """
    try:
        return psycopg.connect(connection_string(url, application_name=application_name), autocommit=autocommit)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(f"cannot connect to {without_password(url)}: {error}") from error


def connection_string(url: str, *, application_name: str) -> str:
    """Return the libpq connection string that ``connect`` uses, for pools and other drivers of libpq."""
    given = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    ours = {
        "options": f"{given.get('options', '')} -c timezone=UTC".strip(),
        "application_name": application_name,
    }
    return make_conninfo("", **(_CONNECTION_DEFAULTS | given | ours))


def _query_without(parts: SplitResult, *names: str) -> str:
    """Drop parameters without decoding the others: libpq, unlike web forms, reads "+" as itself."""
    return "&".join(pair for pair in parts.query.split("&") if pair.partition("=")[0] not in names)


def _joined(parts: SplitResult, netloc: str, path: str, query: str) -> str:
    """Join a URL; ``urlunsplit`` would drop the slashes of one without a host (a Unix socket)."""
    return f"{parts.scheme}://{netloc}{path}" + (f"?{query}" if query else "")


def _given_role_urls(settings: DatabaseSettings) -> dict[Role, str | None]:
    return {
        "ingest_writer": settings.ingest_database_url,
        "pipeline": settings.pipeline_database_url,
        "bi_reader": settings.bi_database_url,
        "api_reader": settings.api_database_url,
    }


def _generated_passwords(state_dir: Path) -> dict[Role, str]:
    """Read the passwords kept under ``state_dir``, making those that are missing; safe between processes."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        with exclusively(state_dir / "role_passwords.lock"):
            kept = _read_passwords(state_dir / "role_passwords.json")
            complete = {role: kept.get(role) or secrets.token_urlsafe(24) for role in ROLES}
            if complete != kept:
                _keep_passwords(state_dir / "role_passwords.json", complete)
    except OSError as error:
        raise DatabaseUnavailableError(
            f"cannot use {error.filename or state_dir}, which keeps the roles' passwords ({error.strerror}): "
            "set STATE_DIR to a directory of your own, or set the URL of each role."
        ) from error
    return complete


def _read_passwords(path: Path) -> dict[Role, str]:
    if not path.exists():
        return {}
    try:
        passwords: dict[Role, str] = json.loads(path.read_text())
    except ValueError as error:
        raise DatabaseUnavailableError(
            f"{path} is not readable JSON ({error}): remove it, and new passwords are made and given to the roles."
        ) from error
    return passwords


def _keep_passwords(path: Path, passwords: dict[Role, str]) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(passwords, file, indent=2)
    unfinished.replace(path)
