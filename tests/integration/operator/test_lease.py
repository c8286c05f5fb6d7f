"""Several operators and one Lease; ends, restarts and what they cost. Each test starts its own operators."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.support import stack as support
from tests.support.expect import condition, eventually
from tests.support.lab import POLICY, TASK, Lab
from tests.support.operator import OperatorProcess


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on which no operator runs but those that a test starts."""
    with Stack.start() as started:
        support.install_crds(started)
        yield started


class Yard:
    """Starts operators for one namespace, with a Lease of their own there."""

    def __init__(self, stack: Stack, namespace: str, directory: Path) -> None:
        self.namespace = namespace
        self._stack = stack
        self._directory = directory
        self.started: list[OperatorProcess] = []

    def start(self, *arguments: str) -> OperatorProcess:
        """Start one more; with the default times of the Lease unless told otherwise."""
        log = self._directory / f"operator-{len(self.started)}.log"
        scope = ("--namespaces", self.namespace, "--instance-id", "yard", "--lease-namespace", self.namespace)
        self.started.append(OperatorProcess(self._stack.kubeconfig, log, *scope, *arguments))
        return self.started[-1]

    def leaders(self) -> list[OperatorProcess]:
        """Those that lead now."""
        return [one for one in self.started if one.process.poll() is None and one.metric("influxops_leader") == 1]


@pytest.fixture
def yard(bare: Stack, tmp_path: Path) -> Iterator[Yard]:
    """Operators that are gone afterwards."""
    with support.fresh_namespace(bare) as namespace:
        made = Yard(bare, namespace, tmp_path)
        yield made
        for operator in made.started:
            operator.kill()
            text = operator.text()
            assert "Traceback" not in text, operator.tail()


@pytest.fixture
def own(bare: Stack, yard: Yard) -> Iterator[Lab]:
    """The lab of an operator that the test has started, which must be ``yard.started[-1]`` by then."""
    with support.fresh_org(bare) as org:
        first = yard.start()
        first.leads()
        lab = Lab(bare, first, yard.namespace, org)
        yield lab
        lab.clear(seconds=5)
        lab.close()


def test_the_second_takes_over_after_kill_9(own: Lab, yard: Yard) -> None:
    """It stands by without working, leads within 20 s, and there is never a second task."""
    own.connect()
    own.task("cpu")
    task_id = own.task_id("cpu")
    first, second = own.operator, yard.start()
    eventually("stands by", lambda: second.get("/readyz")[0], lambda code: code == 200, story=second.tail)
    assert yard.leaders() == [first]
    first.kill()
    begun = time.monotonic()
    second.leads(20)
    assert time.monotonic() - begun < 20
    own.operator = second
    own.patch(TASK, "cpu", description="changed")
    assert own.task_id("cpu") == task_id
    assert own.influx.task(task_id)["description"] == "changed"
    assert len(own.influx.tasks()) == 1


def test_the_second_takes_over_at_once_after_sigterm(own: Lab, yard: Yard) -> None:
    """Whoever leaves gives the Lease back: within a few seconds, not after its duration."""
    second = yard.start()
    eventually("stands by", lambda: second.get("/readyz")[0], lambda code: code == 200, story=second.tail)
    begun = time.monotonic()
    assert own.operator.stop() == 0
    second.leads(12)
    assert time.monotonic() - begun < 12
    own.operator = second
    own.connect()


def test_standing_by_writes_nothing(own: Lab, yard: Yard) -> None:
    """All actions are the leader's."""
    second = yard.start()
    eventually("stands by", lambda: second.get("/readyz")[0], lambda code: code == 200, story=second.tail)
    own.connect()
    own.task("cpu")
    own.synced(TASK, "cpu")
    own.sweeps()
    assert second.metric("influxops_influx_requests_total") == 0
    assert second.metric("influxops_status_writes_total") == 0
    assert second.metric("influxops_leader") == 0
    assert not second.lines(kind=TASK)


