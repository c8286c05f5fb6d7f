"""Two operators, the default shard and another: each object is worked by one of them, and a connection changes hands without a double write."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from devstack.kubeconfig import write_kubeconfig
from tests.support.expect import condition, eventually
from tests.support.faults import CRASHES, Fault, Rule
from tests.support.gate import Gate, Seen
from tests.support.history import KUBE, History
from tests.support.lab import BACKFILL, CONNECTION, MERGE, PIPELINE, POLICY, TASK, Lab
from tests.support.operator import OperatorProcess
from tests.support.peers import process_of
from tests.support.proxy import FaultProxy
from tests.support.windowed import hours_ago, pipeline, points, prepare, stage, stamp, states, windows

LABEL = "influxops.dev/shard"
SHORT = ("--lease-duration", "3", "--lease-renew-deadline", "2", "--lease-retry-period", "0.5")
DEFAULT, OTHER = "default", "the other"


class Crew:
    """The operator of all tests here, which is the default shard, and one more of a shard of its own name."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.shard = f"s-{secrets.token_hex(3)}"
        log = directory / "shard.log"
        self.other = OperatorProcess(lab.stack.kubeconfig, log, "--shard", self.shard, *SHORT)
        self.pids = {DEFAULT: lab.operator.process.pid, OTHER: self.other.process.pid}

    def watch(self, gate: Gate) -> Gate:
        """Have a gate note whose requests it sees."""
        server = int(gate.url.rpartition(":")[2])
        gate.who = lambda port: process_of(port, server, self.pids)
        return gate

    def label(self, name: str, shard: str | None) -> None:
        """Move a connection; None takes the label off."""
        patch = {"metadata": {"labels": {LABEL: shard}}}
        code, answer = self.lab.call("PATCH", self.lab.path(CONNECTION, name), patch, MERGE)
        assert code == 200, answer

    def held(self, name: str, shard: str) -> None:
        """Wait until a shard holds a connection, and says that it is well."""
        self.lab.until(CONNECTION, name, f"is held by {shard}", lambda item: item["status"].get("shard") == shard)
        self.lab.synced(CONNECTION, name)

    def tail(self) -> str:
        """The end of both logs."""
        return f"{self.lab.operator.tail(word=self.lab.namespace)}\n--- {self.shard}\n{self.other.tail()}"


@pytest.fixture
def crew(lab: Lab, tmp_path: Path) -> Iterator[Crew]:
    """The other operator leads; at the end it is killed."""
    made = Crew(lab, tmp_path)
    with made.other:
        made.other.leads()
        yield made
    text = made.other.text()
    assert "Traceback" not in text, made.other.tail()
    assert "please report this" not in text, made.other.tail()


def connect(lab: Lab, name: str, url: str, shard: str | None = None) -> None:
    """A connection that is born with its label."""
    lab.secret(token=lab.org.token)
    spec = {
        "url": url,
        "allowInsecure": True,
        "org": lab.org.org,
        "tokenSecretRef": {"name": "influx-token", "key": "token"},
        "syncInterval": "1s",
    }
    lab.create(CONNECTION, name, spec, labels={LABEL: shard} if shard else {})


def writes(seen: list[Seen]) -> list[Seen]:
    """What may change something: also a query, unless it is one of those that can write nothing."""
    asks = ("buckets(", "_tasks", "pivot(", "false and", "count(")
    return [
        one
        for one in seen
        if one.method != "GET" and not (one.path.startswith("/api/v2/query") and b"to(bucket" not in one.body)
        if not any(word.encode() in one.body for word in asks)
    ]


def never_both(seen: list[Seen], *, order: tuple[str, ...]) -> None:
    """Requests came in turns, each operator's after the end of all writes of the one before."""
    turns: list[tuple[str, list[Seen]]] = []
    for one in sorted(seen, key=lambda one: one.at):
        assert one.who, one
        if not turns or turns[-1][0] != one.who:
            turns.append((one.who, []))
        turns[-1][1].append(one)
    assert tuple(who for who, _ in turns) == order
    for (_, before), (_, after) in pairwise(turns):
        assert max((one.ended for one in writes(before)), default=0.0) <= after[0].at


