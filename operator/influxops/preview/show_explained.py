"""An explanation for people and programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from influxops.core.conditions import rfc3339
from influxops.core.durations import format_seconds
from influxops.core.explain import Verdict
from influxops.core.pipeline.proofs.result import QueryCost
from influxops.preview.explaining import Explanation

_WORDS = {True: "pushed down", False: "NOT PUSHED DOWN", None: "points are read"}


def as_text(found: Explanation) -> str:
    """For the terminal."""
    return "\n".join(_lines(found)) + "\n"


def as_data(found: Explanation) -> dict[str, Any]:
    """For programs."""
    subject, result = found.subject, found.result
    window = subject.window
    data: dict[str, Any] = {
        "name": subject.name,
        "slot": rfc3339(subject.slot),
        "window": window.shown() if window else None,
        "reads": list(found.reads),
        "writes": list(found.writes),
        "script": subject.script,
        "ran": result is not None,
        "notRunBecause": found.refused,
        "error": found.error,
        "rows": result.rows if result else None,
        "series": result.series if result else None,
        "bytes": result.bytes if result else None,
        "cost": None,
        "plan": "",
        "sources": [_source(verdict) for verdict in found.sources],
    }
    if result is not None and result.cost is not None:
        cost = result.cost
        data["cost"] = {
            "totalSeconds": cost.total,
            "queuedSeconds": cost.queued,
            "executedSeconds": cost.executed,
            "scannedValues": cost.scanned_values,
            "scannedBytes": cost.scanned_bytes,
            "maxAllocatedBytes": cost.max_allocated,
        }
        data["plan"] = cost.graph
    return data


def as_json(found: list[Explanation]) -> str:
    """A list, also of one."""
    return json.dumps([as_data(one) for one in found], indent=2, ensure_ascii=False) + "\n"


def _lines(found: Explanation) -> Iterator[str]:
    subject = found.subject
    yield f"{subject.name}"
    yield f"  slot     {rfc3339(subject.slot)}"
    yield f"  window   {_window(found)}"
    yield f"  reads    {', '.join(found.reads) or 'no bucket that is named by a literal'}"
    yield f"  writes   {', '.join(found.writes) or 'no bucket that is named by a literal'}"
    yield ""
    yield "Script with its window:"
    yield ""
    yield from (f"    {line}".rstrip() for line in subject.script.rstrip("\n").split("\n"))
    yield ""
    if found.refused:
        yield "Not run, for it could not be kept from doing what it does:"
        yield from (f"  - {reason}" for reason in found.refused)
        return
    if found.error or found.result is None:
        yield f"It fails: {found.error}"
        return
    result = found.result
    also = "; what its own yield() gives out is among them" if found.yields else ""
    yield f"Run without its writes: {result.rows} rows of {result.series} series would be written{also}."
    if result.cost is not None:
        yield from _cost(result.cost, told=all(verdict.pushed_down for verdict in found.sources))
    for verdict in found.sources:
        yield ""
        yield from _verdict(verdict)


def _window(found: Explanation) -> str:
    window = found.subject.window
    if window is None:
        return "the script sets its range by itself"
    return f"{rfc3339(window.start)} to {rfc3339(window.stop)}, {format_seconds(round((window.stop - window.start).total_seconds()))}"


def _cost(cost: QueryCost, *, told: bool) -> Iterator[str]:
    yield (
        f"  time     {_ms(cost.total)} ms in all: {_ms(cost.queued)} ms in the queue, {_ms(cost.executed)} ms at work"
    )
    # 2.7.12 answers 0 also where every point is read (tests/contract/test_explain.py).
    known = told or cost.scanned_values
    yield f"  scanned  {f'{cost.scanned_values} values, {cost.scanned_bytes} bytes' if known else 'not told by this InfluxDB'}"
    yield f"  memory   {cost.max_allocated} bytes at most"


def _verdict(verdict: Verdict) -> Iterator[str]:
    yield f"{_WORDS[verdict.pushed_down]}: {' -> '.join((verdict.node, *verdict.steps))}"
    if verdict.note:
        yield f"  {verdict.note}"
    yield f"  {verdict.why}"
    if verdict.remedy:
        yield f"  To change it: {verdict.remedy}."


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


def _source(verdict: Verdict) -> dict[str, Any]:
    return {
        "node": verdict.node,
        "note": verdict.note,
        "steps": list(verdict.steps),
        "pushedDown": verdict.pushed_down,
        "why": verdict.why,
        "remedy": verdict.remedy,
    }
