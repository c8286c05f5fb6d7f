"""Windows that were lost, are wrong, or ran twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.soak.windows import WindowBook, doubled, spans, values

AT = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WINDOW = ("p0", "minutes", AT)


def book(*runs: float, settled: float) -> WindowBook:
    """One window that ran at these times."""
    made = WindowBook()
    for asked in runs:
        made.ran(WINDOW, asked)
    made.settle(WINDOW, settled)
    return made


def test_a_run_after_the_ledger_had_the_window_is_a_double() -> None:
    """One before that is what a lost reply or a kill costs."""
    assert doubled(book(1.0, 2.0, settled=3.0), []) == ([], 0)
    problems, excused = doubled(book(1.0, 5.0, settled=3.0), [])
    assert [problem.split(":")[0] for problem in problems] == ["DOUBLED"]
    assert excused == 0
    assert book(1.0, 5.0, settled=3.0).repeated() == 1


def test_a_change_of_the_leader_excuses_what_happened_in_it() -> None:
    """Both the record and the run must be within it."""
    assert doubled(book(1.0, 5.0, settled=3.0), [(2.0, 6.0)]) == ([], 1)
    assert doubled(book(1.0, 5.0, settled=3.0), [(4.0, 6.0)])[1] == 0
    assert doubled(book(1.0, 9.0, settled=3.0), [(2.0, 6.0)])[1] == 0


def test_the_first_record_counts() -> None:
    """A ledger that is told again does not make an earlier run late."""
    made = book(1.0, settled=3.0)
    made.settle(WINDOW, 0.5)
    assert made.again() == []


def test_missing_wrong_and_odd_points_are_named() -> None:
    """Later windows than those judged may have their points already."""
    stop = AT + 3 * MINUTE
    good = {AT + n * MINUTE: 6.0 for n in range(5)}
    assert values("p", good, AT, stop, MINUTE, 6.0) == []
    bad = {AT: 12.0, AT + 2 * MINUTE: 6.0, AT + 2.5 * MINUTE: 6.0, AT - MINUTE: 6.0}
    words = [problem.split(":")[0] for problem in values("p", bad, AT, stop, MINUTE, 6.0)]
    assert words == ["WRONG", "LOST", "ODD", "ODD"]


def test_spans_that_touch_are_joined() -> None:
    assert spans([(50.0, 60.0), (1.0, 2.0), (3.0, 4.0)], 10.0) == [(1.0, 14.0), (50.0, 70.0)]
