"""Maps of windows, compared with maps that were drawn by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from influxops.core.pipeline.drawing.cells import At, Cell, Known, Mark, Problem, cells_of
from influxops.core.pipeline.drawing.heatmap import SIGNS, WORDS, counted, heat_map, legend, plain, room
from influxops.core.pipeline.drawing.timespan import Asked, columns, finest, moment
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import Cadence, cadence

BERLIN = "Europe/Berlin"
HOURLY, DAILY = cadence("1h", zone=BERLIN), cadence("1d", zone=BERLIN)
NOW = datetime(2026, 10, 26, 12, 30, tzinfo=UTC)
BEGIN = datetime(2026, 10, 24, tzinfo=UTC)


def local(text: str) -> datetime:
    """By the clock of Berlin."""
    return moment(text, BERLIN)


def known(records: Mapping[At, WindowRecord] | None = None, **more: object) -> Known:
    given: dict[str, object] = {"now": NOW, "begin": BEGIN, "records": records or {}, **more}
    return Known(**given)  # type: ignore[arg-type]


def succeeded(stage: str, grid: Cadence, start: str, stop: str) -> dict[At, WindowRecord]:
    """Records of success of all windows that end in (start, stop]."""
    windows = grid.between(local(start), local(stop))
    return {(stage, one): WindowRecord(stage, one, WindowState.SUCCESS, attempt=1) for one in windows}


def change(records: dict[At, WindowRecord], stage: str, stop: str, state: WindowState, **more: object) -> None:
    """Give the window of a stage that ends then another record."""
    at = next(one for one in records if one[0] == stage and one[1].stop == local(stop))
    records[at] = WindowRecord(stage, at[1], state, **more)  # type: ignore[arg-type]


def drawn(grids: Mapping[str, Cadence], asked: Asked, facts: Known, width: int) -> str:
    bounds = columns(finest(grids.values(), NOW), asked, NOW, facts.begin, room(list(grids), width))
    zone = next(iter(grids.values())).zone
    rows = {name: cells_of(name, grid, bounds[0], bounds[-1], facts) for name, grid in grids.items()}
    return plain(heat_map(rows, bounds, zone, width))


def story() -> Known:
    """Two days around the end of summer time, in which nearly everything happens."""
    records = succeeded("hourly", HOURLY, "2026-10-24T20:00", "2026-10-26T05:00")
    records |= succeeded("daily", DAILY, "2026-10-25T00:00", "2026-10-26T00:00")
    change(records, "hourly", "2026-10-25T06:00", WindowState.FAILED, attempt=4, error="no such bucket")
    change(records, "hourly", "2026-10-25T09:00", WindowState.SUCCESS, attempt=3)
    change(records, "hourly", "2026-10-25T10:00", WindowState.SUCCESS, attempt=12)
    change(records, "hourly", "2026-10-25T02:00", WindowState.SUCCESS, attempt=1, revision=2)
    windows = list(HOURLY.between(local("2026-10-26T05:00"), local("2026-10-26T07:00")))
    problems = {
        ("hourly", windows[0]): Problem(WindowState.RUNNING, "LateData"),
        ("hourly", windows[1]): Problem(WindowState.READY, "CircuitOpen"),
    }
    return known(records, watermark=local("2026-10-25T05:00"), problems=problems)


def test_the_longest_day() -> None:
    """It has 25 hours in Berlin, two of them at 02, and the day's one window spans them all."""
    asked = Asked(local("2026-10-25"), local("2026-10-26"))
    assert drawn({"hourly": HOURLY, "daily": DAILY}, asked, story(), 80) == (
        "        2026-10-25\n"
        "STAGE   00  03 06 09 12 15 18 21\n"
        "hourly  ■↻■■■■✗■■39■■■■■■■■■■■■■■\n"
        "daily   ■━━━━━━━━━━━━━━━━━━━━━━━╸\n"
    )


def test_the_shortest_day() -> None:
    """It has 23 hours, and no 02."""
    asked = Asked(local("2026-03-29"), local("2026-03-30T02:00"))
    facts = known(begin=datetime(2026, 1, 1, tzinfo=UTC))
    assert drawn({"hourly": HOURLY, "daily": DAILY}, asked, facts, 80) == (
        "        2026-03-29\n"
        "STAGE   00   06 09 12 15 18 21 00\n"
        "hourly  ◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇\n"
        "daily   ◇━━━━━━━━━━━━━━━━━━━━━╸◇━\n"
    )


def test_all_states_and_what_is_not_yet_due() -> None:
    """By default up to the window that is open, as much as fits; what precedes begin is blank."""
    assert drawn({"hourly": HOURLY, "daily": DAILY}, Asked(), story(), 80) == (
        "        2026-10-24            10-25                    10-26\n"
        "STAGE    03 06 09 12 15 18 21 00  03 06 09 12 15 18 21 00 03 06 09 12\n"
        "hourly  □□□□□□□□□□□□□□□□□□■■■■■↻■■■■✗■■39■■■■■■■■■■■■■■■■■■■▶◆◇◇◇◇◇◇·\n"
        "daily                         ■━━━━━━━━━━━━━━━━━━━━━━━╸·━━━━━━━━━━━━━\n"
    )


