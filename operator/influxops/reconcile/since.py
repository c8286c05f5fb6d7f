"""Since when something has been so of an object."""

from __future__ import annotations

from influxops.core.keys import Key
from influxops.core.record import Record


class Since:
    """Monotonic times by object; one that was made anew under its name begins anew."""

    def __init__(self) -> None:
        self._begun: dict[Key, tuple[str, float]] = {}

    def of(self, record: Record, now: float) -> float:
        """Since when, if it is so now: ``now`` when it was not so before."""
        uid, begun = self._begun.setdefault(record.key, (record.uid, now))
        if uid != record.uid:
            self._begun[record.key] = (record.uid, now)
            return now
        return begun

    def end(self, key: Key) -> None:
        """It is so no longer."""
        self._begun.pop(key, None)

    def clear(self) -> None:
        """Nothing is known of any object."""
        self._begun.clear()
