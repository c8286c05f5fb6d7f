"""An InfluxDB that is down, slow or not an InfluxDB: its connection says so, and nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devstack.influx import Influxd, InfluxOrg
from devstack.stack import Stack
from tests.support.expect import condition, eventually
from tests.support.gate import Gate
from tests.support.lab import CONNECTION, HOURLY, POLICY, TASK, Influx, Lab


@pytest.fixture
def spare(stack: Stack) -> Iterator[Influxd]:
    """An influxd of its own, to be killed."""
    made = stack.new_influx()
    yield made
    made.kill()


def connect_spare(lab: Lab, spare: Influxd, name: str = "shaky", **spec: str) -> None:
    """A connection to the spare InfluxDB beside the good one."""
    lab.secret("spare-token", token=spare.token)
    whole = {
        "url": spare.url,
        "allowInsecure": True,
        "org": spare.org,
        "tokenSecretRef": {"name": "spare-token", "key": "token"},
        "syncInterval": "1s",
        "timeout": "2s",
        **spec,
    }
    lab.create(CONNECTION, name, whole)


def test_a_dead_influxdb_disturbs_nobody_else(lab: Lab, spare: Influxd) -> None:
    """Its connection is ConnectionNotReady with an open breaker; another's tasks go on; a restart brings it back."""
    lab.connect()
    connect_spare(lab, spare)
    lab.synced(CONNECTION, "shaky")
    shaky = {"connectionRef": {"name": "shaky"}}
    lab.task("settled", **shaky)
    settled = lab.synced(TASK, "settled")
    spare.kill()
    item = lab.until(CONNECTION, "shaky", "is not ready", lambda one: condition(one)["reason"] == "ConnectionNotReady")
    assert condition(item)["status"] == "Unknown"
    lab.until(CONNECTION, "shaky", "breaker", lambda one: one["status"]["breaker"] == "Open")
    lab.task("new", **shaky)
    lab.rests(TASK, "new", "ConnectionNotReady", "shaky")
    # Nothing is known to be wrong with what was right: one word at the connection is enough.
    assert (lab.get(TASK, "settled") or {})["status"]["conditions"] == settled["status"]["conditions"]

    lab.task("other")
    lab.synced(TASK, "other", seconds=10)
    lab.patch(TASK, "other", description="changed")
    lab.synced(TASK, "other", seconds=10)
    assert lab.operator.get("/readyz")[0] == 200

    spare.start()
    lab.synced(CONNECTION, "shaky", seconds=60)
    lab.synced(TASK, "new")
    assert lab.synced(TASK, "settled")["status"]["taskID"] == settled["status"]["taskID"]
    assert lab.status(CONNECTION, "shaky")["breaker"] == "Closed"
    lab.clear()


def test_a_task_of_a_dead_influxdb_can_be_let_go(lab: Lab, spare: Influxd) -> None:
    """Its deletion waits and says the way out: spec.deletion Orphan."""
    connect_spare(lab, spare)
    lab.task("cpu", connectionRef={"name": "shaky"})
    lab.synced(TASK, "cpu")
    lab.policy("kept", "kept", "30d", connectionRef={"name": "shaky"}, deletion="Delete")
    lab.synced(POLICY, "kept")
    spare.kill()
    lab.delete(TASK, "cpu")
    lab.delete(POLICY, "kept")
    for kind, name in ((TASK, "cpu"), (POLICY, "kept")):
        lab.until(
            kind,
            name,
            "says the way out",
            lambda one: condition(one)["reason"] == "ConnectionNotReady" and "Orphan" in condition(one)["message"],
        )
        lab.patch(kind, name, deletion="Orphan")
        lab.gone(kind, name)


@pytest.fixture
def gate(influx_org: InfluxOrg) -> Iterator[Gate]:
    """A gate before the organization's InfluxDB."""
    with Gate(influx_org.url) as made:
        yield made


@pytest.mark.parametrize(
    ("mode", "words"),
    [("html", ("InfluxDB",)), ("cut", ("InfluxDB",)), ("slow", ("answer",)), ("broken", ("500",))],
    ids=["answers HTML", "cuts its JSON", "is slow", "fails"],
)
def test_an_influxdb_that(lab: Lab, gate: Gate, mode: str, words: tuple[str, ...]) -> None:
    """ConnectionNotReady in the words of the trouble, without quoting pages; its tasks stay as they are; it recovers."""
    lab.connect(url=gate.url, timeout="1s")
    lab.task("cpu")
    task_id = lab.task_id("cpu")
    gate.mode = mode
    item = lab.rests(CONNECTION, "main", "ConnectionNotReady", *words)
    assert "<html" not in condition(item)["message"]
    assert len(condition(item)["message"]) < 500
    count = len(gate.seen)
    lab.sweeps(2)
    assert len(gate.seen) - count < 30, gate.seen[count:]
    gate.mode = "pass"
    lab.synced(CONNECTION, "main", seconds=60)
    assert lab.task_id("cpu") == task_id
    assert len(lab.influx.tasks()) == 1


def test_a_page_where_influxdb_should_be(lab: Lab, gate: Gate) -> None:
    """From the first moment: nothing is known, nothing is written, and the objects say for what they wait."""
    gate.mode = "html"
    lab.connection(url=gate.url)
    lab.task("cpu")
    lab.rests(CONNECTION, "main", "ConnectionNotReady")
    lab.rests(TASK, "cpu", "ConnectionNotReady", "main")
    gate.mode = "pass"
    lab.task_id("cpu")
    assert len(lab.influx.tasks()) == 1


def test_what_was_changed_during_an_outage(lab: Lab, gate: Gate) -> None:
    """New spec, drift and deletion meet when the database is back, and the spec wins."""
    lab.connect(url=gate.url, timeout="1s")
    lab.task("edited")
    lab.task("drifted")
    lab.task("deleted")
    ids = {name: lab.task_id(name) for name in ("edited", "drifted", "deleted")}
    script = lab.influx.task(ids["drifted"])["flux"]
    gate.mode = "broken"
    lab.rests(CONNECTION, "main", "ConnectionNotReady")
    lab.patch(TASK, "edited", description="new")
    lab.delete(TASK, "deleted")
    lab.influx.edit_task(ids["drifted"], flux=script.partition("\n")[2] + "\n// by hand\n")
    lab.rests(TASK, "edited", "ConnectionNotReady")
    gate.mode = "pass"
    lab.synced(CONNECTION, "main", seconds=60)
    lab.synced(TASK, "edited")
    lab.gone(TASK, "deleted")
    lab.in_influx("mended", lambda: lab.influx.task(ids["drifted"])["flux"], lambda flux: flux == script)
    assert {task["id"] for task in lab.influx.tasks()} == {ids["edited"], ids["drifted"]}
    assert lab.influx.task(ids["edited"])["description"] == "new"


def test_many_tasks_of_a_dead_influxdb_cost_nothing(lab: Lab, gate: Gate) -> None:
    """Thirty objects are parked on the breaker: only trials are sent."""
    gate.mode = "broken"
    lab.connection(url=gate.url, timeout="1s")
    for number in range(30):
        lab.task(f"t{number}", f"{HOURLY}// {number}\n")
    lab.until(CONNECTION, "main", "breaker", lambda one: one["status"].get("breaker") == "Open")
    count = len(gate.seen)
    lab.sweeps(2)
    assert len(gate.seen) - count <= 8, gate.seen[count:]
    gate.mode = "pass"
    good = Influx(lab.org)
    eventually("all tasks", good.tasks, lambda tasks: len(tasks) == 30, seconds=60, story=lab.operator.tail)
