"""The key that a demonstration's services share when none is configured.

Belongs here: where that key is kept.
Does not belong here: keys of real providers.
"""

from __future__ import annotations

import secrets
from pathlib import Path

_FILE = "standin_key"


def demonstration_key(state_dir: Path) -> str | None:
    """Return the key of the demonstration under ``state_dir``; ``None`` where none has run."""
    path = state_dir / _FILE
    return path.read_text() if path.exists() else None


def make_demonstration_key(state_dir: Path) -> str:
    """Return the key, made on first use: a replay from another terminal needs the same one."""
    known = demonstration_key(state_dir)
    if known:
        return known
    path = state_dir / _FILE
    path.touch(mode=0o600)
    key = secrets.token_urlsafe(24)
    path.write_text(key)
    return key
