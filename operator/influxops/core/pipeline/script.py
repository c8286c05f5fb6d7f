"""A stage's script for one window: the user's text with ``option v`` of time literals, and with the profiler on.

Times are written as literals by ``core.flux.quote``, never pasted into the user's text.
"""

from __future__ import annotations

import re

from influxops.core.durations import Duration
from influxops.core.flux.facts import ScriptFacts
from influxops.core.flux.quote import quote_time
from influxops.core.flux.render import MEMBERS, Rendered, to_user_place
from influxops.core.pipeline.windows.window import Window

_PROFILER = "influxopsProfiler"
_PLACE = re.compile(r"@(\d+):(\d+)-\d+:\d+")


def unknown_members(facts: ScriptFacts) -> list[str]:
    """Names that the script reads from ``v`` and that no window has."""
    return [] if facts.defines_v or not facts.uses_v else sorted(facts.v_members - MEMBERS)


def window_script(
    script: str, facts: ScriptFacts, window: Window, period: Duration, *, profile: bool = True
) -> Rendered:
    """The text to run, and how it came from the user's."""
    profile = profile and "profiler" not in facts.imports
    imports = f'import {_PROFILER} "profiler"\n' if profile else ""
    statements = ""
    if profile:
        statements += f'option {_PROFILER}.enabledProfilers = ["query"]\n'
    if facts.uses_v and not facts.defines_v:
        start, stop = quote_time(window.start), quote_time(window.stop)
        statements += f"option v = {{timeRangeStart: {start}, timeRangeStop: {stop}, windowPeriod: {period.text}}}\n"
    parts = ((facts.imports_at, imports), (facts.cut, statements))
    inserts = [(at, inserted if at == 0 else f"\n{inserted}") for at, inserted in parts if inserted]
    text = ""
    position = 0
    for at, inserted in inserts:
        text += script[position:at] + inserted
        position = at
    return Rendered(text + script[position:], tuple(inserts))


def in_users_places(message: str, script: str, rendered: Rendered) -> str:
    """An error of InfluxDB with its places (``@6:5-6:9``, lines and columns of what was sent) as those of the user's text."""

    def place(match: re.Match[str]) -> str:
        found = to_user_place(script, rendered, int(match[1]), int(match[2]))
        return "in what influxops puts before the script" if found is None else f"line {found[0]}, column {found[1]}"

    return _PLACE.sub(place, message)
