"""One window: the range of time that one run of a stage covers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from influxops.core.conditions import rfc3339


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """From ``start`` (inclusive) to ``stop`` (exclusive); aware, UTC, whole seconds."""

    start: datetime
    stop: datetime

    def __str__(self) -> str:
        return f"{rfc3339(self.start)}/{rfc3339(self.stop)}"

    def shown(self) -> dict[str, str]:
        """As the CRDs and ``-o json`` show it."""
        return {"start": rfc3339(self.start), "stop": rfc3339(self.stop)}

    def contains(self, moment: datetime) -> bool:
        """Whether a point of this time belongs to the window."""
        return self.start <= moment < self.stop
