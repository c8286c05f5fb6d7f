"""Stages whose attempts come to no verdict: each is left alone for longer and longer, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

SHORTEST = 2.0
"""Seconds that a stage is left alone at first."""
LONGEST = 30.0
"""Seconds that it is left alone at most."""
TOLD = 4
"""Pauses in a row before people are told (docs/adr/0004: an outage is told once, by the connection)."""


@dataclass(slots=True)
class _Pause:
    tries: int
    until: float
    error: str


@dataclass(slots=True)
class Pauses:
    """Of one pipeline. ``clock`` gives monotonic seconds."""

    clock: Callable[[], float]
    _stages: dict[str, _Pause] = field(default_factory=dict)

    def begin(self, stage: str, error: str) -> bool:
        """An attempt of the stage came to no verdict. Runs that end so together count as one. True when people are to be told now."""
        known, now = self._stages.get(stage), self.clock()
        if known is not None and now < known.until:
            return False
        tries = known.tries + 1 if known is not None else 1
        self._stages[stage] = _Pause(tries, now + min(LONGEST, SHORTEST * 2.0 ** min(tries - 1, 10)), error)
        return tries == TOLD

    def over(self, stage: str) -> None:
        """An attempt of the stage came to a verdict."""
        self._stages.pop(stage, None)

    def holds(self, stage: str) -> bool:
        """Whether the stage is left alone now."""
        known = self._stages.get(stage)
        return known is not None and self.clock() < known.until

    def left(self) -> float | None:
        """Seconds until the first of them is over; None while there is none."""
        now = self.clock()
        return min((one.until - now for one in self._stages.values() if one.until > now), default=None)

    def told(self) -> Mapping[str, str]:
        """What people are told, by stage."""
        return {name: one.error for name, one in self._stages.items() if one.tries >= TOLD}
