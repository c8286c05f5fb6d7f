"""Stages whose attempts come to no verdict: each is left alone for longer and longer, and the others go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

SHORTEST = 2.0
"""Seconds that a stage is left alone at first."""
LONGEST = 30.0
"""Seconds that it is left alone at most."""


@dataclass(slots=True)
class Pauses:
    """Of one pipeline. ``clock`` gives monotonic seconds."""

    clock: Callable[[], float]
    _stages: dict[str, tuple[int, float]] = field(default_factory=dict)
    """How many in a row, and until when."""

    def begin(self, stage: str) -> None:
        """An attempt of the stage came to no verdict. Runs that end so together count as one."""
        tries, until = self._stages.get(stage, (0, 0.0))
        now = self.clock()
        if not tries or now >= until:
            self._stages[stage] = tries + 1, now + min(LONGEST, SHORTEST * 2.0 ** min(tries, 10))

    def over(self, stage: str) -> None:
        """An attempt of the stage came to a verdict."""
        self._stages.pop(stage, None)

    def holds(self, stage: str) -> bool:
        """Whether the stage is left alone now."""
        return stage in self._stages and self.clock() < self._stages[stage][1]

    def left(self) -> float | None:
        """Seconds until the first of them is over; None while there is none."""
        now = self.clock()
        return min((until - now for _, until in self._stages.values() if until > now), default=None)