def test_a_narrow_terminal_folds_what_was_asked_for() -> None:
    """Each part has its own axis; a window that began in the part above shows its sign again."""
    asked = Asked(local("2026-10-25"), local("2026-10-26T13:00"))
    assert drawn({"hourly": HOURLY, "a-stage-with-a-long-name": DAILY}, asked, story(), 40) == (
        "               2026-10-25\n"
        "STAGE          00  03 06 09 12 15 18 21\n"
        "hourly         ■↻■■■■✗■■39■■■■■■■■■■■■■■\n"
        "a-stage-with…  ◇━━━━━━━━━━━━━━━━━━━━━━━╸\n"
        "\n"
        "               2026-10-26\n"
        "STAGE          00 03 06 09\n"
        "hourly         ■■■■■▶◆◇◇◇◇◇◇\n"
        "a-stage-with…  ·━━━━━━━━━━━━\n"
    )
    second = drawn({"hourly": HOURLY, "daily": DAILY}, asked, story(), 24).split("\n\n")[1]
    assert second.splitlines()[2:] == ["hourly  ■■■■■■■■■■■■■■▶◆", "daily   ■━━━━━━━╸·━━━━━━"]


@pytest.mark.parametrize(
    ("everies", "last", "upper", "lower"),
    [
        (("15m",), 24, "2026-10-26", " 08:00   10:00   12:00"),
        (("1d", "1w"), 36, "2026-09   2026-10", "21 24 27 30 03 06 09 12 15 18 21 24"),
        (("1mo", "1y"), 36, "  2024        2025        2026", "11 02 05 08 11 02 05 08 11 02 05 08"),
        (("6h",), 12, " 10-24", " 01  01  00"),
        (("10s",), 24, "2026-10-26", "           13:28:00"),
    ],
)
def test_axes(everies: tuple[str, ...], last: int, upper: str, lower: str) -> None:
    """Minutes have the clock, days the day of the month below the month, months the number below the year."""
    grids = {every: cadence(every, zone=BERLIN) for every in everies}
    lines = drawn(grids, Asked(last=last), known(begin=datetime(2020, 1, 1, tzinfo=UTC)), 80).splitlines()
    assert lines[:2] == [f"       {upper}", f"STAGE  {lower}"]


def test_thousands_of_windows() -> None:
    """They are folded into as many parts as it takes; nothing is left out, nothing is wider than the terminal."""
    grid = cadence("1m")
    drawing = drawn({"minutely": grid}, Asked(last=5000), known(begin=datetime(2026, 1, 1, tzinfo=UTC)), 110)
    rows = [line.removeprefix("minutely  ") for line in drawing.splitlines() if line.startswith("minutely")]
    assert [len(row) for row in rows] == [100] * 50
    assert "".join(rows) == "◇" * 4999 + "·"
    assert max(map(len, drawing.splitlines())) <= 110


def test_sliding_windows_have_the_column_where_their_new_data_ends() -> None:
    """Windows of a day each hour: one column each, though they overlap."""
    sliding = cadence("1h", "24h")
    first = next(sliding.between(NOW - timedelta(hours=3), NOW))
    failed = WindowRecord("s", first, WindowState.FAILED)
    assert drawn({"s": sliding}, Asked(last=4), known({("s", first): failed}), 60).splitlines()[2] == "s      ✗◇◇·"


def test_the_legend_counts_and_folds() -> None:
    """Only what occurs, in as many lines as needed."""
    bounds = columns(HOURLY, Asked(local("2026-10-25"), local("2026-10-26T13:00")), NOW, BEGIN, 80)
    cells = cells_of("hourly", HOURLY, bounds[0], bounds[-1], story())
    assert plain(legend(cells, 52)) == (
        "■ succeeded 26   2-9 attempts 2   ↻ run again 1\n▶ running 1   ◆ ready 1   ◇ waiting 6   ✗ failed 1\n"
    )
    assert counted(cells)[Mark.PENDING] == 6


def test_each_state_has_a_sign_of_its_own() -> None:
    """One column wide, so that it can be told without colour."""
    from rich.cells import cell_len

    assert set(SIGNS) == set(WORDS) == set(Mark)
    assert len(set(SIGNS.values())) == len(Mark)
    assert {cell_len(sign) for sign in SIGNS.values()} == {1}


def test_a_record_of_another_cadence_is_not_shown() -> None:
    """A window that begins alike and ends elsewhere is another one: the spec has changed since."""
    halves = succeeded("hourly", cadence("30m"), "2026-10-25T00:00", "2026-10-26T00:00")
    facts = known(halves, watermark=None)
    found: list[Cell] = cells_of("hourly", HOURLY, local("2026-10-25"), local("2026-10-26"), facts)
    assert {cell.mark for cell in found} == {Mark.PENDING}
