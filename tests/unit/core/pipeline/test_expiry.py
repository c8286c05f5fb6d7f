"""When retention takes points away: never later than the server may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from influxops.core.pipeline.expiry import expires_before, refused_before

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = 86_400


def test_nothing_expires_in_a_bucket_that_keeps_for_ever() -> None:
    assert expires_before(NOW, 0) is None
    assert refused_before(NOW, 0) is None


def test_the_bounds_of_a_week() -> None:
    """The margin makes both earlier in time for the point, so later on the axis."""
    week = NOW - timedelta(days=7)
    assert expires_before(NOW, 7 * DAY, margin=0) == week
    assert expires_before(NOW, 7 * DAY, margin=600) == week + timedelta(seconds=600)
    assert refused_before(NOW, 7 * DAY) == week
    assert refused_before(NOW, 7 * DAY, margin=600) == week + timedelta(seconds=600)


@given(
    st.integers(3600, 400 * DAY),
    st.integers(1, 60 * DAY),
    st.integers(0, DAY),
    st.integers(0, 500 * DAY),
)
def test_a_point_that_is_not_told_as_expiring_stands(retention: int, group: int, margin: int, age: int) -> None:
    """Held against the server's rule, for groups of any length: one goes when its end + retention is past."""
    point = NOW - timedelta(seconds=age)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    end = point - (point - epoch) % timedelta(seconds=group) + timedelta(seconds=group)
    later = NOW + timedelta(seconds=margin)
    gone = end + timedelta(seconds=retention) < later
    bound = expires_before(NOW, retention, margin)
    assert bound is not None
    assert not gone or point < bound
