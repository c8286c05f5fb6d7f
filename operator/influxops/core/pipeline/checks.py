"""Proofs of a window that has run: what the script wrote, what was read, and what stands in the destination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from influxops.core.pipeline.plan import CheckPlan
from influxops.core.pipeline.result import QueryResult, Series, Written
from influxops.core.pipeline.window import Window


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
    raise NotImplementedError


def judge(checks: Sequence[CheckPlan], evidence: Evidence, window: Window) -> list[Verdict]:
    """One verdict for each check, in their order. Never raises for what the evidence lacks."""
    raise NotImplementedError
