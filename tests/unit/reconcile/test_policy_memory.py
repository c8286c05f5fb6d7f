"""What is remembered of a RetentionPolicy is of that object, not of the next one of its name."""

from __future__ import annotations

from typing import Any

import pytest

from influxops.api.common import FINALIZER
from influxops.core.keys import Key, Kind
from influxops.core.outcome import Outcome, Reason
from influxops.core.record import Record, pack
from influxops.reconcile.policy_loss import loss_in_words
from influxops.reconcile.visit import visit
from tests.support.desk import Desk

POLICY = Key(Kind.POLICY, "ns", "b")
DAY = 86_400


class Shelf:
    """A desk with a RetentionPolicy of bucket ``b``."""

    def __init__(self) -> None:
        self.desk = Desk()

    async def visited(self, uid: str, version: int, **spec: Any) -> Outcome:
        """Visit an object of this uid, of which one event tells."""
        body = {"connectionRef": {"name": "main"}, "bucket": "b", **spec}
        wall = self.desk.wall
        record = Record(POLICY, uid, 1, str(version), wall, None, (FINALIZER,), {}, {}, pack(body), b"")
        self.desk.cache.upsert(record)
        return await visit(self.desk.context, POLICY)

    @property
    def days(self) -> float:
        """For how long the bucket keeps its points."""
        [bucket] = [one for one in self.desk.fake.buckets.values() if one.name == "b"]
        return bucket.retention / DAY


@pytest.fixture
async def shelf() -> Shelf:
    made = Shelf()
    await made.desk.sweep()
    return made


async def test_a_new_object_does_not_shorten_by_what_the_old_one_had_applied(shelf: Shelf) -> None:
    """Made anew while no watch was looking: it has applied nothing yet, so its approval is for nothing that anybody was shown."""
    await shelf.visited("p1", 1, retention="30d")
    outcome: Any = await shelf.visited("p2", 9, retention="7d", dataLossApproval="7d")
    assert outcome.reason is Reason.DATA_LOSS_GUARD
    assert shelf.days == 30


async def test_the_same_object_does(shelf: Shelf) -> None:
    """So the test above can fail."""
    await shelf.visited("p1", 1, retention="30d")
    outcome: Any = await shelf.visited("p1", 9, retention="7d", dataLossApproval="7d")
    assert outcome.reason is Reason.SYNCED
    assert shelf.days == 7


async def test_a_new_object_is_not_called_drifted_for_what_the_old_one_was(shelf: Shelf) -> None:
    await shelf.visited("p1", 1, retention="30d", drift="Warn")
    outcome: Any = await shelf.visited("p2", 9, retention="60d", drift="Warn")
    assert outcome.reason is Reason.SYNCED
    assert shelf.days == 60


async def test_what_a_shorter_retention_would_delete_is_remembered_for_one_day_and_cut_of_a_bucket(
    shelf: Shelf,
) -> None:
    """It is counted once a day, for years; what was counted for other days would pile up."""
    await shelf.visited("u1", 1, retention="30d")
    [bucket] = [one for one in shelf.desk.fake.buckets.values() if one.name == "b"]
    for days in range(1, 5):
        await loss_in_words(shelf.desk.context, shelf.desk.link, bucket, days * DAY)
    assert [cut for _, cut, _ in shelf.desk.context.losses] == [4 * DAY]
