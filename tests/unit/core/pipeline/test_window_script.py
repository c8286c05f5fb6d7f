"""The script of a window: the user's text with the window's bounds, at places that keep it valid Flux."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from influxops.core.durations import parse_duration
from influxops.core.flux.facts import NO_FACTS
from influxops.core.pipeline.script import in_users_places, unknown_members, window_script
from influxops.core.pipeline.windows.window import Window

WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=UTC))
HOUR = parse_duration("1h")
OPTION = "option v = {timeRangeStart: 2026-01-01T00:00:00Z, timeRangeStop: 2026-01-01T01:00:00Z, windowPeriod: 1h}\n"
USES_V = replace(NO_FACTS, uses_v=True, v_members=frozenset({"timeRangeStart", "timeRangeStop"}))


def test_the_bounds_are_literals_of_an_option() -> None:
    text = 'from(bucket: "b") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n'
    assert window_script(text, USES_V, WINDOW, HOUR, profile=False).text == OPTION + text


def test_the_option_stands_after_the_imports_of_the_user_and_the_profiler_before() -> None:
    imports = 'import "math"\n'
    text = f"{imports}x = v.timeRangeStart\n"
    facts = replace(USES_V, imports=("math",), cut=len(imports))
    script = window_script(text, facts, WINDOW, HOUR).text
    lines = [line for line in script.splitlines() if line]
    assert lines == [
        'import influxopsProfiler "profiler"',
        'import "math"',
        'option influxopsProfiler.enabledProfilers = ["query"]',
        OPTION.strip(),
        "x = v.timeRangeStart",
    ]


def test_a_script_with_its_own_v_or_without_any_is_left_alone() -> None:
    for facts in (NO_FACTS, replace(USES_V, defines_v=True)):
        assert window_script("x = 1\n", facts, WINDOW, HOUR, profile=False).text == "x = 1\n"


def test_a_user_who_profiles_is_not_profiled_twice() -> None:
    facts = replace(NO_FACTS, imports=("profiler",))
    assert window_script("x = 1\n", facts, WINDOW, HOUR).text == "x = 1\n"


def test_only_what_no_window_has_is_unknown() -> None:
    facts = replace(USES_V, v_members=frozenset({"timeRangeStart", "bucket", "a"}))
    assert unknown_members(facts) == ["a", "bucket"]
    assert unknown_members(replace(facts, defines_v=True)) == []


def test_places_of_errors_are_those_of_the_users_text() -> None:
    """InfluxDB counts the lines that were put in before; what lies within them is named so."""
    imports = 'import "math"\n'
    text = f"{imports}x = v.nope\n"
    facts = replace(USES_V, imports=("math",), cut=len(imports))
    sent = window_script(text, facts, WINDOW, HOUR)
    at = sent.text.splitlines().index("x = v.nope") + 1
    told = in_users_places(f"error @{at}:5-{at}:11: nothing is called nope", text, sent)
    assert told == "error line 2, column 5: nothing is called nope"
    assert "in what influxops puts before the script" in in_users_places("error @1:1-1:5: bad", text, sent)
