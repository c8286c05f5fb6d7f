"""kube.status: writes what differs, once, in the right order, and survives what the API may answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from influxops.core.keys import Key
from influxops.kube.errors import Forbidden, NotFound, NotLeader, Unauthorized, Unavailable, Unprocessable
from influxops.kube.status import REFUSED_FOR, StatusWriter
from tests.support.kubeobjects import record, task
from tests.support.until import until

READY = {"type": "Ready", "status": "True"}


class Target:
    """Takes statuses; answers with what is queued in ``errors`` first."""

    def __init__(self) -> None:
        self.applied: list[tuple[str, dict[str, Any]]] = []
        self.errors: list[Exception] = []
        self.gate: asyncio.Event | None = None
        self.version = 1000

    async def apply_status(
        self, key: Key, uid: str, status: Mapping[str, Any], resource_version: str | None = None
    ) -> dict[str, Any]:
        if self.gate is not None:
            await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.version += 1
        self.applied.append((key.name, dict(status)))
        return {"metadata": {"uid": uid, "resourceVersion": str(self.version)}}


@asynccontextmanager
async def running(writer: StatusWriter) -> AsyncIterator[None]:
    stop = asyncio.Event()
    run = asyncio.create_task(writer.run(stop))
    try:
        yield
    finally:
        stop.set()
        await run


async def test_an_equal_status_is_not_written_again() -> None:
    target = Target()
    writer = StatusWriter(target)
    assert await writer.now(task(), "u1", {"b": 1, "a": 2})
    assert not await writer.now(task(), "u1", {"a": 2, "b": 1})
    assert (writer.writes, writer.skipped) == (1, 1)


async def test_what_the_watch_shows_at_the_start_is_not_written_again() -> None:
    target = Target()
    writer = StatusWriter(target)
    writer.seen(record(status={"taskID": "1"}))
    assert not await writer.now(task(), "u1", {"taskID": "1"})
    writer.later(task(), "u1", {"taskID": "1"}, urgent=True)
    assert (writer.writes, writer.skipped, writer.pending) == (0, 2, 0)


async def test_a_late_echo_of_an_older_write_does_not_hide_the_newer_one() -> None:
    target = Target()
    writer = StatusWriter(target)
    await writer.now(task(), "u1", {"n": 1})  # version 1001
    await writer.now(task(), "u1", {"n": 2})  # version 1002
    writer.seen(record(version=1001, status={"n": 1}))
    assert await writer.now(task(), "u1", {"n": 1})


async def test_a_status_that_somebody_else_changed_is_written_again() -> None:
    target = Target()
    writer = StatusWriter(target)
    await writer.now(task(), "u1", {"n": 1})
    writer.seen(record(version=2000, status={"n": "by hand"}))
    assert await writer.now(task(), "u1", {"n": 1})


async def test_the_times_of_conditions_alone_are_no_difference() -> None:
    """Two operators that both believe that they lead saw the object become Ready in different seconds: neither overwrites the other."""

    def status(second: int, reason: str = "Synced") -> dict[str, Any]:
        moment = f"2026-01-01T00:00:{second:02d}Z"
        message = f'"lastTransitionTime":"{reason}"'
        return {"conditions": [{**READY, "reason": reason, "message": message, "lastTransitionTime": moment}]}

    writer = StatusWriter(Target())
    await writer.now(task(), "u1", status(1))
    assert not writer.seen(record(version=2000, status=status(2)))
    assert not await writer.now(task(), "u1", status(1))
    assert await writer.now(task(), "u1", status(1, "Drifted"))


async def test_it_tells_when_somebody_else_has_written_over_a_status() -> None:
    """And not of our own writes, whether the watch tells of them before or after their answer; nor where others may write."""
    target = Target()
    writer = StatusWriter(target)
    assert not writer.seen(record(version=1, status={"n": "of a former leader"}))
    target.gate = asyncio.Event()
    write = asyncio.create_task(writer.now(task(), "u1", {"n": 1}))
    await until(lambda: bool(writer._sent))
    assert not writer.seen(record(version=1001, status={"n": 1}))
    target.gate.set()
    await write
    assert not writer.seen(record(version=1002, status={"n": 1}))
    assert writer.seen(record(version=1003, status={"n": "by hand"}))
    assert not writer.seen(record(version=1003, status={"n": "by hand"}))
    writer.may = lambda _: False
    assert not writer.seen(record(version=1004, status={"n": 4}))


async def test_an_answer_that_comes_late_does_not_hide_what_was_written_over_it() -> None:
    """The watch told of the newer status before the answer to the older write was there."""
    target = Target()
    target.gate = asyncio.Event()
    writer = StatusWriter(target)
    write = asyncio.create_task(writer.now(task(), "u1", {"n": 1}))  # version 1001
    await until(lambda: bool(writer._sent))
    writer.seen(record(version=1002, status={"n": "by hand"}))
    target.gate.set()
    await write
    assert await writer.now(task(), "u1", {"n": 1})


async def test_now_replaces_what_waits() -> None:
    target = Target()
    writer = StatusWriter(target)
    writer.later(task(), "u1", {"n": 1}, urgent=True)
    await writer.now(task(), "u1", {"n": 2})
    assert writer.pending == 0
    assert target.applied == [("a", {"n": 2})]


async def test_later_writes_in_the_background_and_the_newest_content_wins() -> None:
    target = Target()
    writer = StatusWriter(target)
    writer.later(task(), "u1", {"n": 1}, urgent=False)
    writer.later(task(), "u1", {"n": 2}, urgent=False)
    async with running(writer):
        await until(lambda: writer.writes == 1)
    assert target.applied == [("a", {"n": 2})]
    assert writer.oldest_pending_seconds == 0.0


async def test_later_is_skipped_when_the_content_came_back_to_what_stands_there() -> None:
    target = Target()
    writer = StatusWriter(target)
    await writer.now(task(), "u1", {"n": 1})
    writer.later(task(), "u1", {"n": 2}, urgent=True)
    writer.later(task(), "u1", {"n": 1}, urgent=True)
    async with running(writer):
        await until(lambda: writer.pending == 0 and writer.skipped == 1)
    assert writer.writes == 1


async def test_an_unavailable_api_is_tried_again() -> None:
    target = Target()
    target.errors = [Unavailable("503"), Unavailable("429", retry_after=0.01)]
    writer = StatusWriter(target)
    async with running(writer):
        writer.later(task(), "u1", {"n": 1}, urgent=True)
        await until(lambda: writer.writes == 1)
    assert writer.failed == 2


async def test_after_an_unknown_outcome_the_same_status_is_written_again() -> None:
    target = Target()
    writer = StatusWriter(target)
    await writer.now(task(), "u1", {"n": 1})
    target.errors = [Unavailable("no answer")]
    with pytest.raises(Unavailable):
        await writer.now(task(), "u1", {"n": 2})
    assert await writer.now(task(), "u1", {"n": 1})


@pytest.mark.parametrize(
    "error", [Forbidden("no right yet"), NotFound("no such kind yet", status=404), Unauthorized("expired")]
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_refusal_that_passes_loses_no_status(
    error: Exception, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API server that has just started knows neither roles nor CRDs; the last status of an object may have nobody who says it again."""
    monkeypatch.setattr("influxops.kube.status_schedule.BACKOFF", (0.01, 0.01))
    target = Target()
    writer = StatusWriter(target)
    writer.seen(record(version=1))
    target.errors = [error] * 3
    async with running(writer):
        if at_once and isinstance(error, NotFound):
            assert not await writer.now(task(), "u1", {"n": 1})
        else:
            writer.later(task(), "u1", {"n": 1}, urgent=True)
        await until(lambda: bool(target.applied))
    assert target.applied == [("a", {"n": 1})]


