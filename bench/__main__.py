"""``python -m bench [--scale S] [--only P2,P6]``: measure what is promised, print it beside the promise, keep it.

Belongs here: options, the order of the parts.
Does not belong here: what a part does.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import click

from bench import figures, ground
from bench.figures import Conditions, Figure
from bench.ground import Ground, Scale

SCALES = {
    "tiny": Scale("tiny", stored=5_000, payloads=600, seconds=2),
    "small": Scale("small", stored=100_000, payloads=16_000, seconds=20),
    "goals": Scale("goals", stored=1_000_000, payloads=100_000, seconds=300),
}
"""The default ends within five minutes on two cores; "goals" is what the goals are stated for, and takes an hour."""

GOALS = tuple(f"P{number}" for number in range(1, 11))
ELSEWHERE = figures.missing("P10", "webhook to core, under Dagster", "needs the whole pipeline (make up)", "≤ 2 s")


class ScaleOption(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """The name of a scale, or how many tweets there are already."""

    name = "scale"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Scale:  # noqa: RET503
        """Return the scale that is meant."""
        if isinstance(value, Scale):
            return value
        text = str(value).replace("_", "")
        if text in SCALES:
            return SCALES[text]
        if text.isdigit() and int(text) >= 1_000:
            stored = int(text)
            return Scale(text, stored, payloads=min(100_000, max(600, stored // 10)), seconds=30)
        self.fail(f"{value!r} is no scale: give {', '.join(SCALES)}, or a number of tweets from 1,000.", param, ctx)


def parts() -> Mapping[tuple[str, ...], Callable[[Ground], Iterator[Figure]]]:
    """Return what measures which goals. Imported here: each part brings what the others do without."""
    from bench import also, landing, normalise, refresh

    return {
        ("P2", "P3", "P5"): normalise.measure,
        ("P4",): landing.measure_landing,
        ("P1",): landing.measure_end_to_end,
        ("P6",): refresh.measure,
        ("P7",): also.measure_engagement,
        ("P8", "P9"): also.measure_queries,
    }


def chosen_goals(text: str) -> frozenset[str]:
    """Return the goals that are named, all if none is."""
    named = frozenset(part.strip().upper() for part in text.split(",") if part.strip())
    if unknown := named - set(GOALS):
        raise click.BadParameter(f"there is no goal {', '.join(sorted(unknown))}: there are {', '.join(GOALS)}.")
    return named or frozenset(GOALS)


def measured(scale: Scale, goals: frozenset[str]) -> Iterator[Figure]:
    """Measure, one part after the other on one server."""
    chosen = {names: part for names, part in parts().items() if goals.intersection(names)}
    if chosen:
        with ground.serving(scale) as own:
            for names, part in chosen.items():
                click.echo(f"measuring {', '.join(names)} …", err=True)
                yield from (figure for figure in part(own) if figure.part in goals)
    if "P10" in goals:
        yield ELSEWHERE


@click.command()
@click.option("--scale", type=ScaleOption(), default="small", show_default=True, help="tiny, small, goals, or tweets.")
@click.option("--only", default="", help="Goals such as P2,P6; all unless given.")
@click.option("--seconds", type=click.FloatRange(min=1), help="How long P1 and P4 take; else by the scale.")
def main(scale: Scale, only: str, seconds: float | None) -> None:
    """Print the goals beside today's figures, and write them to bench/results."""
    # Being told to end must stop the server and remove its directory as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    goals = chosen_goals(only)
    scale = replace(scale, seconds=seconds or scale.seconds)
    started_at, began, load_before = datetime.now(UTC), time.monotonic(), figures.load_average()
    found = []
    for figure in measured(scale, goals):
        click.echo(figures.line(figure), err=True)
        found.append(figure)
    found.sort(key=lambda figure: GOALS.index(figure.part))
    conditions = Conditions(
        started_at=started_at.isoformat(timespec="seconds"),
        scale=f"{scale.name} ({scale.stored:,} tweets stored, {scale.payloads:,} delivered, {scale.seconds:g} s)",
        processors=os.cpu_count() or 1,
        load_before=load_before,
        load_after=figures.load_average(),
        seconds=time.monotonic() - began,
    )
    click.echo(figures.table(found, conditions))
    click.echo(f"written to {figures.write(found, conditions)}")


if __name__ == "__main__":
    main()
