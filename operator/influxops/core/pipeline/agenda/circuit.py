"""The circuit of one stage: after failures in a row it is left alone for a while, then tried with one window."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class CircuitState(StrEnum):
    """As ``status.stages[].circuit`` shows it."""

    CLOSED = "Closed"
    OPEN = "Open"
    HALF_OPEN = "HalfOpen"


@dataclass(slots=True)
class Circuit:
    """Counts failed attempts in a row, of whatever windows of the stage."""

    limit: int
    """Failures in a row that open it."""
    open_for: float
    """Seconds."""
    failures: int = 0
    state: CircuitState = CircuitState.CLOSED
    until: datetime | None = None
    """When one window may be tried again."""

    def admits(self, now: datetime) -> bool:
        """Whether a window may be started now; of an open circuit whose time is over, exactly one."""
        if self.state is CircuitState.OPEN and self.until is not None and now >= self.until:
            return True
        return self.state is CircuitState.CLOSED

    def started(self) -> None:
        """A window has been started."""
        if self.state is CircuitState.OPEN:
            self.state, self.until = CircuitState.HALF_OPEN, None

    def succeeded(self) -> bool:
        """An attempt has succeeded. True when this closed the circuit: what has failed meanwhile may run again."""
        closed = self.state is not CircuitState.CLOSED
        self.failures, self.state, self.until = 0, CircuitState.CLOSED, None
        return closed

    def failed(self, now: datetime) -> bool:
        """An attempt has failed. True when this opened the circuit."""
        self.failures += 1
        if self.state is CircuitState.CLOSED and self.failures < self.limit:
            return False
        opened = self.state is CircuitState.CLOSED
        self.state, self.until = CircuitState.OPEN, now + timedelta(seconds=self.open_for)
        return opened

    def abandoned(self, now: datetime) -> None:
        """The trial came to no verdict, as InfluxDB did not answer: it is due again at once."""
        if self.state is CircuitState.HALF_OPEN:
            self.state, self.until = CircuitState.OPEN, now

    def earlier(self, by: timedelta) -> None:
        """The clock was set back by so much."""
        self.until = self.until and self.until - by

    def close(self) -> None:
        """What made the stage fail has been changed."""
        self.failures, self.state, self.until = 0, CircuitState.CLOSED, None