def test_every_object_is_worked_by_exactly_one(lab: Lab, crew: Crew) -> None:
    """Of each kind one for each shard, one whose connection does not exist, one label without an operator, one that no shard can have."""
    begin = hours_ago(3)
    prepare(lab.influx, "copied")
    with Gate(lab.org.url) as ours, Gate(lab.org.url) as theirs:
        crew.watch(ours), crew.watch(theirs)
        lab.task("nowhere", connectionRef={"name": "missing"})
        connect(lab, "ours", ours.url)
        connect(lab, "theirs", theirs.url, crew.shard)
        connect(lab, "unserved", theirs.url, "nobody")
        connect(lab, "odd", theirs.url, "Team_A")
        for name in ("ours", "theirs"):
            ref = {"connectionRef": {"name": name}}
            lab.task(name, **ref)
            lab.policy(name, name, "30d", **ref)
            lab.create(PIPELINE, name, pipeline(begin, "1h", stage("copied")) | ref)
            span = {"start": stamp(begin - timedelta(hours=2)), "stop": stamp(begin)}
            lab.create(BACKFILL, name, {"pipelineRef": {"name": name}, **span})
        lab.task("unserved", connectionRef={"name": "unserved"})
        for name in ("ours", "theirs"):
            for kind in (CONNECTION, TASK, POLICY, PIPELINE):
                lab.synced(kind, name)
            lab.until(BACKFILL, name, "is over", lambda item: item["status"].get("phase") == "Succeeded")
        lab.rests(TASK, "nowhere", "DependencyNotReady", "does not exist")
        lab.rests(CONNECTION, "odd", "InvalidSpec", "'Team_A'")
        assert [lab.status(CONNECTION, name)["shard"] for name in ("ours", "theirs")] == [DEFAULT, crew.shard]

        # whoever wants to see more: another change of each, which the other operator does not even look at
        visits = {one: one.metric("influxops_reconcile_total", kind=TASK) for one in (lab.operator, crew.other)}
        lab.patch(TASK, "theirs", description="changed")
        lab.in_influx("changed", lambda: lab.influx.task(lab.task_id("theirs")).get("description"))
        assert lab.operator.metric("influxops_reconcile_total", kind=TASK) == visits[lab.operator]
        assert crew.other.metric("influxops_reconcile_total", kind=TASK) > visits[crew.other]

        assert {one.who for one in ours.seen} == {DEFAULT}
        assert {one.who for one in theirs.seen} == {OTHER}, [one for one in theirs.seen if one.who != OTHER]
        for name, mine, others in (("ours", lab.operator, crew.other), ("theirs", crew.other, lab.operator)):
            assert mine.lines(namespace=lab.namespace, name=name)
            assert not others.lines(namespace=lab.namespace, name=name)
        assert not crew.other.lines(name="nowhere")
        assert lab.status(TASK, "unserved") == {"observedGeneration": -1}
        assert lab.status(CONNECTION, "unserved") == {"observedGeneration": -1}

        crew.label("unserved", None)
        crew.held("unserved", DEFAULT)
        lab.synced(TASK, "unserved")
        assert lab.clear() == []  # each takes its own finalizers off


def test_a_connection_moves_without_a_double_write(lab: Lab, crew: Crew) -> None:
    """There and back, each time in the middle of a create and of a window: both are ended first, and nothing is done twice."""
    begin = hours_ago(4)
    prepare(lab.influx, "copied")
    lab.influx.write("raw", *points(begin, 24, timedelta(minutes=10)))
    with Gate(lab.org.url) as gate:
        crew.watch(gate)
        connect(lab, "main", gate.url)
        lab.task("old")
        lab.policy("kept", "kept", "30d")
        first = lab.task_id("old")
        lab.synced(POLICY, "kept")
        gate.delay, gate.mode = 1.0, "slow"

        def slowly(body: bytes) -> bool:
            return b"slow-" in body and b'"query"' not in body

        gate.slows = lambda body: slowly(body) or (b"to(bucket" in body and b'"now"' in body)
        spec = pipeline(begin, "1h", stage("copied"), concurrency={"maxActiveWindows": 2})
        lab.create(PIPELINE, "p", spec)
        lab.synced(PIPELINE, "p")
        for name, shard in (("slow-1", crew.shard), ("slow-2", DEFAULT)):
            lab.task(name, name=name)
            _under_way(gate, crew, lambda one, name=name: slowly(one.body) and name.encode() in one.body)
            _under_way(gate, crew, lambda one: b"to(bucket" in one.body and b'"now"' in one.body)
            crew.label("main", None if shard == DEFAULT else shard)
            lab.until(
                CONNECTION, "main", f"goes to {shard}", lambda one, shard=shard: one["status"].get("shard") == shard
            )
            lab.synced(CONNECTION, "main")
            lab.task_id(name)
        eventually("all windows have run", lambda: states(lab.influx, "copied"), lambda all_: all_ == 4 * ["SUCCESS"])
        lab.sweeps(1)
        never_both(gate.seen, order=(DEFAULT, OTHER, DEFAULT))
        assert sorted(task["name"] for task in lab.influx.tasks()) == sorted(
            [f"{lab.namespace}/old", "slow-1", "slow-2"]
        )
        assert lab.task_id("old") == first
        assert {row["attempt"] for row in windows(lab.influx).values()} == {"1"}
        assert len([one for one in gate.seen if b"to(bucket" in one.body and b'"now"' in one.body]) == 4
        creates = [one for one in gate.seen if one.path == "/api/v2/tasks" and slowly(one.body)]
        assert [one.who for one in creates] == [DEFAULT, OTHER]


