"""Proofs of a window that has run: what the script wrote, what was read, and what stands in the destination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from influxops.core.pipeline.plan import CheckPlan
from influxops.core.pipeline.proofs.conservation import conservation
from influxops.core.pipeline.proofs.coverage import coverage
from influxops.core.pipeline.proofs.result import QueryResult, Series, Written
from influxops.core.pipeline.proofs.rows import Finding, checksum, row_count
from influxops.core.pipeline.windows.window import Window


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one run of a window. A check that lacks what it needs does not pass."""

    result: QueryResult | None = None
    """What the script wrote; None when InfluxDB ran it (execution Native)."""
    source: Mapping[Series, int] | None = None
    """Field values of each series of the source in the window, counted before the run."""
    written: Written | None = None
    """What stands in the destination in the window, read after the run."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What has to be read for the checks of a stage."""

    source: bool
    """``count_by_series`` of the source, before the run."""
    written: bool
    """``read_written`` of the destination, after the run."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check says."""

    check: CheckPlan
    passed: bool
    message: str
    """What was expected and found, over which window, and, when it did not pass, what to do."""


def needs(checks: Sequence[CheckPlan], *, native: bool = False) -> Needs:
    """What these checks read; ``native``: there is no result of a script, so rows are counted in the destination."""
    types = {check.type for check in checks}
    return Needs(
        source=bool(types & {"Coverage", "Conservation"}),
        written=bool(types - {"RowCount"}) or (native and bool(types)),
    )


def judge(checks: Sequence[CheckPlan], evidence: Evidence, window: Window) -> list[Verdict]:
    """One verdict for each check, in their order. Never raises for what the evidence lacks."""
    return [Verdict(check, *_finding(check, evidence, str(window))) for check in checks]


def _finding(check: CheckPlan, evidence: Evidence, where: str) -> Finding:
    result, source, written = evidence.result, evidence.source, evidence.written
    if check.type == "RowCount":
        rows = result or written
        if rows is not None:
            return row_count(rows.rows, check.min, check.max, native=result is None, where=where)
    elif check.type == "Checksum":
        if result is None:
            return False, _NATIVE.format(where=where)
        if written is not None:
            return checksum(result, written, where)
    elif written is not None and source is not None:
        if check.type == "Coverage":
            return coverage(source, written.counts, check.by, check.min_percent, where)
        if check.type == "Conservation":
            return conservation(check.count_field, source, written, where)
    lacks = "the source" if written is not None else "the destination"
    return False, f"the check {check.type} could not be made for {where}: {lacks} was not read; name it in the stage"


_NATIVE = (
    "the check Checksum could not be made for {where}: InfluxDB ran the script and does not tell what it wrote; write "
    "execution: Query, or use Coverage or Conservation"
)
