"""Who works a connection, and how it changes hands: the decisions, and then all that can come of them, with every fault."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from influxops.core.shard import (
    DEFAULT,
    SHARD,
    Step,
    handed_on,
    holder_of,
    is_shard,
    label_fault,
    step,
    wanted_shard,
)


@pytest.mark.parametrize(
    ("label", "shard", "fault"),
    [
        (None, DEFAULT, False),
        ("", DEFAULT, False),
        ("default", DEFAULT, False),
        ("a", "a", False),
        ("team-7", "team-7", False),
        ("x" * 63, "x" * 63, False),
        ("Team_A", DEFAULT, True),
        ("a.b", DEFAULT, True),
    ],
)
def test_the_label_names_the_shard(label: str | None, shard: str, fault: bool) -> None:
    """What no shard can be called is the default shard's to complain about."""
    labels = {} if label is None else {SHARD: label}
    assert wanted_shard(labels) == shard
    assert bool(label_fault(labels)) is fault
    assert not fault or repr(label) in label_fault(labels)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a.b", "x" * 64, "a\n", "ä"])
def test_no_names_of_shards(name: str) -> None:
    """A shard is part of the name of a Lease, and the value of a label."""
    assert not is_shard(name)


def test_one_without_a_name_but_with_our_mark_is_the_default_shards() -> None:
    """Versions before there were shards wrote no name, and worked all connections."""
    assert holder_of({}, marked=False) == ""
    assert holder_of({}, marked=True) == DEFAULT
    assert holder_of({"shard": "a"}, marked=True) == holder_of({"shard": "a"}, marked=False) == "a"


@pytest.mark.parametrize(
    ("wanted", "holder", "busy", "free", "expected"),
    [
        ("a", "a", False, False, Step.WORK),
        ("a", "a", True, False, Step.WORK),
        ("a", "", False, False, Step.TAKE),
        ("a", "b", False, False, Step.ASK),
        ("a", "b", False, True, Step.TAKE),
        ("a", "b", True, True, Step.END),
        ("b", "a", True, False, Step.END),
        ("b", "a", False, False, Step.HAND_ON),
        ("b", "b", True, False, Step.END),
        ("b", "b", False, False, Step.LEAVE),
        ("b", "", False, True, Step.LEAVE),
        ("b", "c", False, True, Step.LEAVE),
    ],
)
def test_what_shard_a_does(wanted: str, holder: str, busy: bool, free: bool, expected: Step) -> None:
    assert step("a", wanted, holder, busy=busy, free=free) is expected


def test_what_is_told_between_two_shards_names_the_remedy() -> None:
    """The command that has to run."""
    assert "influxops operator runs with --shard a" in handed_on("a")
    assert "runs without --shard" in handed_on(DEFAULT)


class Process(NamedTuple):
    """The operator of a shard: it stands by, leads, has read the connection and not decided yet, or works it."""

    shard: str
    leads: bool = False
    read: int | None = None
    """The version that it has read."""
    free: bool = False
    """Whether it has seen since then that nobody has the Lease of the holder."""
    held: int | None = None
    """It works the connection; the newest version that its watch has brought."""
    writing: bool = False


class World(NamedTuple):
    """All versions of the connection that somebody still goes by, as (wanted, holder), the present one last; and the processes."""

    versions: tuple[tuple[str, str], ...]
    processes: tuple[Process, ...]


def moves(world: World, shards: tuple[str, ...]) -> Iterator[World]:
    """Everything that may happen next. Between any two requests of a process anything may."""
    holder = world.versions[-1][1]
    for shard in shards:
        yield changed(world, shard, holder)  # somebody sets the label; to what it is: something else changes
    for at, process in enumerate(world.processes):
        yield from (step_of(world, at, after) for after in of_process(world, process))
        if process.read is not None:
            yield decided(world, at)
        if process.leads:
            yield step_of(
                world, at, Process(process.shard)
            )  # killed, or the lease is lost; a write of it is over before the lease is


def of_process(world: World, process: Process) -> Iterator[Process]:
    """What a process does without changing the connection."""
    newest = len(world.versions) - 1
    if not process.leads:
        yield process._replace(leads=True)
    elif process.held is None:
        yield process._replace(read=newest, free=False)
        if process.read is not None:
            of = world.versions[process.read][1]
            yield process._replace(free=not any(one.leads for one in world.processes if one.shard == of))
    else:
        for later in range(process.held + 1, newest + 1):
            yield process._replace(held=later)  # the watch comes after
        decision = step(process.shard, *world.versions[process.held], busy=True, free=False)
        if process.writing:
            yield process._replace(writing=False)
        elif decision is Step.WORK:
            yield process._replace(writing=True)
        elif decision is Step.END:
            yield Process(process.shard, leads=True)


