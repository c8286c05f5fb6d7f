"""Counts by time, added up from a streamed answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from influxops.influx.answers import Speaker
from influxops.influx.errors import Unavailable
from influxops.influx.proof import _Steps

HEAD = b",result,table,_time,_value\r\n"
ROW = b",_result,0,2026-01-01T00:00:00Z,5\r\n"


def counted(*blocks: bytes) -> dict[datetime, int]:
    steps = _Steps(Speaker("http://localhost", "token"))
    for block in blocks:
        steps.feed(block)
    return steps.counts()


def test_rows_of_a_step_are_added_up_however_they_are_cut() -> None:
    """Two series, in blocks that end anywhere."""
    assert counted(HEAD + ROW[:9], ROW[9:] + ROW + b"\r\n") == {datetime(2026, 1, 1, tzinfo=UTC): 10}
    assert counted(b"\r\n") == {}


@pytest.mark.parametrize("head", [b",error,reference\r\n", b"error,reference\r\n"])
def test_an_error_in_the_middle_is_no_count(head: bytes) -> None:
    """In both forms that InfluxDB has for it."""
    with pytest.raises(Unavailable, match="ran out of memory"):
        counted(HEAD, ROW, b"\r\n\r\n", head, b",ran out of memory,897\r\n")


@pytest.mark.parametrize(
    "text",
    [ROW[:-8], b"<html>", b"<html>\r\n", b'{"a": 1, "b": 2}\r\n', b"a,b,c,d,e\r\n", HEAD + b",_result,0,x,5\r\n"],
)
def test_what_is_cut_or_foreign_is_no_count(text: bytes) -> None:
    """A window whose source seems empty would be taken for one without data."""
    with pytest.raises(Unavailable):
        counted(text)
