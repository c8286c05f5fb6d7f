"""Wait for a condition with a deadline, and say what was seen last when it never came."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = float(os.environ.get("INFLUXOPS_TEST_PATIENCE", "90" if os.environ.get("CI") else "30"))
"""Seconds that a condition is given by default: far beyond what it takes, for a machine that is busy otherwise; more by the
environment, and in CI, where disks have stood still for half a minute."""
ANSWER = 3 * PATIENCE
"""Seconds in which a server must have answered a test."""
LOOK_EVERY = 0.1


def eventually(
    what: str,
    look: Callable[[], T],
    holds: Callable[[T], Any] = bool,
    *,
    seconds: float = PATIENCE,
    story: Callable[[], str] | None = None,
) -> T:
    """Look until ``holds`` and return what was seen then.

    Fails after ``seconds`` with ``what``, the last look, and ``story()``, such as the end of a log. Errors of the look
    itself are not swallowed.
    """
    limit = time.monotonic() + seconds
    while True:
        seen = look()
        if holds(seen):
            return seen
        if time.monotonic() > limit:
            more = f"\n{story()}" if story is not None else ""
            raise AssertionError(f"not within {seconds:g} s: {what}\nlast seen: {shown(seen)}{more}")
        time.sleep(LOOK_EVERY)


def unchanged(what: str, look: Callable[[], T], times: int) -> T:
    """Look until so many looks in a row have shown the same, and return that."""
    looks: list[T] = []

    def latest() -> list[T]:
        looks.append(look())
        return looks[-times:]

    return eventually(what, latest, lambda some: some == [some[0]] * times)[0]


def shown(value: Any) -> str:
    """A value for people: JSON where that is possible."""
    try:
        return json.dumps(value, indent=1, default=str, ensure_ascii=False)[:6000]
    except (TypeError, ValueError):
        return repr(value)[:6000]


def condition(item: dict[str, Any], type_: str = "Ready") -> dict[str, Any]:
    """A condition of an object; empty when it is not there."""
    found: list[dict[str, Any]] = (item.get("status") or {}).get("conditions") or []
    return next((one for one in found if one["type"] == type_), {})


def observed(item: dict[str, Any]) -> bool:
    """Whether the status speaks of the present spec."""
    generation: bool = (item.get("status") or {}).get("observedGeneration") == item["metadata"]["generation"]
    return generation


def rests(item: dict[str, Any] | None, reason: str, *parts: str) -> bool:
    """Whether the object's Ready condition has this reason, for its present spec, and its message these parts."""
    if item is None or not observed(item):
        return False
    ready = condition(item)
    return ready.get("reason") == reason and all(part in ready["message"] for part in parts)
