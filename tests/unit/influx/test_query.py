"""CSV answers of queries."""

from __future__ import annotations

import pytest

from influxops.influx.answers import Speaker
from influxops.influx.errors import Unavailable
from influxops.influx.query import rows

SPEAKER = Speaker("http://localhost", "token")


def test_tables_of_several_schemas_come_as_one_list_of_rows() -> None:
    """An empty line ends a table, and the next line is a header."""
    text = (
        ',result,table,a\r\n,_result,0,1\r\n,_result,1,2\r\n\r\n,result,table,b\r\n,_result,2,"x, ""y""\r\nz"\r\n\r\n'
    )
    assert [row.get("a") or row.get("b") for row in rows(text, SPEAKER)] == ["1", "2", 'x, "y"\r\nz']


def test_an_empty_answer_has_no_rows() -> None:
    """A query without results answers one empty line."""
    assert list(rows("\r\n", SPEAKER)) == []
    assert list(rows("", SPEAKER)) == []


def test_an_error_after_the_first_rows_is_raised() -> None:
    """The server reports a failure in the middle of an answer as a table of its own."""
    text = ",result,table,a\r\n,_result,0,1\r\n\r\nerror,reference\r\nran out of memory,897\r\n"
    with pytest.raises(Unavailable, match="ran out of memory"):
        list(rows(text, SPEAKER))


def test_a_cut_line_is_raised() -> None:
    """An answer that breaks off is never taken for a short one."""
    with pytest.raises(Unavailable, match="cut off"):
        list(rows(",result,table,a\r\n,_result", SPEAKER))


@pytest.mark.parametrize("text", ["<html>\r\n", "<!doctype html>", '{"a": 1}\n', "[]", "a,b\r\n1,2\r\n"])
def test_what_is_no_answer_of_a_query_has_no_rows_either(text: str) -> None:
    """A login page is not an empty result: a bucket with points would seem to hold none."""
    with pytest.raises(Unavailable, match="really InfluxDB"):
        list(rows(text, SPEAKER))
