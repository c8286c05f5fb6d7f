"""A time of day that jumps back, found by a clock that does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

LEAST = timedelta(seconds=2)
"""What is less is slewing and rounding."""


@dataclass(slots=True)
class SetBack:
    """Told of both clocks again and again, it says when the time of day was set back: whoever waits for a moment would wait so much
    longer.
    """

    _last: tuple[datetime, float] | None = None

    def by(self, now: datetime, clock: float) -> timedelta | None:
        """By how much the time of day was set back since it was told last; None when it was not. ``clock`` in seconds."""
        last, self._last = self._last, (now, clock)
        if last is None:
            return None
        back = last[0] + timedelta(seconds=clock - last[1]) - now
        return back if back > LEAST else None
