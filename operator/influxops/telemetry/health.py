"""Whether the operator works: named checks, and the usual ones.

A check is a cheap function without waiting; it answers (passed, what was found). ``/readyz`` runs those that say whether
the work flows, ``/healthz`` those that only a restart can mend.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Check = Callable[[], tuple[bool, str]]
"""Passed or not, and a few words without secrets, such as ``oldest due object waits 3 s``."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """What all checks of an endpoint found; passed when every one did."""

    endpoint: str
    results: tuple[Result, ...]

    @property
    def passed(self) -> bool:
        """True when nothing failed; also when there is nothing to check."""
        return all(result.passed for result in self.results)

    def text(self) -> str:
        """Every check with + or -, in the form of the Kubernetes API server."""
        lines = [
            f"[{'+' if result.passed else '-'}]{result.name} {'ok' if result.passed else 'failed'}"
            + (f": {result.detail}" if result.detail else "")
            for result in self.results
        ]
        return "\n".join([*lines, f"{self.endpoint} check {'passed' if self.passed else 'failed'}", ""])


class Health:
    """The register of checks. The engine adds them; the probes run them."""

    def __init__(self) -> None:
        self._ready: dict[str, Check] = {}
        self._live: dict[str, Check] = {}

    def add_ready(self, name: str, check: Check) -> None:
        """Add or replace a check of /readyz."""
        self._ready[name] = check

    def add_live(self, name: str, check: Check) -> None:
        """Add or replace a check of /healthz: one that fails for good makes the kubelet restart the Pod."""
        self._live[name] = check

    def ready(self) -> Report:
        """Run the checks of /readyz."""
        return Report("readyz", tuple(_run(name, check) for name, check in self._ready.items()))

    def live(self) -> Report:
        """Run the checks of /healthz."""
        return Report("healthz", tuple(_run(name, check) for name, check in self._live.items()))


def flag_check(flag: Callable[[], bool], otherwise: str) -> Check:
    """Passes while the flag is set; ``otherwise`` says what is missing, such as ``the first lists are not complete``."""
    return lambda: (True, "") if flag() else (False, otherwise)


def age_check(age: Callable[[], float | None], limit: float, what: str, *, none_passes: bool = True) -> Check:
    """Passes while an age in seconds is under the limit. None: there is nothing that could age."""

    def check() -> tuple[bool, str]:
        seconds = age()
        if seconds is None:
            return none_passes, f"{what}: none yet" if not none_passes else ""
        return seconds < limit, f"{what}: {seconds:.0f} s, limit {limit:.0f} s"

    return check


class LoopLag:
    """How late the event loop is; a long lag means that something blocks it."""

    def __init__(self, period: float = 1.0, samples: int = 60) -> None:
        self._period = period
        self._samples: deque[float] = deque([0.0], maxlen=samples)

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._period
            await asyncio.sleep(self._period)
            self._samples.append(max(0.0, loop.time() - due))

    def worst(self) -> float:
        """The longest lag of about the last minute, in seconds."""
        return max(self._samples)


def _run(name: str, check: Check) -> Result:
    try:
        passed, detail = check()
    except Exception as error:  # noqa: BLE001 - a broken check is a failed check
        return Result(name, passed=False, detail=f"the check itself failed: {type(error).__name__}: {error}")
    return Result(name, passed, detail)
