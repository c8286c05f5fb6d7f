"""Thirty days of hourly windows run by an InfluxBackfill, beside a bare loop of the same queries and beside forced runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench import late
from bench.figures import Figure
from bench.processes import Operator, bare
from bench.setup import fresh, run, say
from bench.site import Site
from bench.waiting import in_ledger, new, reach, ready_pipeline, seconds, succeeded
from bench.windows import (
    BACKFILLS,
    CHECKS,
    COUNTED,
    HOURLY,
    LEDGER,
    MEAN,
    PIPELINES,
    WINDOWS,
    Range,
    backfill,
    pipeline,
    rfc3339,
    write_points,
)
from devstack.stack import Stack

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "4"))
FORCED_AT_ONE = 30
"""Forced runs one after the other: each takes more than a second."""
CHECKED = "checked"
SOURCE = {"bucket": "raw", "measurement": "env", "field": "temperature"}


@dataclass(slots=True)
class Sum:
    """Of all rounds: seconds from the first start to the last end, and processor time."""

    seconds: float = 0.0
    cpu: float = 0.0
    all: list[float] = field(default_factory=list)

    def add(self, took: float, cpu: float) -> None:
        """One round more."""
        self.seconds += took
        self.cpu += cpu
        self.all.append(took)


@contextmanager
def filled() -> Iterator[tuple[Stack, Site, Range]]:
    """Servers with the raw points, once influxd has put them away."""
    span = Range.latest()
    with fresh(0, "1h") as (stack, site):
        for name in (LEDGER, HOURLY, CHECKED):
            stack.influx.call("POST", "/api/v2/buckets", {"orgID": site.org_id, "name": name, "retentionRules": []})
        say(f"writing the points of {WINDOWS} hours")
        run(write_points(site, span))
        _settled(stack)
        yield stack, site, span


def measure(logs: Path) -> list[Figure]:
    """Backfills, and looks for late data over the same points."""
    with filled() as (stack, site, span):
        return _backfills(stack, site, span, logs) + late.measure(site, span)


def measure_late(_logs: Path) -> list[Figure]:
    """The looks alone."""
    with filled() as (_, site, span):
        return late.measure(site, span)


def _backfills(stack: Stack, site: Site, span: Range, logs: Path) -> list[Figure]:
    """The rate without checks at one and at sixteen windows at a time, with all checks, and of forced runs."""
    with Operator(stack, logs / "operator-backfill.log") as operator:
        new(site, PIPELINES, pipeline("plain", _spec(span)), pipeline(CHECKED, _checked(span)))
        ready_pipeline(site, "plain")
        ready_pipeline(site, CHECKED)
        say("a first run of all windows, so that nothing is read for the first time later")
        _bare(site, span, MEAN, 16, Sum())
        figures: list[Figure] = []
        for workers in (1, 16):
            figures += _plain(site, span, operator, workers)
        figures += _with_checks(site, span, operator)
        return figures + _forced(site, span, figures)


def _plain(site: Site, span: Range, operator: Operator, workers: int) -> list[Figure]:
    ours, base = Sum(), Sum()
    for number in range(ROUNDS):
        for bare_turn in (True, False) if number % 2 == 0 else (False, True):
            if bare_turn:
                _bare(site, span, MEAN, workers, base)
            else:
                _backfill(site, span, operator, "plain", workers, ours)
    return _figures(f"backfill_{workers}", ours, base)


def _with_checks(site: Site, span: Range, operator: Operator) -> list[Figure]:
    ours, base = Sum(), Sum()
    _bare(site, span, COUNTED, 16, base)
    _backfill(site, span, operator, CHECKED, 16, ours)
    return _figures("backfill_checked", ours, base)


def _figures(name: str, ours: Sum, base: Sum) -> list[Figure]:
    rounds = len(ours.all)
    rate = f"{WINDOWS * rounds / ours.seconds:.1f} windows/s beside {WINDOWS * rounds / base.seconds:.1f}"
    every = " and ".join(f"{one:.1f}/{two:.1f}" for one, two in zip(ours.all, base.all, strict=True))
    figures = [
        Figure(
            name,
            WINDOWS,
            ours.seconds / rounds,
            "s",
            base.seconds / rounds,
            f"{rate}; rounds {every} s; load {os.getloadavg()[0]:.1f}",
        ),
        Figure(
            f"{name}_cpu",
            WINDOWS,
            1000 * ours.cpu / rounds / WINDOWS,
            "ms",
            1000 * base.cpu / rounds / WINDOWS,
            "processor time a window",
        ),
    ]
    for figure in figures:
        say(f"{figure.name} {figure.value:.2f} {figure.unit} (bare loop {figure.baseline:.2f}); {figure.note}")
    return figures


def _forced(site: Site, span: Range, figures: list[Figure]) -> list[Figure]:
    """Runs that InfluxDB makes when it is asked to, beside the operator's own."""
    found = []
    for workers, count in ((1, min(FORCED_AT_ONE, WINDOWS)), (16, WINDOWS)):
        say(f"{count} forced runs, {workers} at a time")
        took = bare(site, "native", script=MEAN, windows=span.windows()[:count], workers=workers).result["seconds"]
        ours = next(one for one in figures if one.name == f"backfill_{workers}").value * count / WINDOWS
        note = f"as baseline the forced runs: {count / took:.1f} windows/s"
        found.append(Figure(f"backfill_forced_{workers}", count, ours, "s", took, note))
        say(f"{found[-1].name} {ours:.2f} s (forced runs {took:.2f})")
    return found


def _bare(site: Site, span: Range, script: str, workers: int, total: Sum) -> None:
    result = bare(site, "windows", script=script, windows=span.windows(), workers=workers).result
    say(f"bare loop, {workers} at a time: {result['seconds']:.2f} s")
    total.add(result["seconds"], result["cpu"])


def _backfill(site: Site, span: Range, operator: Operator, name: str, workers: int, total: Sum) -> None:
    run_name = f"{name}-{workers}-{time.monotonic_ns()}"
    cpu = operator.cpu()
    uid = new(site, BACKFILLS, backfill(run_name, name, span, workers))[0]
    reach(site, BACKFILLS, run_name, succeeded, timeout=600.0)
    cpu = operator.cpu() - cpu
    took = seconds(in_ledger(site, WINDOWS, uid))
    say(f"operator, {workers} at a time: {took:.2f} s, load {os.getloadavg()[0]:.1f}")
    total.add(took, cpu)


def _spec(span: Range) -> dict[str, Any]:
    """Nothing is due by schedule before the next whole hour."""
    return {
        "window": {"every": "1h"},
        "begin": rfc3339(span.stop),
        "stages": [{"name": "downsample", "flux": MEAN}],
    }


def _checked(span: Range) -> dict[str, Any]:
    stage = {
        "name": "downsample",
        "flux": COUNTED,
        "source": SOURCE,
        "destination": {"bucket": CHECKED, "measurement": "env"},
        "checks": CHECKS,
    }
    return {
        "window": {"every": "1h"},
        "begin": rfc3339(span.stop),
        "lateness": {"allowed": "31d", "checkEvery": "1h"},
        "stages": [stage],
    }


def _settled(stack: Stack) -> None:
    """Wait until influxd has nothing left to do, for its compactions would slow down whoever comes first."""
    process = psutil.Process(stack.influx.pid)
    limit = time.monotonic() + 60.0
    while process.cpu_percent(interval=2.0) > 15.0 and time.monotonic() < limit:
        pass
