"""kube.lease against a store that hangs, lies and forgets: what a real API cannot be made to do on demand."""

from __future__ import annotations

import asyncio
import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from influxops.kube.errors import AlreadyExists, Conflict, NotLeader, Unavailable
from influxops.kube.lease import LeaderElector
from influxops.kube.lease_state import Observer, Timing, claimed, micro_time, released
from tests.support.until import until

FAST = Timing(duration=1.0, deadline=0.6, retry=0.1)


class Store:
    """A Lease with resource versions; faults on demand."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.down = False
        self.lose_reply = False
        self.hang = asyncio.Event()
        self.hang.set()

    async def _pass(self, timeout: float | None) -> None:
        try:
            await asyncio.wait_for(self.hang.wait(), timeout)
        except TimeoutError:
            raise Unavailable("no answer") from None
        if self.down:
            raise Unavailable("503")

    async def get_lease(self, namespace: str, name: str, *, timeout: float | None = None) -> dict[str, Any] | None:
        await self._pass(timeout)
        return copy.deepcopy(self.lease)

    async def create_lease(self, lease: dict[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        await self._pass(timeout)
        if self.lease is not None:
            raise AlreadyExists("exists")
        return self._store(lease)

    async def replace_lease(self, lease: dict[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        await self._pass(timeout)
        if self.lease is None or lease["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise Conflict("stale")
        return self._store(lease)

    def _store(self, lease: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.lease = copy.deepcopy(lease)
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        if self.lose_reply:
            self.lose_reply = False
            raise Unavailable("no answer")
        return copy.deepcopy(self.lease)

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        spec: dict[str, Any] = self.lease["spec"]
        return spec


class Replica:
    """An elector and what it was told."""

    def __init__(self, store: Store, name: str, timing: Timing = FAST) -> None:
        self.told: list[str] = []
        self.stop = asyncio.Event()
        self.elector = LeaderElector(store, "ns", "lease", self._started, self._stopped, timing=timing, identity=name)
        self.task = asyncio.create_task(self.elector.run(self.stop))

    async def _started(self) -> None:
        self.told.append("started")

    async def _stopped(self) -> None:
        self.told.append("stopped")

    async def end(self) -> None:
        self.stop.set()
        await self.task


async def test_the_first_wins_and_releases_at_its_end_and_the_second_takes_over_at_once() -> None:
    store = Store()
    one = Replica(store, "one")
    await until(one.elector.is_leader)
    two = Replica(store, "two", Timing(duration=30, deadline=20, retry=0.1))
    await until(lambda: two.elector.holder == "one")
    assert not two.elector.is_leader()
    with pytest.raises(NotLeader):
        two.elector.check()
    await one.end()
    assert one.told == ["started", "stopped"]
    await until(two.elector.is_leader, 2)
    assert store.spec["leaseTransitions"] == 1
    await two.end()
    assert store.spec["holderIdentity"] == ""


async def test_no_two_hold_it_when_one_cannot_renew() -> None:
    store = Store()
    one = Replica(store, "one")
    await until(one.elector.is_leader)
    two = Replica(store, "two")
    await until(lambda: two.elector.holder == "one")
    store.hang.clear()  # nobody gets an answer
    await until(lambda: one.told == ["started", "stopped"])
    assert not one.elector.is_leader()
    store.hang.set()
    await until(lambda: one.elector.is_leader() or two.elector.is_leader())
    assert not (one.elector.is_leader() and two.elector.is_leader())
    await one.end()
    await two.end()


async def test_the_right_ends_by_the_clock_even_when_the_loop_is_frozen() -> None:
    store = Store()
    now = 100.0
    elector = LeaderElector(store, "ns", "lease", _nothing, _nothing, identity="one", clock=lambda: now)
    assert await elector._claim(1.0)
    assert elector.check() == 15.0
    now = 110.0
    assert elector.is_leader()
    assert elector.check() == 5.0
    now = 110.1
    assert not elector.is_leader()
    with pytest.raises(NotLeader):
        elector.check()


async def test_the_right_counts_from_the_sending_of_the_request_not_from_its_answer() -> None:
    store = Store()
    now = 100.0

    async def slow(lease: dict[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        nonlocal now
        now += 4.0
        return await Store.create_lease(store, lease, timeout=timeout)

    store.create_lease = slow  # type: ignore[method-assign]
    elector = LeaderElector(store, "ns", "lease", _nothing, _nothing, identity="one", clock=lambda: now)
    assert await elector._claim(10.0)
    assert elector.check() == 11.0


async def test_a_lost_reply_of_a_renewal_does_not_lose_the_lease() -> None:
    store = Store()
    one = Replica(store, "one")
    await until(one.elector.is_leader)
    store.lose_reply = True
    await until(lambda: not store.lose_reply)
    version = store.version
    await until(lambda: store.version > version + 1)
    assert one.told == ["started"]
    await one.end()


async def test_a_short_outage_does_not_lose_the_lease_and_a_long_one_does() -> None:
    store = Store()
    one = Replica(store, "one")
    await until(one.elector.is_leader)
    store.down = True
    await asyncio.sleep(0.2)
    store.down = False
    version = store.version
    await until(lambda: store.version > version)
    assert one.told == ["started"]
    store.down = True
    await until(lambda: one.told == ["started", "stopped"])
    store.down = False
    await until(lambda: one.told == ["started", "stopped", "started"])
    assert store.spec["leaseTransitions"] == 0
    await one.end()


async def test_a_lease_taken_away_is_lost_at_once() -> None:
    store = Store()
    one = Replica(store, "one", Timing(duration=30, deadline=20, retry=0.1))
    await until(one.elector.is_leader)
    assert store.lease is not None
    store.lease["spec"]["holderIdentity"] = "thief"
    store.lease["metadata"]["resourceVersion"] = "999"
    await until(lambda: one.told == ["started", "stopped"], 2)
    assert not one.elector.is_leader()
    assert one.elector.holder == "thief"
    await one.end()


async def test_an_end_during_an_outage_does_not_hang() -> None:
    store = Store()
    one = Replica(store, "one")
    await until(one.elector.is_leader)
    store.hang.clear()
    async with asyncio.timeout(2):
        await one.end()
    assert one.told == ["started", "stopped"]


async def test_the_lease_is_kept_while_the_work_ends() -> None:
    """The next leader must not start while this one still drains."""
    store = Store()
    drained = asyncio.Event()
    stop = asyncio.Event()
    elector = LeaderElector(store, "ns", "lease", _nothing, drained.wait, timing=FAST, identity="one")  # type: ignore[arg-type]
    run = asyncio.create_task(elector.run(stop))
    await until(elector.is_leader)
    stop.set()
    version = store.version
    await until(lambda: store.version > version + 2)
    assert elector.is_leader()
    assert store.spec["holderIdentity"] == "one"
    drained.set()
    await run
    assert store.spec["holderIdentity"] == ""


async def _nothing() -> None:
    return


def lease(who: str = "other", renewed: str = "a", duration: int = 15) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "ns", "name": "lease", "resourceVersion": "1", "managedFields": [1]},
        "spec": {
            "holderIdentity": who,
            "renewTime": renewed,
            "leaseDurationSeconds": duration,
            "leaseTransitions": 3,
            "acquireTime": "then",
        },
    }


def test_anothers_lease_expires_by_our_own_observation_whatever_its_times_say() -> None:
    observer = Observer()
    timing = Timing()
    assert not observer.expired(lease(renewed="1970-01-01T00:00:00.000000Z"), 0.0, timing)
    assert not observer.expired(lease(renewed="1970-01-01T00:00:00.000000Z"), 14.9, timing)
    assert not observer.expired(lease(renewed="1970-01-01T00:00:01.000000Z"), 15.0, timing)
    assert not observer.expired(lease(renewed="1970-01-01T00:00:01.000000Z"), 29.9, timing)
    assert observer.expired(lease(renewed="1970-01-01T00:00:01.000000Z"), 30.0, timing)


def test_the_duration_in_the_lease_counts_not_ours() -> None:
    observer = Observer()
    observer.expired(lease(duration=60), 0.0, Timing())
    assert not observer.expired(lease(duration=60), 59.0, Timing())
    assert observer.expired(lease(duration=60), 60.0, Timing())


def test_a_lease_without_a_holder_is_free() -> None:
    assert Observer().expired(lease(who=""), 0.0, Timing())


def test_claims_count_transitions_and_keep_the_acquire_time_while_renewing() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    first = claimed(None, "ns", "lease", "me", Timing(), now)
    assert first["spec"]["leaseTransitions"] == 0
    assert first["spec"]["acquireTime"] == first["spec"]["renewTime"] == "2026-01-02T03:04:05.000006Z"
    renewed = claimed(lease(who="me"), "ns", "lease", "me", Timing(duration=14.5), now)
    assert renewed["spec"]["leaseTransitions"] == 3
    assert renewed["spec"]["acquireTime"] == "then"
    assert renewed["spec"]["leaseDurationSeconds"] == 15
    assert "managedFields" not in renewed["metadata"]
    taken = claimed(lease(), "ns", "lease", "me", Timing(), now)
    assert taken["spec"]["leaseTransitions"] == 4
    assert taken["spec"]["acquireTime"] == taken["spec"]["renewTime"]
    assert released(taken, now)["spec"]["holderIdentity"] == ""


def test_times_always_have_six_digits() -> None:
    assert micro_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05.000000Z"


@pytest.mark.parametrize("wrong", [(10, 15, 2), (15, 10, 10), (15, 10, 0)])
def test_a_timing_that_could_have_two_leaders_is_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="retry < deadline < duration"):
        Timing(*wrong)


async def test_a_stop_while_renewals_fail_lets_the_work_end_at_once() -> None:
    """While the lease is still ours; and an ailing API is not asked again and again without a pause."""
    store = Store()
    replica = Replica(store, "a")
    await until(lambda: replica.told == ["started"])
    asked, held = [0], []
    replace = store.replace_lease

    async def refuse(lease: dict[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        asked[0] += 1
        store.down = True
        return await replace(lease, timeout=timeout)

    async def stopped() -> None:
        held.append(replica.elector.is_leader())

    store.replace_lease = refuse  # type: ignore[method-assign]
    replica.elector._on_stopped = stopped
    await until(lambda: asked[0] > 0)
    await replica.end()
    assert held == [True]
    assert asked[0] < 20
