"""Templates of the library in tests: rendered as the operator renders them, with the window that the operator gives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from influxops.api.template import Library
from influxops.core.flux.quote import quote_time
from influxops.core.template import render_template
from influxops.library.catalogue import TEMPLATES


def rendered(name: Library, values: Mapping[str, Any]) -> str:
    """The script that a template gives for these values."""
    entry = TEMPLATES[name]
    return render_template(entry.text, entry.checked(values))


def over(script: str, start: datetime, stop: datetime, *, profiled: bool = False) -> str:
    """The script over one window, given by time literals; the library's scripts have imports first, one a line."""
    lines = script.split("\n")
    cut = max([place + 1 for place, line in enumerate(lines) if line.startswith("import ")], default=0)
    period = f"{int((stop - start).total_seconds())}s"
    window = f"{{timeRangeStart: {quote_time(start)}, timeRangeStop: {quote_time(stop)}, windowPeriod: {period}}}"
    head, option = (['import "profiler"'], ['option profiler.enabledProfilers = ["query"]']) if profiled else ([], [])
    return "\n".join([*head, *lines[:cut], *option, f"option v = {window}", *lines[cut:]])
