"""What it costs to decide what runs next: fifty pipelines of ten stages, beside a loop over a dict and a heap."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from pathlib import Path

from bench.figures import Figure
from bench.plans import LAYERS, plan_of
from bench.setup import say
from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.due import next_window
from influxops.core.pipeline.ledger import Mark
from influxops.core.pipeline.plan import PipelinePlan
from influxops.engine.pipeline.course import Course
from influxops.engine.pipeline.ledger_writer import LedgerWriter

PIPELINES = 50
PERIODS = 100
"""Windows of each stage that have closed: 50,000 in all."""
TIMES = 3
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class _NoLedger(LedgerWriter):
    """Only the decisions are timed."""

    def watermark(self, mark: Mark, now: datetime) -> int:  # noqa: ARG002 - names of the original
        return 0


def measure(_logs: Path) -> list[Figure]:
    """Microseconds of processor time a window, of the best of three."""
    plan = plan_of(LAYERS, "1m", _BEGIN)
    count = PIPELINES * PERIODS * len(LAYERS)
    ours = min(_ours(plan) for _ in range(TIMES))
    base = min(_bare(LAYERS) for _ in range(TIMES))
    note = "closed, on the agenda, taken, settled, watermark; the bare loop keeps counts of parents and a heap"
    say(f"agenda {1e6 * ours / count:.2f} µs a window (bare loop {1e6 * base / count:.2f})")
    return [Figure("agenda", count, 1e6 * ours / count, "µs", 1e6 * base / count, note)]


def _ours(plan: PipelinePlan) -> float:
    now = plan.begin + timedelta(minutes=PERIODS)
    began = time.process_time()
    for _ in range(PIPELINES):
        writer = _NoLedger(lambda: None, plan.bucket, plan.owner)
        course, ran = (
            Course(plan, plan, Agenda(plan), writer, {}, plan.begin, plan.begin, next_window(plan, plan.begin)),
            0,
        )
        course.add_due(now)
        while (entry := course.agenda.take(now, lambda _: True)) is not None:
            course.agenda.succeeded(entry, now)
            course.advance(now)
            ran += 1
        assert (ran, course.watermark) == (PERIODS * len(plan.stages), now)
    return time.process_time() - began


def _bare(stages: Mapping[str, tuple[str, ...]]) -> float:
    ranks = {name: rank for rank, name in enumerate(stages)}
    parents = [len(after) for after in stages.values()]
    children = [[ranks[child] for child, after in stages.items() if name in after] for name in stages]
    began = time.process_time()
    for _ in range(PIPELINES):
        waits: dict[tuple[int, int], int] = {}
        heap: list[tuple[int, int]] = []
        for period in range(PERIODS):
            for rank, before in enumerate(parents):
                waits[period, rank] = before
                if not before:
                    heappush(heap, (period, rank))
        while heap:
            period, rank = heappop(heap)
            del waits[period, rank]
            for child in children[rank]:
                waits[period, child] -= 1
                if not waits[period, child]:
                    heappush(heap, (period, child))
        assert not waits
    return time.process_time() - began
