"""The embedded server's ``postgresql.conf``, sized for the machine it runs on.

Belongs here: each setting that differs from PostgreSQL's default, with its reason; how much memory there is.
Does not belong here: starting and stopping the server (``embedded.py``), settings of a single role (``roles.py``).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_MEBIBYTE = 1024 * 1024

_SHARED_MEMORY = Path("/dev") / "shm"

_SMALLEST_SHARED_MEMORY_FILESYSTEM = 256 * _MEBIBYTE
"""Containers get 64 MB of /dev/shm by default, where a parallel hash join ends in "No space left on device"."""

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_bytes() -> int:
    """Return the memory this process may use: the machine's, or the container's when that is less."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([physical, *filter(None, map(_limit_in, _CGROUP_LIMITS))])


def _limit_in(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def configuration(*, port: int, memory: int, disk: int, durable: bool = True) -> str:
    """Return the text of ``postgresql.conf`` for a server on ``127.0.0.1:port``.

    ``memory`` is how many bytes it shares with others, ``disk`` how many its file system holds in all.

    ``durable=False`` gives up every promise about crashes for speed: for throw-away test servers only.
    """
    settings = _connections(port) | _memory(memory) | _writing(disk, durable=durable) | _upkeep()
    lines = [f"{name} = '{value}'" for name, value in settings.items()]
    return "\n".join(["# Generated at each start: change settings with ALTER SYSTEM instead.", *lines, ""])


def _connections(port: int) -> dict[str, str]:
    return {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        # No Unix socket: its path is limited to about 100 bytes, and TCP serves every client we have.
        "unix_socket_directories": "",
        # Dagster's five processes hold up to ten connections each, the services twenty: room for a BI tool beside.
        "max_connections": "100",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "default_text_search_config": "pg_catalog.simple",
        "log_line_prefix": "%m [%p] %q%u@%d %a ",
        # Details of an error quote rows, and rows are people's tweets: an erasure could not reach them in a log.
        "log_error_verbosity": "terse",
        "log_parameter_max_length": "0",
        "log_min_duration_statement": "5s",
    }


def _memory(memory: int) -> dict[str, str]:
    return {
        # An eighth, not the usual quarter: Dagster's processes (about 700 MB) live on the same machine.
        "shared_buffers": _megabytes(memory // 8, least=128, most=2048),
        "effective_cache_size": _megabytes(memory // 2, least=256, most=65536),
        # A few sorts of a mart build at once, not a hundred: see max_connections.
        "work_mem": _megabytes(memory // 256, least=8, most=64),
        "maintenance_work_mem": _megabytes(memory // 32, least=64, most=512),
        "dynamic_shared_memory_type": _dynamic_shared_memory(),
        # Solid-state disks: a random page costs about what a sequential one does.
        "random_page_cost": "1.1",
        "track_io_timing": "on",
    }


def _writing(disk: int, *, durable: bool) -> dict[str, str]:
    on = "on" if durable else "off"
    return {
        "fsync": on,
        "synchronous_commit": on,
        "full_page_writes": on,
        # The wheel is built without lz4 and zstd, and pglz takes longer than the disk: the first refresh of the marts
        # after a checkpoint took 2.1 s with it and 0.9 s without (2,500 tweets on 1 million).
        "wal_compression": "off",
        # Fewer checkpoints, so fewer full pages. A thousand times the customer's load writes 6 GB between two of them;
        # a crash replays that in about a minute.
        "max_wal_size": _megabytes(disk // 20, least=1024, most=8192),
        "min_wal_size": "256MB",
        "checkpoint_timeout": "10min",
    }


def _upkeep() -> dict[str, str]:
    return {
        # A twentieth rather than a fifth: large tables get their statistics and visibility map before plans go wrong.
        "autovacuum_vacuum_scale_factor": "0.05",
        "autovacuum_vacuum_insert_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.02",
        # Queue tables turn over in seconds: the default minute would leave them full of dead rows.
        "autovacuum_naptime": "15s",
    }


def _megabytes(size: int, *, least: int, most: int) -> str:
    return f"{min(max(size // _MEBIBYTE, least), most)}MB"


def _dynamic_shared_memory() -> str:
    try:
        total = shutil.disk_usage(_SHARED_MEMORY).total
    except OSError:
        return "posix"
    return "posix" if total >= _SMALLEST_SHARED_MEMORY_FILESYSTEM else "mmap"
