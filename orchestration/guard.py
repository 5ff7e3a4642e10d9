"""A small process that ends the supervisor's children when the supervisor itself was killed.

It reads one line for each process group on its standard input: "+ID" when a group begins, "-ID" when it has ended. The
end of the input means that the supervisor is gone, however it went; the groups that are left are then ended.

Belongs here: exactly this. It is run by path, isolated, and imports nothing but the standard library.
Does not belong here: an orderly stop (``supervisor.py``).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

_POLITE_SECONDS = 10.0
_POLL_SECONDS = 0.1


def main() -> None:
    """Keep the list of groups until the input ends, then end them."""
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        groups.add(group) if line.startswith("+") else groups.discard(group)
    _send(groups, signal.SIGTERM)
    deadline = time.monotonic() + _POLITE_SECONDS
    while groups and time.monotonic() < deadline:
        groups = {group for group in groups if _lives(group)}
        time.sleep(_POLL_SECONDS)
    _send(groups, signal.SIGKILL)


def _send(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
