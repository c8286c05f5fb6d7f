"""How long ago something was, as kubectl says it."""

from __future__ import annotations

from datetime import datetime

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))


def age(moment: datetime, now: datetime) -> str:
    """``45s``, ``3m``, ``5h``, ``2d``: one unit, rounded down, of which there are at least two but for seconds."""
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
