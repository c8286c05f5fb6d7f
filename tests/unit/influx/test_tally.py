"""Counting a streamed answer, however it is cut into blocks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.influx.errors import InfluxError, ScriptFailed, Unavailable
from influxops.influx.tally import Tally

HEAD = "#datatype,string,long,dateTime:RFC3339,double,string,string,string\r\n,result,table,_time,_value,_field,_measurement,t\r\n"
ROWS = ',r,0,2024-01-01T00:00:00Z,1.5,f,m,"a\r\n""b"",c"\r\n,r,0,2024-01-01T00:01:00Z,,f,m,x\r\n,r,1,2024-01-01T00:00:00Z,2,g,m,\r\n\r\n'
PROFILE = (
    "#datatype,string,long,string,long,string\r\n,result,table,_measurement,TotalDuration,flux/query-plan\r\n"
    ',_profiler,0,profiler/query,2000000,"digraph {\r\n  ""ReadRange1""\r\n  // a = ""b""\r\n  ""to2""\r\n\r\n}\r\n"\r\n\r\n'
)
ERROR = '#datatype,string,string\r\n,error,reference\r\n,"so ""bad""\r\nit is",897\r\n'


def read(text: str, *cuts: int, details: bool = True) -> tuple[Tally, str]:
    """The tally of an answer that came in these pieces."""
    made, data = Tally(10, ScriptFailed, lambda: Unavailable("cut"), details=details), text.encode()
    places = sorted({0, *(cut % (len(data) + 1) for cut in cuts), len(data)})
    for start, stop in pairwise(places):
        made.feed(data[start:stop])
    made.finish()
    return made, made.checksum


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    """Blocks end anywhere: in a quoted line break, between quotes, in the middle of a character."""
    answer = HEAD + ROWS.replace("x", "é☃") + PROFILE
    whole, checksum = read(answer)
    found, same = read(answer, *cuts)
    assert (found.rows, found.counts, found.sums, found.cost, found.bytes, same) == (
        whole.rows,
        whole.counts,
        whole.sums,
        whole.cost,
        whole.bytes,
        checksum,
    )


def test_what_is_counted() -> None:
    """Not the row without a value, and an empty tag is none; the profiler's row tells the cost."""
    found, checksum = read(HEAD + ROWS + PROFILE)
    assert found.rows == 2
    assert set(found.counts) == {
        (("_field", "f"), ("_measurement", "m"), ("t", 'a\r\n"b",c')),
        (("_field", "g"), ("_measurement", "m")),
    }
    assert found.sums == {"f": 1.5, "g": 2.0}
    assert found.cost is not None
    assert (found.cost.total, found.cost.plan) == (0.002, "ReadRange1, to2")
    assert len(checksum) == len("sha256:") + 64


def test_without_details_series_are_counted_and_not_kept() -> None:
    """The same numbers and the same checksum."""
    answer = HEAD + ROWS + ROWS
    plain, checksum = read(answer, details=False)
    whole, same = read(answer)
    assert (plain.rows, plain.series, checksum) == (whole.rows, whole.series, same) == (4, 2, same)
    assert len(whole.counts) == 2
    assert (plain.counts, plain.sums) == ({}, {})


@given(st.lists(st.integers(0, 10_000), max_size=4))
def test_an_error_at_the_end_is_raised(cuts: list[int]) -> None:
    """However much came before it."""
    with pytest.raises(ScriptFailed, match='so "bad"'):
        read(HEAD + ROWS + "\r\n" + ERROR, *cuts)


@pytest.mark.parametrize(
    "text", [HEAD + ",r,0,2024", "#datatype,string\r\n\r\n,r\r\n,a,b\r\n", HEAD + ROWS[:50] + '"x\r\n']
)
def test_a_cut_answer_is_no_answer(text: str) -> None:
    """Unavailable; a part is never taken for the whole."""
    with pytest.raises(InfluxError):
        read(text)
