"""Backfills that would lose points, or forget what they have done, are refused before anything runs."""

from __future__ import annotations

import pytest

from influxops.core.pipeline.backfill.refusal import refusal
from influxops.core.pipeline.backfill.selection import Refused, bounds, select
from tests.support.backfills import UID, Spec, all_records, at, rollups

NOW = at("2026-03-01T12:00")
DAY = 86400


def refused(
    start: str, stop: str, retentions: dict[str, int], stages: tuple[str, ...] = (), *, run: bool = False
) -> Refused | None:
    plan = rollups()
    spec = Spec(at(start), at(stop), stages, reprocess="Completed")
    records = all_records(plan, "2026-01-01", "2026-03-01") if run else []
    return refusal(plan, select(plan, spec, bounds(plan, spec, NOW), records, UID), retentions, NOW)


def test_a_source_that_has_begun_to_expire() -> None:
    """Names the bucket, its retention, how many windows, and the first that can run (half an hour is left to the run)."""
    found = refused("2026-02-20", "2026-02-25", {"raw": 7 * DAY, "hours": 0})
    assert found is not None
    assert found.reason == "SourceExpired"
    assert str(found) == (
        "bucket raw keeps 7d, since 2026-02-22T12:30:00Z: 61 windows of stage hour, the first "
        "2026-02-20T00:00:00Z/2026-02-20T01:00:00Z, would be made of what is left of their points, and overwrite what was made "
        "of all of them. Write start: 2026-02-22T13:00:00Z, where the first window begins that can run, or keep the points of "
        "these buckets longer (spec.retention of their RetentionPolicy) before they are gone"
    )


def test_what_is_written_in_the_same_backfill_is_no_source_that_expires() -> None:
    """The days are made of hours that this backfill makes: what counts is whether their bucket takes them."""
    assert refused("2026-02-20", "2026-02-25", {"raw": 0, "hours": 30 * DAY}) is None
    found = refused("2026-02-20", "2026-02-25", {"raw": 0, "hours": 7 * DAY})
    assert found is not None
    assert found.reason == "DestinationTooShort"
    assert "would be refused as they are written" in str(found)
    alone = refused("2026-02-20", "2026-02-25", {"raw": 0, "hours": 7 * DAY}, ("day",), run=True)
    assert alone is not None
    assert alone.reason == "SourceExpired"


def test_a_ledger_that_would_not_keep_the_state() -> None:
    """And where nothing can run, no start is proposed."""
    found = refused("2026-02-20", "2026-02-21", {"ledger": 7 * DAY})
    assert found is not None
    assert found.reason == "LedgerTooShort"
    assert str(found).endswith(
        "None of the windows can run; keep the points of these buckets longer (spec.retention of their RetentionPolicy)"
    )


@pytest.mark.parametrize(
    "retentions", [{}, {"raw": 0, "hours": 0, "days": 0, "ledger": 0}, {"raw": 30 * DAY, "ledger": 30 * DAY}]
)
def test_buckets_that_keep_long_enough(retentions: dict[str, int]) -> None:
    """Infinite, long, or not known."""
    assert refused("2026-02-20", "2026-02-25", retentions) is None


def test_the_window_at_the_edge_may_run() -> None:
    """A window that begins exactly where the retention does."""
    assert refused("2026-02-22T12:00", "2026-02-25", {"hours": 7 * DAY}, ("hour",)) is None
    assert refused("2026-02-22T11:00", "2026-02-25", {"hours": 7 * DAY}, ("hour",)) is not None
