"""Flux queries: send one, read its CSV answer."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from influxops.influx.answers import Speaker, raise_for
from influxops.influx.errors import Unavailable
from influxops.influx.http import EMPTY, Http

Row = dict[str, str]

HEAD = ["", "result", "table"]
"""How the header of each table begins (measured)."""

FAILED = ["error", "reference"]
"""How the header of an error ends, in the middle of an answer or in place of one."""

FOREIGN = "answered a query with something else than its CSV; is this address really InfluxDB 2?"

csv.field_size_limit(min(sys.maxsize, 1 << 28))  # run logs hold whole scripts; the answer itself is bounded


async def query(http: Http, org_id: str, flux: str, *, timeout: float | None = None, right: str = "") -> list[Row]:
    """Run a query and return its rows, of all tables, in the order of the answer.

    A call that runs out of time closes its connection, which ends the query on the server.
    """
    body: Mapping[str, Any] = {"query": flux, "type": "flux", "dialect": {"header": True, "annotations": []}}
    reply = await http.request(
        "POST", "/api/v2/query", params={"orgID": org_id}, body=body, right=right, timeout=timeout
    )
    raise_for(reply, http.speaker)
    if not reply.content:
        raise Unavailable(http.speaker.say(EMPTY))
    return list(rows(reply.content.decode(errors="replace"), http.speaker))


def rows(text: str, speaker: Speaker) -> Iterator[Row]:
    """The rows of a CSV answer without annotations. An empty line ends a table; the next line is a header.

    Raises Unavailable when the query failed after it had begun to answer: the error then comes as a table.
    """
    header: list[str] = []
    for record in csv.reader(io.StringIO(text, newline="")):
        if not record:
            header = []
        elif not header:
            if record[:3] != HEAD and record[-2:] != FAILED:
                raise Unavailable(speaker.say(FOREIGN))
            header = record
        elif header[-2:] == FAILED:
            raise Unavailable(speaker.say(f"the query failed: {record[-2]}"))
        elif len(record) != len(header):
            raise Unavailable(speaker.say("the answer of a query was cut off"))
        else:
            yield dict(zip(header, record, strict=True))
