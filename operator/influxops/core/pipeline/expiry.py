"""When a bucket's retention takes points away, and when it refuses new ones.

InfluxDB drops whole shard groups: a group goes at the first check after its end + retention, and its end lies after every
point in it. So a point of time ``t`` stands at least until ``t + retention`` whatever the length of its group is, or was when
the group was made; how much longer it stands cannot be relied on. A point older than the retention is refused as it comes,
so beyond this bound nothing can arrive late.
"""

from __future__ import annotations

from datetime import datetime, timedelta

MARGIN = 1800
"""Seconds that a run may take from the decision to its last read, and that clocks may differ."""


def expires_before(now: datetime, retention: int, margin: int = MARGIN) -> datetime | None:
    """Points before this moment may be gone within ``margin`` seconds from ``now``: a window that starts earlier may be read
    in part only, and must not be run again. None when nothing expires. ``retention`` in seconds, 0: for ever.
    """
    return now + timedelta(seconds=margin - retention) if retention else None


def refused_before(now: datetime, retention: int, margin: int = 0) -> datetime | None:
    """A bucket refuses points before this moment, ``margin`` seconds from ``now``: a run whose window starts earlier fails
    with ``points outside retention policy``. None when none are refused. ``retention`` in seconds, 0: for ever.
    """
    return expires_before(now, retention, margin)
