"""A stage's script for one window: the user's text with ``option v`` of time literals, and with the profiler on.

Times are written as literals by ``core.flux.quote``, never pasted into the user's text.
"""

from __future__ import annotations

from influxops.core.durations import Duration
from influxops.core.flux.facts import ScriptFacts
from influxops.core.flux.quote import quote_time
from influxops.core.pipeline.window import Window

MEMBERS = frozenset({"timeRangeStart", "timeRangeStop", "windowPeriod"})
"""What a script may read from ``v``."""

_PROFILER = "influxopsProfiler"


def unknown_members(facts: ScriptFacts) -> list[str]:
    """Names that the script reads from ``v`` and that no window has."""
    return [] if facts.defines_v or not facts.uses_v else sorted(facts.v_members - MEMBERS)


def window_script(script: str, facts: ScriptFacts, window: Window, period: Duration, *, profile: bool = True) -> str:
    """The text to run. Line numbers of the user's statements move by what is put in before them."""
    profile = profile and "profiler" not in facts.imports
    imports = f'import {_PROFILER} "profiler"\n' if profile else ""
    statements = ""
    if profile:
        statements += f'option {_PROFILER}.enabledProfilers = ["query"]\n'
    if facts.uses_v and not facts.defines_v:
        start, stop = quote_time(window.start), quote_time(window.stop)
        statements += f"option v = {{timeRangeStart: {start}, timeRangeStop: {stop}, windowPeriod: {period.text}}}\n"
    text = ""
    position = 0
    for at, inserted in ((facts.imports_at, imports), (facts.cut, statements)):
        if inserted:
            text += script[position:at] + ("" if at == 0 else "\n") + inserted
            position = at
    return text + script[position:]