def decided(world: World, at: int) -> World:
    """A process decides by what it has read; the API refuses a write to what has changed since."""
    process = world.processes[at]
    assert process.read is not None
    wanted, holder = world.versions[process.read]
    unchanged = process.read == len(world.versions) - 1
    idle = Process(process.shard, leads=True)
    match step(process.shard, wanted, holder, busy=False, free=process.free):
        case Step.WORK:
            return step_of(world, at, idle._replace(held=process.read))
        case Step.TAKE if unchanged:
            after = changed(world, wanted, process.shard, keep=True)
            return step_of(after, at, idle._replace(held=len(after.versions) - 1))
        case Step.HAND_ON if unchanged:
            return step_of(changed(world, wanted, wanted, keep=True), at, idle)
        case _:
            return step_of(world, at, idle)


def changed(world: World, wanted: str, holder: str, *, keep: bool = False) -> World:
    after = world._replace(versions=(*world.versions, (wanted, holder)))
    return after if keep else forgotten(after)


def step_of(world: World, at: int, process: Process) -> World:
    return forgotten(world._replace(processes=(*world.processes[:at], process, *world.processes[at + 1 :])))


def forgotten(world: World) -> World:
    """Without the versions that nobody goes by any more: what is left is finite."""
    used = {one for process in world.processes for one in (process.read, process.held) if one is not None}
    kept = sorted(used | {len(world.versions) - 1})
    number = {old: new for new, old in enumerate(kept)} | {None: None}
    processes = tuple(one._replace(read=number[one.read], held=number[one.held]) for one in world.processes)
    return World(tuple(world.versions[one] for one in kept), processes)


def fault_of(world: World) -> str:
    """What must never be."""
    working = [one for one in world.processes if one.held is not None]
    if len(working) > 1:
        return "two work it"
    if working and working[0].shard != world.versions[-1][1]:
        return "who works it is not who is named"
    return ""


def reachable(shards: tuple[str, ...]) -> dict[World, World | None]:
    """Every world that can come about, with one that it came from."""
    begin = World(((DEFAULT, ""),), tuple(Process(shard) for shard in shards))
    came: dict[World, World | None] = {begin: None}
    ahead = deque([begin])
    while ahead:
        world = ahead.popleft()
        for after in moves(world, shards):
            if after not in came:
                came[after] = world
                assert not fault_of(after), story(after, came)
                ahead.append(after)
    return came


def story(world: World, came: dict[World, World | None]) -> str:
    """How it came about."""
    lines = [fault_of(world)]
    at: World | None = world
    while at is not None:
        lines.insert(1, str(at))
        at = came[at]
    return "\n".join(lines)


def test_never_do_two_shards_work_a_connection_whatever_happens() -> None:
    """Every order of label changes, late watches, lost leases, kills and requests of two shards, without exception; and from wherever
    that leads, the wanted shard comes to work once nothing interferes any more.
    """
    came = reachable((DEFAULT, "a"))
    assert len(came) > 900
    for world in came:
        rested = rest(world)
        (working,) = [one for one in rested.processes if one.held is not None]
        assert working.shard == world.versions[-1][0], story(world, came)


def rest(world: World) -> World:
    """All processes run, and each does in its turn what it does."""
    for _ in range(3):
        for at in range(len(world.processes)):
            process = world.processes[at]
            newest = len(world.versions) - 1
            if process.held is not None:
                world = step_of(world, at, process._replace(held=newest, writing=False))
                process = world.processes[at]
                assert process.held is not None
                if step(process.shard, *world.versions[process.held], busy=True, free=False) is Step.WORK:
                    continue
            others = {one.shard for one in world.processes if one.leads}
            free = world.versions[-1][1] not in others
            idle = Process(process.shard, leads=True, read=len(world.versions) - 1, free=free)
            world = decided(step_of(world, at, idle), at)
    return world


@pytest.mark.prove
def test_never_do_three_shards() -> None:
    """The same with a third, which the label may name before the second has begun."""
    assert len(reachable((DEFAULT, "a", "b"))) > 10000