def test_a_restart_in_sync_writes_nothing(own: Lab, yard: Yard) -> None:
    """Neither to InfluxDB nor to a status; then it works on."""
    own.influx.new_bucket("down")
    own.connect()
    own.policy("kept", "kept", "30d")
    for number in range(5):
        own.task(f"t{number}")
    own.configmap("templates", flux='from(bucket: "raw") |> range(start: -1h)\n')
    own.task("template", None, template={"configMapKeyRef": {"name": "templates", "key": "flux"}})
    own.synced(POLICY, "kept")
    ids = {name: own.task_id(name) for name in (*(f"t{number}" for number in range(5)), "template")}
    own.sweeps()
    objects = [item["metadata"]["resourceVersion"] for _, item in own.objects()]
    stored = [own.influx.task(task_id) for task_id in ids.values()]
    assert own.operator.stop() == 0
    own.operator = yard.start()
    own.operator.leads()
    own.sweeps(3)
    assert [item["metadata"]["resourceVersion"] for _, item in own.objects()] == objects
    assert [own.influx.task(task_id) for task_id in ids.values()] == stored
    assert own.operator.metric("influxops_actions_total") == 0
    own.patch(TASK, "t0", description="changed")
    assert own.task_id("t0") == ids["t0"]


def test_what_happened_while_nobody_was_there(own: Lab, yard: Yard) -> None:
    """Created, changed, deleted and drifted between a kill and the next start."""
    short = ("--lease-duration", "3", "--lease-renew-deadline", "2", "--lease-retry-period", "0.5")
    own.connect()
    for name in ("changed", "deleted", "drifted"):
        own.task(name)
    ids = {name: own.task_id(name) for name in ("changed", "deleted", "drifted")}
    script = own.influx.task(ids["drifted"])["flux"]
    assert own.operator.stop() == 0
    own.patch(TASK, "changed", description="new")
    own.delete(TASK, "deleted")
    own.task("created")
    own.influx.edit_task(ids["drifted"], status="inactive")
    own.operator = yard.start(*short)
    own.operator.leads()
    created = own.task_id("created")
    own.gone(TASK, "deleted")
    assert own.task_id("changed") == ids["changed"]
    own.in_influx("mended", lambda: own.influx.task(ids["drifted"])["status"], lambda status: status == "active")
    assert own.influx.task(ids["drifted"])["flux"] == script
    assert {task["id"] for task in own.influx.tasks()} == {created, ids["changed"], ids["drifted"]}


def test_other_namespaces_are_left_alone(own: Lab, bare: Stack) -> None:
    """--namespaces: what lies elsewhere is never visited."""
    with support.fresh_namespace(bare) as elsewhere:
        own.create(TASK, "cpu", {"connectionRef": {"name": "main"}, "every": "1h", "flux": "x = 1"}, elsewhere)
        own.connect()
        own.task("cpu")
        own.synced(TASK, "cpu")
        own.sweeps()
        assert own.status(TASK, "cpu", elsewhere) == {"observedGeneration": -1}
        own.call("DELETE", own.path(TASK, "cpu", elsewhere))


def test_the_api_server_goes_and_comes(own: Lab, bare: Stack) -> None:
    """A pause of a few seconds: the operator lives on, and what was changed in InfluxDB meanwhile is mended."""
    own.connect()
    own.task("cpu")
    task_id = own.task_id("cpu")
    bare.apiserver.pause()
    try:
        own.influx.edit_task(task_id, status="inactive")
        end = time.monotonic() + 3  # the length of the outage, not a wait for anything
        eventually("the outage is over", time.monotonic, end.__lt__)
        assert own.operator.process.poll() is None, own.operator.tail()
    finally:
        bare.apiserver.resume()
    own.in_influx("mended", lambda: own.influx.task(task_id)["status"], lambda status: status == "active")
    own.task("after")
    own.synced(TASK, "after")


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_what_can_never_be_cleaned_up_is_let_go_after_five_minutes(own: Lab, yard: Yard) -> None:
    """The Secret is gone and the operator forgot the token: the deletion waits for five minutes, says so, and ends."""
    own.connect()
    own.task("cpu")
    task_id = own.task_id("cpu")
    own.delete("secrets", "influx-token")
    assert own.operator.stop() == 0
    own.operator = yard.start()
    own.operator.leads()
    own.delete(TASK, "cpu")
    begun = time.monotonic()
    own.until(TASK, "cpu", "says what it waits for", lambda item: "Orphan" in condition(item)["message"])
    own.gone(TASK, "cpu", seconds=360)
    assert time.monotonic() - begun > 280
    assert own.event("cpu", "OrphanedTask")
    assert own.influx.task(task_id)["status"] == "active"