async def test_what_waits_for_an_object_that_seems_gone_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influxops.kube.status_schedule.BACKOFF", (0.01, 0.01))
    target = Target()
    writer = StatusWriter(target)
    writer.seen(record(version=1))
    target.errors = [NotFound("gone", status=404)] * 100
    async with running(writer):
        writer.later(task(), "u1", {"n": 1}, urgent=True)
        await until(lambda: len(target.errors) < 98)
        writer.gone(task(), "u1")
        await until(lambda: not writer.pending and not writer._locks)
        left = len(target.errors)
        writer.later(task("b"), "u2", {"n": 2}, urgent=True)
        await until(lambda: len(target.errors) < left)
        await until(lambda: not writer.pending and not writer._locks)


async def test_an_object_that_is_gone_is_forgotten_without_an_error() -> None:
    target = Target()
    target.errors = [NotFound("404", status=404)]
    writer = StatusWriter(target)
    assert not await writer.now(task(), "u1", {"n": 1})
    assert await writer.now(task(), "u2", {"n": 1})


async def test_deletion_drops_what_waits_but_not_for_the_object_made_anew() -> None:
    writer = StatusWriter(Target())
    writer.seen(record(uid="old"))
    writer.later(task(), "old", {"n": 1}, urgent=True)
    writer.gone(task(), "old")
    assert writer.pending == 0
    writer.seen(record(uid="new", born=9))
    writer.later(task(), "new", {"n": 1}, urgent=True)
    writer.gone(task(), "old")
    assert writer.pending == 1


