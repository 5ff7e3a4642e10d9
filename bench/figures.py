"""The table of goals: what was promised, what was measured today, and how far apart they are.

Belongs here: goals, figures, printing and writing them.
Does not belong here: measuring.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """One measured figure of a part. Without a goal it is there to read another by.

    ``is_met`` is None where there is no goal, or where this run cannot tell (``note`` says why).
    """

    part: str
    name: str
    value: float | None
    unit: str
    goal: str = ""
    is_met: bool | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """Return "met", "missed" or nothing."""
        return {None: "", True: "met", False: "missed"}[self.is_met]


@dataclass(frozen=True)
class Conditions:
    """What a run took place in: figures of a loaded machine are not those of a quiet one."""

    started_at: str
    scale: str
    processors: int
    load_before: float
    load_after: float
    seconds: float
    machine: str = platform.platform()
    python: str = platform.python_version()


def at_least(part: str, name: str, value: float, unit: str, goal: float, *, note: str = "") -> Figure:
    """Return a figure that must not fall below its goal."""
    return Figure(part, name, value, unit, f"≥ {goal:,g}", value >= goal, note)


def at_most(part: str, name: str, value: float, unit: str, goal: float, *, note: str = "") -> Figure:
    """Return a figure that must not exceed its goal."""
    return Figure(part, name, value, unit, f"≤ {goal:,g}", value <= goal, note)


def load_average() -> float:
    """Return how many processes of the whole machine ran or wanted to, over the last minute."""
    return os.getloadavg()[0]


def line(figure: Figure) -> str:
    """Return a figure as a line of the printed table."""
    measured = f"{shown(figure.value)} {figure.unit}" if figure.value is not None else ""
    judged = f"{figure.goal:<12} {figure.verdict:<7} {figure.note}"
    return f"{figure.part:<4} {figure.name:<58} {measured:>22}  {judged}".rstrip()


def missing(part: str, name: str, reason: str, goal: str = "") -> Figure:
    """Return the line of something that was not measured."""
    return Figure(part, name, None, "", goal, None, f"not measured: {reason}")


def shown(value: float | None) -> str:
    """Return a number with three or four telling digits; nothing for none."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}" if abs(value) < 10 else f"{value:,.1f}"


def table(figures: Sequence[Figure], conditions: Conditions) -> str:
    """Return everything as text for a terminal."""
    head = f"{'':4} {'':58} {'today':>22}  {'goal':<12}"
    return "\n".join([head, *(line(figure) for figure in figures), "", described(conditions)])


def described(conditions: Conditions) -> str:
    """Return a sentence about the run."""
    return (
        f"Scale {conditions.scale}, {conditions.processors} processors, load average {conditions.load_before:.1f} "
        f"before and {conditions.load_after:.1f} after (this run's own load included), {conditions.seconds:.0f} s, "
        f"{conditions.started_at}."
    )


def markdown(figures: Sequence[Figure], conditions: Conditions) -> str:
    """Return everything as a Markdown document."""
    rows = [
        f"| {figure.part} | {figure.name} | {shown(figure.value)} {figure.unit} | {figure.goal} | {figure.verdict} "
        f"| {figure.note} |"
        for figure in figures
    ]
    head = [
        "# Benchmark",
        "",
        described(conditions),
        "",
        "| # | What | Today | Goal | | Note |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


def write(figures: Sequence[Figure], conditions: Conditions, directory: Path = RESULTS) -> Path:
    """Write the figures as JSON and Markdown, named after the present; return the Markdown's path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.md"
    path.write_text(markdown(figures, conditions))
    content = {"conditions": asdict(conditions), "figures": [asdict(figure) for figure in figures]}
    path.with_suffix(".json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return path