def _under_way(gate: Gate, crew: Crew, what: Callable[[Seen], bool]) -> None:
    eventually(
        "it is under way",
        lambda: [one for one in gate.seen if what(one) and one.ended > one.at + 1e6],
        story=crew.tail,
    )


def test_the_old_shard_is_killed_while_it_hands_a_connection_on(lab: Lab, crew: Crew) -> None:
    """In the middle of a write that it was to end first. Once its Lease has run out, the other one takes the connection itself."""
    with Gate(lab.org.url) as gate:
        crew.watch(gate)
        connect(lab, "main", gate.url, crew.shard)
        lab.task("old")
        first = lab.task_id("old")
        gate.delay, gate.mode = 1.5, "slow"
        gate.slows = lambda body: b"slow-1" in body and b'"query"' not in body
        lab.task("new", name="slow-1")
        _under_way(gate, crew, lambda one: gate.slows(one.body))
        crew.label("main", None)
        leaves = "a connection is wanted elsewhere: what is under way for it ends"
        eventually("it ends", lambda: crew.other.lines(msg=leaves), story=crew.tail)
        crew.other.kill()
        assert lab.status(CONNECTION, "main")["shard"] == crew.shard
        crew.held("main", DEFAULT)
        lab.task_id("new")
        assert lab.task_id("old") == first
        lab.sweeps(1)
        assert sorted(task["name"] for task in lab.influx.tasks()) == sorted([f"{lab.namespace}/old", "slow-1"])
        never_both([one for one in gate.seen if one.who], order=(OTHER, DEFAULT))
        assert lab.operator.lines(msg="a connection is taken from a shard that does not run", shard=crew.shard)
        assert not condition(lab.synced(CONNECTION, "main"), "Reconciling")


@pytest.mark.prove
@pytest.mark.parametrize("fault", CRASHES, ids=lambda fault: fault.name)
@pytest.mark.parametrize("what", ["take", "hand on"])
async def test_it_is_killed_at_the_write_that_decides(lab: Lab, tmp_path: Path, what: str, fault: Fault) -> None:
    """Before the API has the name, before the operator knows it, and after: the connection has one holder, and its task is there once."""
    shard, kube = f"s-{secrets.token_hex(3)}", lab.stack.kube
    started: list[OperatorProcess] = []
    history = History()

    def strike() -> None:
        started[-1].kill()

    async with FaultProxy(KUBE, kube.host, history, ca_pem=kube.ca, strike=strike) as proxy:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", proxy.url, kube.ca, kube.token)

        def start() -> None:
            started.append(OperatorProcess(kubeconfig, tmp_path / f"{len(started)}.log", "--shard", shard, *SHORT))

        word = f'"shard": "{shard if what == "take" else DEFAULT}"'.encode()
        rule = proxy.add(Rule(lambda one: one.path.endswith("/main/status") and word in one.body, fault))
        start()
        await asyncio.to_thread(connect, lab, "main", lab.org.url, shard)
        await asyncio.to_thread(lab.task, "cpu")
        if what == "hand on":
            task_id = await asyncio.to_thread(lab.task_id, "cpu")
            patch = {"metadata": {"labels": {LABEL: None}}}
            await asyncio.to_thread(lab.call, "PATCH", lab.path(CONNECTION, "main"), patch, MERGE)
        await asyncio.to_thread(eventually, "it is killed", started[0].process.poll, lambda code: code is not None)
        assert rule.struck
        holder = shard if what == "take" else DEFAULT
        if what == "take":
            start()
        wanted = lambda item: item["status"].get("shard") == holder  # noqa: E731
        await asyncio.to_thread(lab.until, CONNECTION, "main", f"is held by {holder}", wanted)
        if what == "hand on":
            start()  # it finds the connection another's
            await asyncio.to_thread(started[-1].leads)
        await asyncio.to_thread(lab.synced, CONNECTION, "main")
        found = await asyncio.to_thread(lab.task_id, "cpu")
        assert what == "take" or found == task_id
        assert len(lab.influx.tasks()) == 1
        assert (await asyncio.to_thread(started[-1].metric, "influxops_reconcile_total", kind=TASK) > 0) is (
            what == "take"
        )
        assert await asyncio.to_thread(lab.clear) == []
        for one in started:
            one.kill()
            assert "Traceback" not in one.text(), one.tail()
