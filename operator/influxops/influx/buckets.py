"""Calls on buckets, organizations and the token's user."""

from __future__ import annotations

from typing import Any

from influxops.core.observed import Bucket, User
from influxops.influx import decode
from influxops.influx.decode import decoded, entries
from influxops.influx.errors import Forbidden, NotFound, Unavailable
from influxops.influx.http import Http, segment

PAGE = 100
"""The most buckets that the server gives at once (20 without a limit)."""

MAX_PAGES = 2_000
"""Pages of a list after which it is taken for one without an end."""

REPEATS = "is a cache or a proxy in front that leaves out the query?"

READ = "read:buckets"
WRITE = "write:buckets"


async def list_buckets(http: Http, org_id: str) -> list[Bucket]:
    """All buckets that the token may read.

    Pages go by ``offset``, since ``after`` with a bucket that has been deleted meanwhile gives an empty page; and
    they end with the first empty one, since the server takes out what the token may not read after it has counted.
    """
    found: dict[str, Bucket] = {}
    offset = 0
    before: list[str] = []
    while True:
        params = {"orgID": org_id, "limit": str(PAGE), "offset": str(offset)}
        data = await http.call("GET", "/api/v2/buckets", params=params, right=READ)
        page = decoded(_buckets, data, http.speaker)
        if not page:
            if not found:
                await me(http)  # a token that was deactivated sees empty lists, and is told so only here
            return list(found.values())
        ids = [bucket.id for bucket in page]
        found.update(zip(ids, page, strict=True))
        offset += PAGE
        if ids == before or offset > MAX_PAGES * PAGE:
            raise Unavailable(http.speaker.say(f"the list of buckets has no end; {REPEATS}"))
        before = ids


async def find_bucket(http: Http, org_id: str, name: str) -> Bucket | None:
    """The bucket of that name. Raises Forbidden when it exists and the token may not read it."""
    params = {"orgID": org_id, "name": name}
    try:
        data = await http.call("GET", "/api/v2/buckets", params=params, right=READ)
    except NotFound:
        return None
    page = decoded(_buckets, data, http.speaker)
    if not page:  # the server says 404 when there is none, and gives an empty list when the token may not see it
        raise Forbidden(http.speaker.say(f"the token has no right {READ} for bucket {name!r}"), READ)
    found = next((bucket for bucket in page if bucket.name == name), None)
    if found is None:
        raise Unavailable(http.speaker.say(f"answered another bucket than {name!r}; {REPEATS}"))
    return found


async def get_bucket(http: Http, org_id: str, bucket_id: str) -> Bucket | None:
    """The bucket of that id, whatever its name; None when the organization has none, or the token may not see it."""
    # Asked for as a list, for that is empty where the token may not see it: an id may be of an organization of before.
    try:
        data = await http.call("GET", "/api/v2/buckets", params={"orgID": org_id, "id": bucket_id}, right=READ)
    except NotFound:
        return None
    page = decoded(_buckets, data, http.speaker)
    if any(bucket.id != bucket_id for bucket in page):
        raise Unavailable(http.speaker.say(f"answered another bucket than that of id {bucket_id}; {REPEATS}"))
    return next((bucket for bucket in page if bucket.org_id == org_id), None)


async def create_bucket(
    http: Http, org_id: str, name: str, description: str, retention: int, shard_group: int
) -> Bucket:
    """Create a bucket with its retention and shard group, in seconds."""
    body = {
        "orgID": org_id,
        "name": name,
        "description": description,
        "retentionRules": _rules(retention, shard_group),
    }
    return _bucket(http, await http.call("POST", "/api/v2/buckets", body=body, right=WRITE))


async def update_bucket(http: Http, bucket_id: str, description: str, retention: int, shard_group: int) -> Bucket:
    """Set everything at once: the server refuses a retention below the shard group that it knows."""
    body = {"description": description, "retentionRules": _rules(retention, shard_group)}
    return _bucket(http, await http.call("PATCH", f"/api/v2/buckets/{segment(bucket_id)}", body=body, right=WRITE))


async def delete_bucket(http: Http, bucket_id: str) -> None:
    """Delete a bucket and its points."""
    await http.done("DELETE", f"/api/v2/buckets/{segment(bucket_id)}", right=WRITE)


async def org_id(http: Http, org: str) -> str | None:
    """The id of an organization; None when it does not exist or the token may not see it (no ``read:orgs``)."""
    try:
        data = await http.call("GET", "/api/v2/orgs", params={"org": org}, right="read:orgs")
    except NotFound:
        return None
    found = decoded(lambda answer: dict(map(decode.org, entries(answer, "orgs"))), data, http.speaker)
    if found and org not in found:
        raise Unavailable(http.speaker.say(f"answered another organization than {org!r}; {REPEATS}"))
    return found.get(org)


async def me(http: Http) -> User | None:
    """The token's user; None without the right to read it."""
    try:
        data = await http.call("GET", "/api/v2/me", right="read:users")
    except Forbidden:
        return None
    return decoded(decode.user, data, http.speaker)


def _rules(retention: int, shard_group: int) -> list[dict[str, Any]]:
    # An empty list would change nothing: for ever must be said with 0.
    return [{"type": "expire", "everySeconds": retention, "shardGroupDurationSeconds": shard_group}]


def _buckets(data: Any) -> list[Bucket]:
    return [decode.bucket(entry) for entry in entries(data, "buckets")]


def _bucket(http: Http, data: Any) -> Bucket:
    return decoded(decode.bucket, data, http.speaker)
