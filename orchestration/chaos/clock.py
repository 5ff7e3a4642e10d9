"""Runs a module whose wall clock can be set forward and back from outside while it works.

``python -m orchestration.chaos.clock FILE MODULE ARGUMENTS…``: ``FILE`` holds eight bytes, the seconds that are added
to ``time.time()``, as a double. Setting the machine's own clock needs rights that a test has not, and would disturb all
else that runs.

Belongs here: the shift, and writing it.
Does not belong here: when the clock jumps (``faults.py``).
"""

from __future__ import annotations

import mmap
import runpy
import struct
import sys
import time
from pathlib import Path

_FORMAT = struct.Struct("d")


def write_shift(path: Path, seconds: float) -> None:
    """Let the clock of whoever runs with ``path`` be ahead by ``seconds``, at once."""
    if not path.exists():
        path.write_bytes(bytes(_FORMAT.size))
    with path.open("r+b") as file:
        file.write(_FORMAT.pack(seconds))


def main() -> None:
    """Shift the clock of this process, then be the module that is named."""
    path, module, *arguments = sys.argv[1:]
    with open(path, "r+b") as file:  # noqa: PTH123 -- no name may be imported that reads the clock
        shift = mmap.mmap(file.fileno(), _FORMAT.size)
    true_time = time.time
    time.time = lambda: true_time() + float(_FORMAT.unpack_from(shift)[0])
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
