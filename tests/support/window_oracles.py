"""What must hold of a pipeline when it has come to rest, whatever happened on the way.

- Values: the destinations are byte-equal to those of a single clean run.
- Order: a stage ran over a window only after every window before it had been answered once, and what stands there was made
  after the last run of each.
- Nothing skipped: every window of every stage ran, and the ledger says SUCCESS of each.
- Little twice: a kill costs at most the runs whose end was not in the ledger yet.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.support.steps import Run

Place = tuple[str, datetime, datetime]


@dataclass(frozen=True)
class Shape:
    """A pipeline of tumbling windows, counted from 1970 in UTC."""

    every: Mapping[str, timedelta]
    """Of each stage."""
    parents: Mapping[str, Sequence[str]]
    begin: datetime
    end: datetime
    """Windows that end later close while the test runs, and are not judged."""

    def windows(self, stage: str, start: datetime, stop: datetime) -> Iterator[Place]:
        """The windows of a stage in a range."""
        at = start
        while at + self.every[stage] <= stop:
            yield stage, at, at + self.every[stage]
            at += self.every[stage]

    def places(self) -> list[Place]:
        """Every stage with every window."""
        return [place for stage in self.every for place in self.windows(stage, self.begin, self.end)]

    def before(self, run: Run) -> list[Place]:
        """What a run needs."""
        return [
            place
            for parent in self.parents.get(run.stage, ())
            for place in self.windows(parent, run.start, run.stop)
            if place[1] >= self.begin
        ]


@dataclass(frozen=True)
class End:
    """How a pipeline ended."""

    runs: Sequence[Run]
    ledger: Mapping[Place, str]
    """State by stage and window."""
    destinations: str = ""
    """All points, sorted, as text."""
    status: Mapping[str, object] = field(default_factory=dict)


def judge(shape: Shape, end: End) -> list[str]:
    """All problems that can be told without another run."""
    return [*order(shape, end.runs), *skipped(shape, end), *ledger(shape, end.ledger), *status(shape, end.status)]


def order(shape: Shape, runs: Sequence[Run]) -> list[str]:
    """Runs that came before what they need, and results that are older than what they were made of."""
    problems = []
    first: dict[Place, float] = {}
    last: dict[Place, Run] = {}
    for run in runs:
        if run.succeeded:
            first[run.place] = min(run.ended, first.get(run.place, run.ended))
            last[run.place] = max(run, last.get(run.place, run), key=lambda one: one.ended)
    for run in runs:
        problems += [
            f"ORDER: {_name(run.place)} ran before {_name(place)} had been answered"
            for place in shape.before(run)
            if first.get(place, float("inf")) > run.asked
        ]
    for run in last.values():
        problems += [
            f"STALE: {_name(run.place)} was made before the last run of {_name(place)}"
            for place in shape.before(run)
            if place in last and last[place].ended > run.asked
        ]
    return sorted(set(problems))


def skipped(shape: Shape, end: End) -> list[str]:
    """Windows that never ran to their end."""
    done = {run.place for run in end.runs if run.succeeded}
    return [f"SKIPPED: {_name(place)} never ran" for place in shape.places() if place not in done]


def ledger(shape: Shape, found: Mapping[Place, str]) -> list[str]:
    """Windows whose state is not SUCCESS."""
    missing = [place for place in shape.places() if place not in found]
    other = [(place, state) for place, state in found.items() if state != "SUCCESS"]
    return [
        *(f"LEDGER: nothing of {_name(place)}" for place in missing),
        *(f"LEDGER: {_name(place)} is {state}" for place, state in other),
    ]


def status(shape: Shape, found: Mapping[str, object]) -> list[str]:
    """A status that tells of work or failures, or a watermark that stayed behind."""
    problems = []
    windows = found.get("windows")
    counts = dict(windows) if isinstance(windows, Mapping) else {}
    odd = {name: counts.get(name) for name in ("pending", "ready", "running", "failed") if counts.get(name) != 0}
    if odd:
        problems.append(f"STATUS: windows are {odd}")
    if str(found.get("watermark", "")) < f"{shape.end:%Y-%m-%dT%H:%M:%SZ}":
        problems.append(f"STATUS: the watermark is {found.get('watermark')}")
    if found.get("exceptions"):
        problems.append(f"STATUS: exceptions are {found['exceptions']}")
    return problems


def values(reference: str, found: str) -> list[str]:
    """Lines of the destinations that differ from the clean run's."""
    if reference == found:
        return []
    lines = difflib.unified_diff(reference.splitlines(), found.splitlines(), "clean run", "this run", n=0, lineterm="")
    return ["VALUES differ:\n" + "\n".join(list(lines)[:40])]


def twice(shape: Shape, reference: Iterable[Run], runs: Iterable[Run], extra: int) -> list[str]:
    """Windows that ran more often than a crash explains: ``extra`` times more than in the reference."""
    wanted, found = Counter(run.place for run in reference), Counter(run.place for run in runs)
    return [
        f"TWICE: {_name(place)} ran {found[place]} times"
        for place in shape.places()
        if found[place] > wanted[place] + extra
    ]


def _name(place: Place) -> str:
    stage, start, stop = place
    return f"{stage} {start:%m-%dT%H:%M:%S}/{stop:%H:%M:%S}"