async def test_a_refused_status_is_an_error_for_now_and_ends_nothing_for_later() -> None:
    target = Target()
    target.errors = [Unprocessable("422"), Unprocessable("422")]
    writer = StatusWriter(target)
    with pytest.raises(Unprocessable):
        await writer.now(task(), "u1", {"n": 1})
    async with running(writer):
        writer.later(task("bad"), "u1", {"n": 1}, urgent=True)
        await until(lambda: writer.failed == 2)
        writer.later(task("good"), "u1", {"n": 1}, urgent=True)
        await until(lambda: writer.writes == 1)


async def test_nothing_waits_any_more_when_the_lease_is_lost() -> None:
    target = Target()
    target.errors = [NotLeader("lost")]
    writer = StatusWriter(target, writes_per_second=1)
    writer.later(task("a"), "u", {"n": 1}, urgent=True)
    writer.later(task("b"), "u", {"n": 1}, urgent=True)
    async with running(writer):
        await until(lambda: writer.pending == 0)
    assert target.applied == []


async def test_two_writes_of_one_object_never_overlap_and_the_later_is_the_last() -> None:
    target = Target()
    target.gate = asyncio.Event()
    writer = StatusWriter(target)
    writes = [asyncio.create_task(writer.now(task(), "u1", {"n": n})) for n in range(3)]
    await asyncio.sleep(0)
    target.gate.set()
    await asyncio.gather(*writes)
    assert [status["n"] for _, status in target.applied] == [0, 1, 2]


async def test_a_cache_can_be_told_of_every_write() -> None:
    writer = StatusWriter(Target())
    told: list[tuple[Key, str]] = []
    writer.on_written = lambda key, body: told.append((key, body["metadata"]["resourceVersion"]))
    await writer.now(task(), "u1", {"n": 1})
    await writer.now(task(), "u1", {"n": 1})
    assert told == [(task(), "1001")]


