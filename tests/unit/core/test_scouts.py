"""Objects that InfluxDB refuses are tried again, few at a time, until one gets through."""

from __future__ import annotations

import pytest

from influxops.core.keys import Key, Kind
from influxops.core.scouts import LEAST, TURNS, Scouts


def task(number: int) -> Key:
    return Key(Kind.TASK, "ns", f"t{number}")


def many(number: int) -> Scouts:
    """So many objects that were refused."""
    made = Scouts()
    for one in range(number):
        made.refused(task(one))
    return made


def always(_: Key) -> bool:
    return True


@pytest.mark.parametrize(("number", "tries"), [(0, 0), (3, 3), (LEAST + 5, LEAST), (10_000, 167)])
def test_few_try_at_a_time(number: int, tries: int) -> None:
    assert len(many(number).turn(always)) == tries


def test_each_has_its_turn() -> None:
    """Those that are refused again come last."""
    scouts, tried = many(LEAST * 3), []
    for _ in range(3):
        for key in scouts.turn(always):
            tried.append(key)
            scouts.refused(key)
    assert tried == [task(n) for n in range(LEAST * 3)]
    assert scouts.turn(always) == tried[:LEAST]


def test_ten_thousand_have_tried_within_an_hour() -> None:
    scouts, tried = many(10_000), set()
    for _ in range(TURNS):
        for key in scouts.turn(always):
            tried.add(key)
            scouts.refused(key)
    assert len(tried) == 10_000


def test_when_one_gets_through_all_try() -> None:
    """An object that was no scout tells nothing: it may need another right."""
    scouts = many(LEAST * 3)
    first = scouts.turn(always)
    scouts.passed(task(LEAST * 2))
    for key in first[1:]:
        scouts.refused(key)
    second = scouts.turn(always)
    assert len(second) == LEAST
    scouts.passed(second[0])
    assert set(scouts.turn(always)) == {*(task(n) for n in range(LEAST * 3))} - {task(LEAST * 2), first[0], *second}
    assert scouts.turn(always) == []


def test_what_is_gone_is_forgotten() -> None:
    scouts = many(LEAST * 2)
    out = scouts.turn(always)
    assert scouts.turn(lambda key: key == task(LEAST)) == [task(LEAST)]
    scouts.passed(out[0])
    assert scouts.turn(always) == [], "it was gone when it passed"
    assert scouts.take() == []


def test_all_are_taken_at_once() -> None:
    scouts = many(LEAST * 2)
    scouts.turn(always)
    assert scouts.take() == [task(n) for n in range(LEAST, LEAST * 2)]
    assert scouts.turn(always) == []
