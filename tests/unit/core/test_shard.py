"""Who works a connection, and how it changes hands: the decisions, and then all of them against each other, with every fault."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

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


@dataclass(frozen=True)
class Connection:
    """As the API server has it."""

    wanted: str = DEFAULT
    holder: str = ""
    version: int = 0


@dataclass
class Process:
    """One operator of a shard. It sees the connection late; what it sends may be carried out later than it thinks."""

    shard: str
    leads: bool = False
    seen: Connection = field(default_factory=Connection)
    held: bool = False
    writing: bool = False
    read: Connection | None = None
    """What it has read and not decided by yet."""
    free: bool = False
    """Whether it has seen, since it read, that nobody has the Lease of the holder."""


class Hands(RuleBasedStateMachine):
    """Three shards with two processes each and one connection. Between any two requests anything may happen."""

    @initialize()
    def begin(self) -> None:
        """Nobody has seen the connection yet."""
        self.connection = Connection()
        self.processes = [Process(shard) for shard in (DEFAULT, "a", "b") for _ in range(2)]

    def _change(self, **fields: str) -> None:
        self.connection = replace(self.connection, version=self.connection.version + 1, **fields)

    def _leader(self, shard: str) -> Process | None:
        return next((one for one in self.processes if one.shard == shard and one.leads), None)

    which = st.integers(0, 5)

    @rule(shard=st.sampled_from([DEFAULT, "a", "b"]))
    def somebody_changes_the_label(self, shard: str) -> None:
        self._change(wanted=shard)

    @rule()
    def somebody_changes_something_else(self) -> None:
        self._change()

    @rule(at=which)
    def a_watch_catches_up(self, at: int) -> None:
        self.processes[at].seen = self.connection

    @rule(at=which)
    def the_lease_is_won(self, at: int) -> None:
        process = self.processes[at]
        if self._leader(process.shard) is None:
            self.processes[at] = Process(process.shard, leads=True, seen=process.seen)

    @rule(at=which)
    def a_process_is_killed_or_loses_its_lease(self, at: int) -> None:
        """The Lease outlives its holder: when others see it free, nothing of that process is written any more."""
        process = self.processes[at]
        self.processes[at] = Process(process.shard, seen=process.seen)

    @rule(at=which)
    def it_begins_or_ends_a_write(self, at: int) -> None:
        process = self.processes[at]
        if process.writing:
            process.writing = False
        elif process.held and self._by_cache(process) is Step.WORK:
            process.writing = True

    def _by_cache(self, process: Process) -> Step:
        return step(process.shard, process.seen.wanted, process.seen.holder, busy=process.held, free=False)

    @rule(at=which)
    def it_has_ended_all(self, at: int) -> None:
        process = self.processes[at]
        if process.leads and process.held and self._by_cache(process) is Step.END and not process.writing:
            process.held = False

    @rule(at=which)
    def it_reads(self, at: int) -> None:
        process = self.processes[at]
        if process.leads and not process.held:
            process.read, process.free = self.connection, False

    @rule(at=which)
    def it_asks_for_the_lease_of_the_holder(self, at: int) -> None:
        process = self.processes[at]
        if process.read is not None:
            process.free = self._leader(process.read.holder) is None

    @precondition(lambda self: any(one.read is not None for one in self.processes))
    @rule(at=which)
    def it_decides(self, at: int) -> None:
        process = self.processes[at]
        read, process.read = process.read, None
        if read is None:
            return
        decision = step(process.shard, read.wanted, read.holder, busy=False, free=process.free)
        unchanged = read.version == self.connection.version  # or the API answers with a conflict
        if decision is Step.WORK:
            process.held = True
            process.seen = max(process.seen, read, key=lambda one: one.version)
        elif decision is Step.TAKE and unchanged:
            self._change(holder=process.shard)
            process.held, process.seen = True, self.connection
        elif decision is Step.HAND_ON and unchanged:
            self._change(holder=read.wanted)

    @invariant()
    def at_most_one_works_and_it_is_the_one_that_is_named(self) -> None:
        working = [one for one in self.processes if one.held or one.writing]
        assert len(working) <= 1, working
        assert all(one.shard == self.connection.holder for one in working), (working, self.connection)

    def teardown(self) -> None:
        """From wherever it has come to, it comes to rest with the wanted shard at work, if every shard has a process."""
        if not hasattr(self, "processes"):
            return
        for at in range(0, 6, 2):
            if self._leader(self.processes[at].shard) is None:
                self.the_lease_is_won(at)
        for _ in range(3):
            for at in range(6):
                self.a_watch_catches_up(at)
                self.processes[at].writing = False
                self.it_has_ended_all(at)
                self.it_reads(at)
                self.it_asks_for_the_lease_of_the_holder(at)
                self.it_decides(at)
                self.at_most_one_works_and_it_is_the_one_that_is_named()
        (working,) = [one for one in self.processes if one.held]
        assert working.shard == self.connection.wanted


Hands.TestCase.settings = settings(
    max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestHands = Hands.TestCase