async def test_what_is_let_go_of_is_not_written_any_more() -> None:
    """Neither what waits, nor what is tried again after an error; what is being written is seen to its end."""
    target = Target()
    target.gate = asyncio.Event()
    writer = StatusWriter(target)
    async with running(writer):
        writer.later(task("a"), "u1", {"n": 1}, urgent=True)
        await until(lambda: task("a") in writer._turning or task("a") in writer._locks)
        leaving = asyncio.create_task(writer.let_go([task("a"), task("b")]))
        await asyncio.sleep(0)
        writer.may = lambda _: False
        assert not leaving.done()
        target.errors.append(Unavailable("later"))
        target.gate.set()
        await leaving
        writer.later(task("b"), "u1", {"n": 2}, urgent=True)
        await until(lambda: writer.pending == 0)
    assert not await writer.now(task("a"), "u1", {"n": 3})
    assert target.applied == []


async def test_after_a_cluster_was_set_back_what_stands_there_counts() -> None:
    """A status that was written in a future that is no more is written again."""
    target = Target()
    writer = StatusWriter(target)
    await writer.now(task(), "u1", {"n": 2})
    writer.rewind(record(version=5, status={"n": 1}))
    assert await writer.now(task(), "u1", {"n": 2})
    assert len(target.applied) == 2


async def test_a_write_to_what_is_gone_is_told_of() -> None:
    """Whoever thought that it was there has missed something."""
    target = Target()
    target.errors = [NotFound("gone", status=404)]
    lost: list[Key] = []
    writer = StatusWriter(target)
    writer.on_lost = lost.append
    assert not await writer.now(task(), "u1", {"n": 1})
    assert lost == [task()]


async def test_a_status_that_was_refused_is_not_tried_at_each_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API lets nothing be written to an object that its CRD would no longer take: a sweep a second must not ask it a
    second. Another content is tried at once, the same after a while; the times of conditions are no content.
    """
    target, clock = Target(), [0.0]
    writer = StatusWriter(target)
    monkeypatch.setattr("influxops.kube.status._time", lambda: clock[0])

    def status(message: str, second: int) -> dict[str, Any]:
        moment = f"2026-01-01T00:00:{second:02d}Z"
        return {"conditions": [{"type": "Ready", "message": message, "lastTransitionTime": moment}]}

    target.errors = [Unprocessable("422 spec is invalid")] * 2
    with pytest.raises(Unprocessable):
        await writer.now(task(), "u1", status("bad", 0))
    for second in range(1, 10):
        assert not await writer.now(task(), "u1", status("bad", second))
    assert len(target.errors) == 1
    clock[0] += REFUSED_FOR
    with pytest.raises(Unprocessable):
        await writer.now(task(), "u1", status("bad", 11))
    assert await writer.now(task(), "u1", status("good", 12))
    assert await writer.now(task(), "u2", status("bad", 13))


async def test_what_an_older_release_mangled_is_written_anew() -> None:
    """What is read of it equals what is wanted, and yet more stands there."""
    target = Target()
    writer = StatusWriter(target)
    writer.seen(replace(record(status={"taskID": "1"}), mangled=True))
    assert await writer.now(task(), "u1", {"taskID": "1"})


async def test_a_status_that_goes_back_while_the_other_is_written_is_not_taken_for_written() -> None:
    target = Target()
    writer = StatusWriter(target, interval=0.0)
    async with running(writer):
        await writer.now(task(), "u1", {"n": 1})
        target.gate = asyncio.Event()
        writer.later(task(), "u1", {"n": 2}, urgent=True)
        await until(lambda: task() in writer._sent)
        writer.later(task(), "u1", {"n": 1}, urgent=True)
        target.gate.set()
        await until(lambda: len(target.applied) == 3)
    assert [status["n"] for _, status in target.applied] == [1, 2, 1]


async def test_what_should_never_go_wrong_with_a_write_is_tried_again() -> None:
    """An answer of a shape that nobody thought of loses no status."""
    target = Target()
    target.errors = [TypeError("an answer that is none")]
    writer = StatusWriter(target, interval=0.0)
    async with running(writer):
        writer.later(task(), "u1", {"n": 1}, urgent=True)
        await until(lambda: len(target.applied) == 1, 10)
