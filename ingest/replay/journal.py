"""What a replay has got acknowledged, on disk, so that an interrupted one goes on where nothing is missing.

Belongs here: the journal file of one archive file, and where the line lies up to which everything is settled.
Does not belong here: sending, reading archives.

A journal is only ever appended to: whatever kills the process leaves at most a cut last line, which is dropped. It is
removed when the whole replay is complete, so that a replay of the same files started later posts them again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import msgspec


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that the service will never take, and why."""

    file: str
    number: int
    reason: str


@dataclass(slots=True)
class Settled:
    """What became of lines: the deliveries they were acknowledged as, their items, the lines that were refused."""

    deliveries: list[int] = field(default_factory=list)
    items: int = 0
    refused: list[Refused] = field(default_factory=list)

    def add(self, other: Settled) -> None:
        """Count in what became of more lines."""
        self.deliveries += other.deliveries
        self.items += other.items
        self.refused += other.refused


class _Entry(msgspec.Struct):
    """One line of a journal: everything up to ``number`` is settled."""

    number: int
    deliveries: list[int] = msgspec.field(default_factory=list)
    items: int = 0
    refused: list[tuple[int, str]] = msgspec.field(default_factory=list)


class Journal:
    """The journal of one archive file in one replay.

    It is found again by the file's path, size and time of change and by where it goes: a changed file, another zone
    or another service begins anew.
    """

    def __init__(self, folder: Path, file: Path, *destination: str) -> None:
        """Name the journal; nothing is read or written yet."""
        status = file.stat()
        identity = [str(file.resolve()), str(status.st_size), str(status.st_mtime_ns), *destination]
        self._file = str(file)
        self._path = folder / f"{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]}.ndjson"

    def read(self) -> tuple[int, Settled]:
        """Return the number up to which everything is settled, and what became of it; 0 without a journal.

        Whatever follows the last whole entry is cut off, so that the next one begins a line of its own.
        """
        number, settled, sound_bytes = 0, Settled(), 0
        content = self._path.read_bytes() if self._path.exists() else b""
        for line in content.splitlines(keepends=True):
            entry = _entry(line)
            if entry is None:
                break
            number = entry.number
            settled.add(Settled(entry.deliveries, entry.items, [Refused(self._file, *pair) for pair in entry.refused]))
            sound_bytes += len(line)
        if sound_bytes < len(content):
            self._path.write_bytes(content[:sound_bytes])
        return number, settled

    def append(self, number: int, settled: Settled) -> None:
        """Remember that everything up to ``number`` is settled."""
        refused = [(line.number, line.reason) for line in settled.refused]
        entry = _Entry(number, settled.deliveries, settled.items, refused)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as journal:
            journal.write(msgspec.json.encode(entry) + b"\n")

    def remove(self) -> None:
        """Forget everything; harmless if there is nothing."""
        self._path.unlink(missing_ok=True)


def _entry(line: bytes) -> _Entry | None:
    if not line.endswith(b"\n"):
        return None
    try:
        return msgspec.json.decode(line, type=_Entry)
    except msgspec.DecodeError:
        return None


@dataclass(slots=True)
class Watermark:
    """Batches are sent side by side and settle in any order; only an unbroken row of settled ones counts."""

    journal: Journal
    _sent: list[int] = field(default_factory=list)
    _settled: dict[int, Settled] = field(default_factory=dict)

    def sent(self, last_number: int) -> None:
        """Note that the batch that ends with ``last_number`` is on its way; in the order of the file."""
        self._sent.append(last_number)

    def settled(self, last_number: int, outcome: Settled) -> None:
        """Note what became of that batch, and journal every batch before which nothing is open."""
        self._settled[last_number] = outcome
        together, reached = Settled(), 0
        while self._sent and self._sent[0] in self._settled:
            reached = self._sent.pop(0)
            together.add(self._settled.pop(reached))
        if reached:
            self.journal.append(reached, together)
