"""A bucket that somebody renamed in InfluxDB: no other is made in its place, and the one with the points is told of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from influxops.api.common import FINALIZER
from influxops.core.keys import Key, Kind
from influxops.core.observed import Bucket
from influxops.core.outcome import Outcome, Reason, Stalled
from influxops.core.record import Record, pack
from influxops.core.snapshot import build
from influxops.reconcile.visit import visit
from tests.support.desk import Desk

POLICY = Key(Kind.POLICY, "ns", "p")


class Shelf:
    """A desk with a RetentionPolicy of bucket ``kept``, which is there and has been renamed since."""

    def __init__(self) -> None:
        self.desk = Desk()

    async def visited(self, *, remembers: bool = True, **spec: Any) -> Outcome:
        """Visit the policy; without ``remembers`` as an operator that starts anew, and finds no status."""
        body = {"connectionRef": {"name": "main"}, "bucket": "kept", "retention": "30d", **spec}
        status = self.desk.told if remembers else {}
        wall = self.desk.wall
        self.desk.cache.upsert(Record(POLICY, "p1", 1, "1", wall, None, (FINALIZER,), {}, {}, pack(body), pack(status)))
        if not remembers:
            self.desk.context = self.desk._context()
        return await visit(self.desk.context, POLICY)

    async def sweep(self) -> None:
        """Look at all buckets."""
        self.desk.clock += 1
        org_id = self.desk.link.org_id
        self.desk.link.snapshot = build(self.desk.clock, org_id, (), await self.desk.fake.list_buckets(org_id))

    def own(self) -> dict[str, Bucket]:
        """The users' buckets by name."""
        return {bucket.name: bucket for bucket in self.desk.fake.buckets.values() if bucket.type == "user"}

    def edit(self, bucket: Bucket, **fields: Any) -> None:
        """Change a bucket by hand."""
        self.desk.fake.buckets[bucket.id] = replace(self.desk.fake.buckets[bucket.id], **fields)


@pytest.fixture
async def shelf() -> Shelf:
    made = Shelf()
    await made.desk.sweep()
    await made.visited()
    made.edit(made.own()["kept"], name="renamed")
    await made.sweep()
    return made


def is_told(outcome: Outcome) -> bool:
    return (
        isinstance(outcome, Stalled)
        and outcome.reason is Reason.CONFLICT
        and outcome.after is not None
        and "'kept' was renamed to 'renamed'" in outcome.message
    )


@pytest.mark.parametrize("remembers", [True, False], ids=["by its id", "by the mark"])
@pytest.mark.parametrize("create", [True, False])
async def test_no_other_is_made(shelf: Shelf, remembers: bool, create: bool) -> None:
    assert is_told(await shelf.visited(remembers=remembers, create=create))
    assert set(shelf.own()) == {"renamed"}
    if remembers:
        assert shelf.desk.told["bucketID"] == shelf.own()["renamed"].id


async def test_a_look_that_comes_before_the_sweep_finds_it_by_its_id(shelf: Shelf) -> None:
    shelf.desk.link.snapshot = build(shelf.desk.clock, shelf.desk.link.org_id, (), ())
    assert is_told(await shelf.visited())


async def test_renamed_back_it_is_in_sync(shelf: Shelf) -> None:
    """Whether the next sweep has come or not."""
    assert is_told(await shelf.visited())
    shelf.edit(shelf.own()["renamed"], name="kept")
    outcome: Any = await shelf.visited()
    assert outcome.reason is Reason.SYNCED
    assert set(shelf.own()) == {"kept"}


@pytest.mark.parametrize("remembers", [True, False])
async def test_without_the_mark_it_is_given_up(shelf: Shelf, remembers: bool) -> None:
    """The last sweep has the mark still; what counts is what the server says now."""
    assert is_told(await shelf.visited())
    shelf.edit(shelf.own()["renamed"], description="kept by hand")
    outcome: Any = await shelf.visited(remembers=remembers)
    assert outcome.reason is Reason.SYNCED
    assert shelf.own()["renamed"].description == "kept by hand"
    assert set(shelf.own()) == {"kept", "renamed"}


async def test_a_deleted_one_is_made_anew(shelf: Shelf) -> None:
    del shelf.desk.fake.buckets[shelf.own()["renamed"].id]
    outcome: Any = await shelf.visited()
    assert outcome.reason is Reason.SYNCED
    assert set(shelf.own()) == {"kept"}
