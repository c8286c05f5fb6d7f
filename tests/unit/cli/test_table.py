"""Tables, forms and rows of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from influxops.cli.forms import Column, Form, Listing, show
from influxops.cli.run_rows import footer, item, length, row
from influxops.cli.table import printable, table, width
from influxops.core.observed import Run, RunState

SLOT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def run(number: int, seconds: float | None = 1.0, state: RunState = RunState.SUCCESS, error: str = "") -> Run:
    started = SLOT + timedelta(hours=number, seconds=3)
    finished = None if seconds is None else started + timedelta(seconds=seconds)
    return Run(f"{number:016x}", "t", state, SLOT + timedelta(hours=number), started, finished, error)


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """Nothing is cut off, nothing stands behind the last column."""
    text = table(("NAME", "X"), [("a" * 300, "1"), ("b", "")], color=False)
    assert text == f"{'NAME':300}   X\n{'a' * 300}   1\nb\n"


def test_wide_characters_take_two_columns() -> None:
    """Buckets may have any name."""
    assert width("温度") == 4
    lines = table(("B", "X"), [("温度", "1"), ("abcd", "2")], color=False).splitlines()
    assert lines[1] == "温度   1"
    assert lines[2] == "abcd   2"


def test_colour_paints_the_words_that_matter_and_moves_nothing() -> None:
    """Without its codes a painted table is the plain one."""
    rows = [("a", "success"), ("b", "failed"), ("failed things", "True")]
    plain, painted = (table(("N", "STATE"), rows, color=color) for color in (False, True))
    assert "\x1b[32msuccess\x1b[0m" in painted
    assert "\x1b[31mfailed\x1b[0m" in painted
    assert "\x1b[31mfailed things" not in painted
    for code in ("\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"):
        painted = painted.replace(code, "")
    assert painted == plain


def test_control_characters_do_not_reach_the_terminal() -> None:
    """An error text may quote anything."""
    assert printable("a\x1b[31mb\nc\td\x07") == "a?[31mb c d?"
    assert printable("Größe 温度 ✗") == "Größe 温度 ✗"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0, "0.000s"),
        (0.0344, "0.034s"),
        (12.34, "12.3s"),
        (192, "3m12s"),
        (3599.6, "1h00m"),
        (7500, "2h05m"),
    ],
)
def test_lengths(seconds: float | None, text: str) -> None:
    """Three digits or so."""
    assert length(seconds) == text


def test_the_footer_draws_from_old_to_new() -> None:
    """Runs come newest first; the marks are explained only where they are used."""
    assert footer([]) == ""
    assert footer([run(2, 8), run(1, 1)]) == "durations ▁█  1.000s to 8.000s, median 4.500s; oldest first"
    marked = footer([run(3, None, RunState.STARTED), run(2, 8), run(1, 1, RunState.FAILED)])
    assert marked == "durations ✗█·  8.000s to 8.000s, median 8.000s; ✗ failed; · not over; oldest first"
    assert footer([run(1, 1, RunState.FAILED)]) == "durations ✗  ✗ failed; oldest first"


def test_rows_and_items_tell_the_same() -> None:
    """For people and for programs."""
    one = run(1, 0.25, RunState.FAILED, "no such bucket")
    assert row(one) == (one.id, "2026-11-21T13:00:00Z", "2026-11-21T13:00:03Z", "0.250s", "failed", "-", one.error)
    assert item(one) == {
        "id": one.id,
        "state": "failed",
        "scheduledFor": "2026-11-21T13:00:00Z",
        "startedAt": "2026-11-21T13:00:03.000Z",
        "finishedAt": "2026-11-21T13:00:03.250Z",
        "duration": "0.250s",
        "error": "no such bucket",
    }


def test_forms(capsys: pytest.CaptureFixture[str]) -> None:
    """Wide has more columns; what is missing is a note: beside a table, within json."""
    listing = Listing((Column("A"), Column("B", wide=True)), [("1", "2")], [{"a": 1}], ["half of it"], "foot")
    show(listing, Form.TABLE)
    assert capsys.readouterr() == ("A\n1\n\nfoot\n", "Note: half of it\n")
    show(listing, Form.WIDE)
    assert capsys.readouterr().out == "A   B\n1   2\n\nfoot\n"
    show(listing, Form.JSON)
    assert capsys.readouterr() == (
        '{\n  "items": [\n    {\n      "a": 1\n    }\n  ],\n  "notes": [\n    "half of it"\n  ]\n}\n',
        "",
    )
    show(listing, Form.YAML)
    assert capsys.readouterr().out == "items:\n- a: 1\nnotes:\n- half of it\n"


def test_an_empty_listing_says_so_beside_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs get an empty list, people a sentence."""
    listing = Listing((Column("A"),), empty="nothing here", footer="foot")
    show(listing, Form.TABLE)
    assert capsys.readouterr() == ("", "nothing here\n")
    show(listing, Form.JSON)
    assert capsys.readouterr().out == '{\n  "items": [],\n  "notes": []\n}\n'
