"""Running one script over one window, at once, by the query endpoint.

``now`` in the request is what ``now()`` means in the script. The answer streams the rows that ``to()`` wrote, so their
number and checksum cost nothing more. No run record is made, and the token's own rights count.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from influxops.core.flux.quote import quote_time
from influxops.core.pipeline.proofs.result import QueryResult
from influxops.influx.answers import Reply, Speaker, message_of, raise_for
from influxops.influx.errors import InfluxError, ScriptFailed, Unavailable
from influxops.influx.http import Http
from influxops.influx.tally import Tally

PATH = "/api/v2/query"
DIALECT = {"header": True, "annotations": ["datatype"]}

_CAUSES = (
    "runtime error",
    "error calling function",
    "partial write",
    "could not find bucket",
    "compilation failed",
    "panic:",
)
"""Words of answers other than 400 that are about the script: 404 for a bucket, 5xx for what ``to()`` could not write."""

_PANIC = "An internal error has occurred - check server logs"
"""All that the server says when its query engine panics over a script, as for a text in a field of numbers."""

_STOPPING = ("context canceled", "engine is closed", "shutting down", "server closed")
"""Words of errors that a script meets when the server goes down under it."""


async def run_script(
    http: Http,
    org_id: str,
    flux: str,
    now: datetime,
    timeout: float,
    hash_rows: int,
    answered: Callable[[], None] | None,
) -> QueryResult:
    """Run it once and count what it wrote."""
    if not flux:
        raise ScriptFailed(http.speaker.say("the script is empty"))  # taken for a request without a query
    tally = Tally(hash_rows, lambda cause: script_error(http, cause), lambda: broken(http.speaker))
    body = {"query": flux, "type": "flux", "now": quote_time(now), "dialect": DIALECT}
    reply = await http.stream(
        PATH, tally.feed, params={"orgID": org_id}, body=body, timeout=timeout, answered=answered, end=tally.finish
    )
    message = message_of(reply) if reply.content else None
    if message is not None and _is_about_script(reply, message):
        raise script_error(http, message)
    raise_for(reply, http.speaker)
    return QueryResult(
        rows=tally.rows,
        series=tally.series,
        bytes=tally.bytes,
        checksum=tally.checksum,
        cost=tally.cost,
        comparable=tally.comparable,
    )


def script_error(http: Http, cause: str) -> InfluxError:
    """The error that a script ended with; one that comes of a server going down is no fault of the script."""
    kind = Unavailable if any(words in cause for words in _STOPPING) else ScriptFailed
    return kind(http.speaker.say(f"the script failed: {cause.strip()}"))


def broken(speaker: Speaker) -> InfluxError:
    """The answer is no CSV, or was cut off."""
    return Unavailable(speaker.say("the answer of a query was cut off, or is none of InfluxDB 2"))


def _is_about_script(reply: Reply, message: str) -> bool:
    if reply.status == 400:
        return not message.startswith("failed to decode request")
    return reply.status in {404, 422, 500} and any(words in message for words in (*_CAUSES, _PANIC))
