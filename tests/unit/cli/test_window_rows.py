"""Windows as text and as data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from influxops.cli.window_rows import MOST, data, exceptions, painted, text
from influxops.cli.window_view import View, problems_of
from influxops.core.keys import Key, Kind
from influxops.core.pipeline.drawing.cells import Known, Mark, Problem, cells_of
from influxops.core.pipeline.drawing.heatmap import SIGNS
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.window import Window

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def view(failed: int, good: int = 1, error: str = "boom") -> View:
    """So many hours, the failed ones first."""
    start = NOON - (failed + good) * HOUR
    windows = list(cadence("1h").between(start, NOON))
    states = [WindowState.FAILED] * failed + [WindowState.SUCCESS] * good
    records = {
        ("s", window): WindowRecord("s", window, state, attempt=1, error=error if state is WindowState.FAILED else "")
        for window, state in zip(windows, states, strict=True)
    }
    cells = cells_of("s", cadence("1h"), start, NOON, Known(NOON, start, records=records))
    bounds = [start, *(window.stop for window in windows)]
    return View(Key(Kind.PIPELINE, "ns", "p"), "UTC", "1h", bounds, {"s": cells}, None)


def test_plain() -> None:
    """Title, map, legend, table; nothing that steers a terminal gets through."""
    assert text(view(1, 2, "bad\x1b[31m\nnews"), None, color=False, wide=False) == (
        "InfluxPipeline ns/p: 3 windows of 1h, 2026-11-21 09:00 to 2026-11-21 12:00 UTC, no watermark yet\n"
        "\n"
        "\n"
        "STAGE  09\n"
        "s      ✗■■\n"
        "\n"
        "■ succeeded 2   ✗ failed 1\n"
        "\n"
        "STAGE   START                  STATE    REASON      ATTEMPT   MESSAGE\n"
        "s       2026-11-21T09:00:00Z   failed   RunFailed   1         bad?[31m news\n"
    )


def test_messages_stand_below_where_there_is_no_room_beside() -> None:
    """Nothing is wider than a usual terminal."""
    seen = view(2, 1, "a long story " * 20)
    lines = text(seen, 80, color=False, wide=False).splitlines()[-5:]
    assert lines[0].split() == ["STAGE", "START", "STATE", "REASON", "ATTEMPT"]
    assert lines[1].split() == ["s", "2026-11-21T09:00:00Z", "failed", "RunFailed", "1"]
    assert lines[2] == lines[4] == f"  {('a long story ' * 20)[:77]}…"
    wide = text(seen, 120, color=False, wide=False).splitlines()[-1]
    assert (len(wide), wide[-1]) == (120, "…")


def test_all_is_well() -> None:
    """Then there is no table."""
    assert "START" not in text(view(0, 3), 80, color=False, wide=False)


def test_many_exceptions() -> None:
    """The latest ones, and how to see the others; all of them in the wide table."""
    short = text(view(MOST + 5), 80, color=False, wide=False)
    assert short.count("RunFailed") == MOST
    assert short.endswith("5 earlier ones: -o wide has all\n")
    assert text(view(MOST + 5), 80, color=False, wide=True).count("RunFailed") == MOST + 5


def test_each_state_has_a_colour_of_its_own_or_shares_it_with_its_like() -> None:
    """Ready and pending wait alike; the sign tells them apart."""
    colours = {mark: painted([((SIGNS[mark], mark),)], color=True).partition(SIGNS[mark])[0] for mark in Mark}
    assert all(colour.startswith("\x1b[") for colour in colours.values())
    assert len(set(colours.values())) == len(Mark) - 1
    assert colours[Mark.READY] == colours[Mark.PENDING]


def test_colour_changes_no_sign() -> None:
    """Without the escapes the text is the same."""
    import re

    seen = view(2, 3)
    coloured = text(seen, 60, color=True, wide=False)
    assert "\x1b[1;31m✗✗\x1b[0m\x1b[32m■■■\x1b[0m" in coloured
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in bare.splitlines()] == text(seen, 60, color=False, wide=False).splitlines()


def test_data() -> None:
    """Everything a program may want, nothing empty."""
    found = data(view(1))
    assert found["counts"] == {"FAILED": 1, "SUCCESS": 1}
    assert found["items"][0] == {
        "stage": "s",
        "start": "2026-11-21T10:00:00Z",
        "stop": "2026-11-21T11:00:00Z",
        "state": "FAILED",
        "attempt": 1,
        "revision": 1,
        "reason": "RunFailed",
        "message": "boom",
    }


def test_exceptions_are_in_the_order_of_time() -> None:
    """Whatever the stage."""
    seen = view(3)
    seen.rows["again"] = seen.rows["s"]
    assert [cell.window.start.hour for cell in exceptions(seen.cells)] == [8, 8, 9, 9, 10, 10]


def test_what_status_says() -> None:
    """By stage and window."""
    window = {"start": "2026-11-21T11:00:00Z", "stop": "2026-11-21T12:00:00Z"}
    told = {"stage": "s", "window": window, "state": "READY", "reason": "CircuitOpen", "attempt": 2}
    expected = {("s", Window(NOON - HOUR, NOON)): Problem(WindowState.READY, "CircuitOpen", "", 2)}
    assert problems_of({"exceptions": [told]}) == expected
    assert problems_of({}) == {}
