"""Processor time of processes and of all that they started: what a figure costs, however loaded the machine is.

Belongs here: reading it (Linux; elsewhere it is not known).
Does not belong here: elapsed time.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

_PROC = Path("/proc")


def seconds(process_id: int) -> float:
    """Return the seconds of a process, of those it has outlived, and of its living descendants; 0 where unknown."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    ticks: dict[int, int] = {}
    for path in _PROC.glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        each = int(path.parent.name)
        children[int(fields[1])].append(each)
        # User and system time, its own and that of the children it has waited for.
        ticks[each] = sum(int(field) for field in fields[11:15])
    return _of_tree(process_id, children, ticks) / os.sysconf("SC_CLK_TCK")


def _of_tree(process_id: int, children: dict[int, list[int]], ticks: dict[int, int]) -> int:
    below = sum(_of_tree(child, children, ticks) for child in children.get(process_id, ()))
    return ticks.get(process_id, 0) + below
