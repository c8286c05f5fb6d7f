"""A connection is worked once the API confirms that it is ours, and handed on once nothing of it is under way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from influxops.core.keys import Key
from influxops.core.outcome import Done, Wait
from influxops.core.record import Record, pack
from influxops.core.shard import DEFAULT, SHARD
from influxops.engine.handover import ENDING, Handover, Work
from influxops.engine.shards import Shards
from influxops.kube.errors import Conflict, Forbidden, Unprocessable
from influxops.kube.lease_state import Timing
from influxops.reconcile.state import TaskState
from tests.support.desk import CONNECTION, TASK, Desk


class Api:
    """The API's copy of the connection, Leases by shard, and what was done in which order."""

    def __init__(self, desk: Desk, label: str = "", holder: str = "") -> None:
        self.desk = desk
        self.record: Record | None = replace(
            desk.record, key=CONNECTION, uid="c1", finalizers=(), packed_spec=pack({}), packed_status=b""
        )
        self.set(label, holder)
        self.leases: dict[str, Mapping[str, Any] | Exception] = {}
        self.meanwhile: list[str] = []
        """Labels that somebody sets just before the next writes."""
        self.refuses = False
        """Whether no status may be written, as the stored object is one that its schema would not take today."""
        self.steps: list[str] = []
        desk.cache.upsert(self.get())

    def get(self) -> Record:
        assert self.record is not None
        return self.record

    def set(self, label: str, holder: str) -> None:
        """As somebody else changes it; the watch has not told yet."""
        status = {"shard": holder, "url": "kept"} if holder else {"url": "kept"}
        version = str(int(self.get().resource_version) + 1)
        labels = {SHARD: label} if label else {}
        self.record = replace(self.get(), labels=labels, packed_status=pack(status), resource_version=version)

    async def read(self, key: Key) -> Record | None:
        assert key == CONNECTION
        self.steps.append("read")
        if self.record is not None:
            self.desk.cache.upsert(self.record)
        return self.record

    async def write(self, record: Record, status: Mapping[str, Any]) -> Record:
        if self.meanwhile:
            self.set(self.meanwhile.pop(0), str(self.get().status().get("shard") or ""))
        if record.resource_version != self.get().resource_version:
            raise Conflict("it has changed")
        if self.refuses:
            raise Unprocessable("spec.url: Invalid value", status=422)
        self.steps.append(f"shard={status['shard']}")
        version = str(int(record.resource_version) + 1)
        self.record = replace(record, packed_status=pack(status), resource_version=version)
        self.desk.cache.upsert(self.record)
        return self.record

    async def lease(self, shard: str) -> Mapping[str, Any] | None:
        self.steps.append(f"lease {shard}")
        found = self.leases.get(shard)
        if isinstance(found, Exception):
            raise found
        return found

    @property
    def holder(self) -> str:
        return str(self.get().status().get("shard") or "")


class Case:
    """Shard ``a`` and its hands."""

    def __init__(self, label: str = "a", holder: str = "", name: str = "a") -> None:
        self.desk = Desk()
        self.api = Api(self.desk, label, holder)
        self.shards = Shards(name, self.desk.cache)
        self.enqueued: list[Key] = []
        self.half = False
        self.settled = True
        work = Work(lambda _: self.half, lambda _: self.settled, self._end, self._let_go, self.enqueued.extend)
        self.handover = Handover(self.shards, self.api, self.desk.context, work, Timing())

    async def _end(self, _: Key) -> None:
        self.api.steps.append("end")

    async def _let_go(self, keys: Iterable[Key]) -> None:
        assert set(keys) == {TASK, CONNECTION}
        assert not self.shards.holds(TASK)  # or what is written now could be followed by more
        self.api.steps.append("let go")

    async def visit(self) -> object:
        """One visit to the connection, as the watch knows it; what was done is told afresh."""
        self.api.steps.clear()
        found = self.desk.cache.get(CONNECTION)
        assert found is not None
        return await self.handover.admit(found)

    async def held(self) -> None:
        """The shard holds it and is at work."""
        assert await self.visit() is None
        self.enqueued.clear()


async def test_a_new_connection_is_taken_before_it_is_worked() -> None:
    """The name first: whoever comes later finds it."""
    case = Case()
    assert await case.visit() is None
    assert case.api.steps == ["read", "shard=a"]
    assert case.api.get().status()["url"] == "kept"
    assert case.enqueued == [TASK]
    assert await case.visit() is None
    assert case.api.steps == []  # from then on nothing is asked


async def test_one_that_nobody_may_write_to_is_worked_by_the_shard_of_its_label() -> None:
    """Somebody has to say what is wrong with it; and no label of it can be changed."""
    case = Case()
    case.api.refuses = True
    assert await case.visit() is None
    assert case.shards.works(TASK)
    other = Case(label="b")
    other.api.refuses = True
    assert await other.visit() == Done()
    assert not other.shards.works(TASK)


async def test_the_cache_is_not_believed_after_a_lease_is_won() -> None:
    """While nobody had our Lease, the label was changed and another shard has taken the connection."""
    case = Case(holder="a")
    case.api.set("b", "b")
    assert await case.visit() == Done()
    assert case.api.steps == ["read"]
    assert not case.shards.works(TASK)


async def test_a_lease_won_again_asks_again() -> None:
    case = Case()
    await case.held()
    case.handover.begin()
    assert not case.shards.works(TASK)
    assert await case.visit() is None
    assert case.api.steps == ["read"]  # it bears our name already


