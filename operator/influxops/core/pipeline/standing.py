"""How each stage of a pipeline stands, in a word and a few counts: from its status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from influxops.core.pipeline.drawing.shown import Shown
from influxops.core.pipeline.record import WindowState
from influxops.core.pipeline.windows.cadence import Cadence

CLOSED = "Closed"
_WORDS = {"Open": "circuit open", "HalfOpen": "circuit half open"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a stage stands."""

    word: str
    """A state: FAILED and RUNNING before READY, and that before SUCCESS; PENDING when nothing has happened yet."""
    running: int = 0
    """Of those that are told of: windows that run as they should are not."""
    waiting: int = 0
    """Windows that are due and have not succeeded."""
    failed: int = 0
    """Windows whose attempts are spent."""
    circuit: str = CLOSED
    finished_at: str = ""
    """When the latest window that succeeded did so; RFC 3339."""
    completed: str = ""
    """End of that window; RFC 3339."""

    @property
    def words(self) -> str:
        """What is not as it should be: ``circuit open, 3 waiting, 1 failed``; empty when all is well."""
        parts = [_WORDS.get(self.circuit, "")]
        parts += [f"{count} {word}" for count, word in ((self.waiting, "waiting"), (self.failed, "failed")) if count]
        return ", ".join(part for part in parts if part)


def standings(status: Mapping[str, Any]) -> dict[str, Standing]:
    """By stage; a stage of which the status says nothing is left out."""
    running = Counter(
        one.get("stage") for one in status.get("exceptions") or () if one.get("state") == WindowState.RUNNING.value
    )
    return {one["name"]: _standing(one, running[one["name"]]) for one in status.get("stages") or ()}


def shown_of(standing: Standing | None, cadence: Cadence) -> Shown:
    """The same for a drawing, with the cadence; without a status (None) the cadence alone."""
    every = f"every {cadence.every}" if cadence.tumbling else f"every {cadence.every}, {cadence.period} long"
    if standing is None:
        return Shown(note=every)
    note = ", ".join(part for part in (every, _WORDS.get(standing.circuit, "")) if part)
    counts = {"running": standing.running, "waiting": standing.waiting, "failed": standing.failed}
    return Shown(standing.word, counts, note)


def _standing(stage: Mapping[str, Any], running: int) -> Standing:
    waiting, failed = int(stage.get("waiting") or 0), int(stage.get("failed") or 0)
    circuit = str(stage.get("circuit") or CLOSED)
    done: Mapping[str, Any] = stage.get("lastCompletion") or {}
    if failed or circuit != CLOSED:
        word = WindowState.FAILED
    elif running:
        word = WindowState.RUNNING
    elif waiting:
        word = WindowState.READY
    else:
        word = WindowState.SUCCESS if done else WindowState.PENDING
    stop = str((done.get("window") or {}).get("stop") or "")
    return Standing(word.value, running, waiting, failed, circuit, str(done.get("finishedAt") or ""), stop)
