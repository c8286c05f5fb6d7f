"""The circuit breaker of one connection: a dead InfluxDB parks its objects and costs nobody else anything."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class BreakerState(StrEnum):
    """Closed lets all through, Open nothing, HalfOpen one trial (the sweep)."""

    CLOSED = "Closed"
    OPEN = "Open"
    HALF_OPEN = "HalfOpen"


class Breaker:
    """Opens after ``threshold`` failures in a row; a trial is due after a delay that doubles from ``first`` to ``most``
    seconds.
    """

    def __init__(self, clock: Callable[[], float], threshold: int = 3, first: float = 1.0, most: float = 30.0) -> None:
        self._clock = clock
        self._threshold = threshold
        self._first = first
        self._most = most
        self._failures = 0
        self._opened = 0
        self._trial_at = 0.0
        self.state = BreakerState.CLOSED

    @property
    def closed(self) -> bool:
        """True while requests may be sent."""
        return self.state is BreakerState.CLOSED

    def trial_in(self) -> float:
        """Seconds until a trial is due; 0 when it may start."""
        return 0.0 if self.closed else max(0.0, self._trial_at - self._clock())

    def trial(self) -> None:
        """A trial request starts now."""
        if not self.closed:
            self.state = BreakerState.HALF_OPEN

    def succeeded(self) -> None:
        """A request was answered sensibly, whatever the answer was."""
        self._failures = 0
        if self.state is BreakerState.HALF_OPEN or self._opened:
            self._opened = 0
        self.state = BreakerState.CLOSED

    def failed(self) -> None:
        """A request got no sensible answer."""
        self._failures += 1
        if self.state is BreakerState.HALF_OPEN or (self.closed and self._failures >= self._threshold):
            self.open()

    def open(self) -> None:
        """Open at once, as when a sweep fails: it is the proof that no other request will do better."""
        delay = min(self._most, self._first * 2 ** min(self._opened, 16))
        self._opened += 1
        self._trial_at = self._clock() + delay
        self.state = BreakerState.OPEN