async def test_a_connection_of_another_is_waited_for_until_its_lease_is_free() -> None:
    """A Lease that is renewed is never free, one that stands still is after its duration, one that was given up at once."""
    case = Case(holder="b")
    for turn in range(30):
        case.api.leases["b"] = {"spec": {"holderIdentity": "x", "leaseDurationSeconds": 15, "renewTime": str(turn)}}
        assert isinstance(await case.visit(), Wait)
        assert case.api.steps == ["read", "lease b"]
        case.desk.clock += 1.0
    for _ in range(14):
        assert isinstance(await case.visit(), Wait)
        case.desk.clock += 1.0
    assert await case.visit() is None
    assert case.api.holder == "a"

    case = Case(holder="b")
    case.api.leases["b"] = {"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}}
    assert await case.visit() is None


async def test_a_shard_without_a_lease_gets_the_time_of_one() -> None:
    """It may run without, or its Lease may be elsewhere; it sees the label and hands on by itself."""
    case = Case(holder="b")
    for _ in range(15):
        assert isinstance(await case.visit(), Wait)
        case.desk.clock += 1.0
    assert await case.visit() is None


async def test_a_lease_that_cannot_be_read_is_not_free() -> None:
    case = Case(holder="b")
    case.api.leases["b"] = Forbidden("no")
    for _ in range(60):
        assert isinstance(await case.visit(), Wait)
        case.desk.clock += 1.0
    assert case.api.holder == "b"


async def test_a_version_without_shards_is_the_default_shard() -> None:
    """It has left its finalizer and no name."""
    case = Case()
    case.api.record = replace(case.api.get(), finalizers=("influxops.dev/cleanup",))
    assert isinstance(await case.visit(), Wait)
    assert case.api.steps == ["read", "lease default"]
    case = Case(label="", name=DEFAULT)
    case.api.record = replace(case.api.get(), finalizers=("influxops.dev/cleanup",))
    assert await case.visit() is None
    assert case.api.steps == ["read"]


async def test_it_is_handed_on_after_the_end_of_all() -> None:
    """No visit begins any more; those under way are waited for however long; loops end, statuses are let go of, then the name is written."""
    case = Case()
    await case.held()
    case.desk.context.tasks[TASK] = TaskState(uid="u1")
    case.api.set("b", "a")
    case.desk.cache.upsert(case.api.get())
    with case.shards.visiting(TASK):
        for _ in range(3):
            assert isinstance(await case.visit(), Wait)
            assert case.api.steps == []
            assert not case.shards.works(TASK)
            case.desk.clock += 2 * ENDING
    assert await case.visit() == Done()
    assert case.api.steps == ["end", "let go", "read", "shard=b"]
    status = case.api.get().status()
    (ready,) = [one for one in status["conditions"] if one["type"] == "Ready"]
    assert (ready["status"], status["url"]) == ("False", "kept")
    assert "--shard b" in ready["message"]
    assert case.desk.context.tasks == {}
    assert await case.visit() == Done()
    assert case.api.steps == ["read"]


@pytest.mark.parametrize("what", ["half", "settled"])
async def test_windows_and_changes_half_done_get_a_time_for_their_end(what: str) -> None:
    """A query may take hours, and a change that waits for a dead server for ever."""
    case = Case()
    await case.held()
    setattr(case, what, not getattr(case, what))
    case.api.set("b", "a")
    case.desk.cache.upsert(case.api.get())
    assert isinstance(await case.visit(), Wait)
    case.desk.clock += ENDING - 1
    assert isinstance(await case.visit(), Wait)
    case.desk.clock += 2
    assert await case.visit() == Done()
    assert case.api.holder == "b"


async def test_a_label_that_comes_back_in_time_stops_the_leaving() -> None:
    """All objects are visited, for what was begun to be ended is to be begun again."""
    case = Case()
    await case.held()
    case.settled = False
    case.api.set("b", "a")
    case.desk.cache.upsert(case.api.get())
    assert isinstance(await case.visit(), Wait)
    case.api.set("a", "a")
    case.desk.cache.upsert(case.api.get())
    assert await case.visit() is None
    assert case.enqueued == [TASK]
    assert case.shards.works(TASK)


async def test_who_changes_the_label_just_then_wins() -> None:
    """The API refuses the write that was decided on the old one, and it is decided anew."""
    case = Case()
    case.api.meanwhile = ["b"]
    assert isinstance(await case.visit(), Wait)
    assert case.api.holder == ""
    assert await case.visit() == Done()

    case = Case()
    await case.held()
    case.api.set("b", "a")
    case.desk.cache.upsert(case.api.get())
    case.api.meanwhile = ["a"]
    assert isinstance(await case.visit(), Wait)
    assert case.api.holder == "a"
    assert await case.visit() is None


async def test_it_is_ended_here_when_another_name_is_written_by_hand() -> None:
    """Nobody should; but then one of the two has to give way."""
    case = Case()
    await case.held()
    case.api.set("a", "b")
    case.desk.cache.upsert(case.api.get())
    assert isinstance(await case.visit(), Wait)
    assert case.api.steps == ["end", "let go", "read", "lease b"]


async def test_what_is_not_known_is_asked_for_once_in_a_moment() -> None:
    case = Case()
    assert await case.handover.find(CONNECTION)
    case.api.record = None
    case.api.steps.clear()
    assert not await case.handover.find(CONNECTION)
    assert not await case.handover.find(CONNECTION)
    assert case.api.steps == ["read"]
    case.desk.clock += 2
    assert not await case.handover.find(CONNECTION)
    assert case.api.steps == ["read", "read"]
