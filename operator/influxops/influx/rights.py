"""Which rights does the token lack? Told without any effect on the server (each line measured on 2.7.12).

====================  ================================================================  ==========================
right                 asked with                                                        lacking it answers
====================  ================================================================  ==========================
``write:tasks``       creating a task whose script has no ``option task``, which the    500 ``… unauthorized``
                      server refuses after it has looked at the token
``write:buckets``     creating a bucket named ``_influxops"probe``, likewise refused:   401 ``write:… is
                      an underscore in front and a quotation mark are both illegal      unauthorized``
``read:orgs``         the organization by its id; the runs in ``_tasks`` need it too    401
``read:users``        ``GET /me``; only to show who owns the tasks                      401
``read:tasks``        a task that is known to exist: from the list, else from the runs  404 ``… unauthorized``
                      in ``_tasks``
====================  ================================================================  ==========================

``read:tasks`` cannot be told in an organization without tasks: the server takes out of a list what the token may not
read and says nothing. For the same reason ``read:buckets`` is left out altogether; ``find_bucket`` tells it for one
bucket (an empty list where there is a bucket, 404 where there is none).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from influxops.core.flux.quote import quote_string
from influxops.influx.buckets import me
from influxops.influx.decode import decoded, entries
from influxops.influx.errors import Forbidden, Invalid, NotFound
from influxops.influx.http import Http, segment
from influxops.influx.query import query

_NO_OPTION = "x = 1"
_ILLEGAL_BUCKET = '_influxops"probe'


async def probe(http: Http, org_id: str) -> frozenset[str]:
    """The rights that the token certainly lacks. Raises Unauthorized when it is no longer valid at all."""
    task = {"orgID": org_id, "flux": _NO_OPTION}
    bucket = {"orgID": org_id, "name": _ILLEGAL_BUCKET, "retentionRules": []}
    found = await asyncio.gather(
        _lacks(http.call("POST", "/api/v2/tasks", body=task, right="write:tasks")),
        _lacks(http.call("POST", "/api/v2/buckets", body=bucket, right="write:buckets")),
        _lacks(http.call("GET", f"/api/v2/orgs/{segment(org_id)}", right="read:orgs")),
        _lacks(_read_task(http, org_id)),
        _no_user(http),
    )
    return frozenset(right for right in found if right)


async def _lacks(call: Coroutine[Any, Any, Any]) -> str:
    """The right for want of which a call failed; empty when it went through or failed for another reason."""
    try:
        await call
    except Forbidden as error:
        return error.right
    except (Invalid, NotFound):
        return ""
    return ""


async def _no_user(http: Http) -> str:
    return "" if await me(http) is not None else "read:users"


async def _read_task(http: Http, org_id: str) -> None:
    """Read a task that has run, if the list shows none."""
    listed = await http.call("GET", "/api/v2/tasks", params={"orgID": org_id, "limit": "1"}, right="read:tasks")
    if decoded(lambda answer: entries(answer, "tasks"), listed, http.speaker):
        return
    flux = (
        'import "influxdata/influxdb/schema" '
        f"schema.measurementTagValues(bucket: {quote_string('_tasks')}, measurement: {quote_string('runs')},"
        f" tag: {quote_string('taskID')}) |> limit(n: 5)"
    )
    for row in await query(http, org_id, flux):
        try:
            await http.call("GET", f"/api/v2/tasks/{segment(row.get('_value', ''))}", right="read:tasks")
        except NotFound:
            continue
        return
