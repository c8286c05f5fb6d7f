"""`kubectl wait` after a change of the spec: it never returns because of what an older spec was."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from tests.support.expect import condition
from tests.support.gate import Gate
from tests.support.lab import CONNECTION, HOURLY, POLICY, TASK, Lab

BROKEN = 'from(bucket: "raw") |> range(start: -1h) |> nonsense()'
READY = "--for=condition=Ready"


def wait(lab: Lab, what: str, *arguments: str) -> int:
    """`kubectl wait`; its exit status."""
    done = lab.stack.kubectl("-n", lab.namespace, "wait", what, *arguments, check=False)
    assert done.returncode == 0 or "timed out" in done.stderr, done.stderr
    return done.returncode


@pytest.mark.parametrize(
    ("kind", "change"), [(TASK, {"flux": BROKEN}), (POLICY, {"retention": "2h"}), (CONNECTION, {"org": "nowhere"})]
)
def test_an_old_true_is_not_taken_for_the_new_spec(lab: Lab, kind: str, change: dict[str, str]) -> None:
    """The operator sleeps, so Ready is True all the time, for the spec before: kubectl waits, and goes on waiting."""
    lab.connect()
    lab.task("main")
    lab.policy("main", "kept", "30d", create=True)
    for each in (TASK, POLICY):
        lab.synced(each, "main")
    what = f"{kind.lower()}/main"
    assert wait(lab, what, READY, "--timeout=10s") == 0
    lab.operator.process.send_signal(signal.SIGSTOP)
    try:
        lab.patch(kind, "main", **change)
        stale = lab.get(kind, "main") or {}
        assert condition(stale)["status"] == "True"
        assert wait(lab, what, READY, "--timeout=1s") != 0
    finally:
        lab.operator.process.send_signal(signal.SIGCONT)
    assert wait(lab, what, "--for=condition=Ready=False", "--timeout=20s") == 0
    now = lab.get(kind, "main") or {}
    assert now["status"]["observedGeneration"] == now["metadata"]["generation"] == 2
    if kind == CONNECTION:  # or nothing could be deleted
        lab.patch(kind, "main", org=lab.org.org)
        lab.synced(kind, "main")


def test_race(lab: Lab) -> None:
    """The same with the operator awake, again and again: broken, then right, and kubectl asked at once after each."""
    lab.connect()
    lab.task("cpu")
    lab.synced(TASK, "cpu")
    for turn in range(4):
        lab.patch(TASK, "cpu", flux=f"{BROKEN}\n// {turn}")
        assert wait(lab, "influxtask/cpu", READY, "--timeout=1s") != 0
        lab.patch(TASK, "cpu", flux=f"{HOURLY}\n// {turn}")
        assert wait(lab, "influxtask/cpu", READY, "--timeout=20s") == 0
        stored = lab.influx.task(lab.status(TASK, "cpu")["taskID"])["flux"]
        assert stored.endswith(f"// {turn}")


def test_a_run_does_not_vouch_for_a_spec_that_has_not_been_looked_at(lab: Lab) -> None:
    """While the check of a new script takes its time, a run of the old one ends, and the status tells of it: of no more."""
    reads = 'from(bucket: "raw") |> range(start: -1h) |> map(fn: (r) => ({r with _value: float(v: r._value)}))\n'
    with Gate(lab.org.url) as gate:
        lab.connect(url=gate.url)
        lab.task("cpu", reads, every="1s")
        lab.until(TASK, "cpu", "has run", lambda one: one["status"].get("lastRun"))
        checked = threading.Event()
        gate.slows = lambda body: b"influxops-check" in body and checked.wait(60)
        gate.delay, gate.mode = 0.0, "slow"
        lab.patch(TASK, "cpu", flux=BROKEN)
        lab.influx.write("raw", f'cpu usage="12,5" {int(time.time())}')
        item = lab.until(TASK, "cpu", "has failed", lambda one: condition(one, "Failing"))
        assert item["status"]["observedGeneration"] == 1
        assert {one["observedGeneration"] for one in item["status"]["conditions"]} == {1}
        assert wait(lab, "influxtask/cpu", READY, "--timeout=1s") != 0
        checked.set()
        lab.rests(TASK, "cpu", "InvalidScript")


def test_what_the_handbook_says(lab: Lab) -> None:
    """The commands of docs/how-to/wait.md."""
    lab.connection()
    lab.task("cpu", every="1s")
    lab.policy("raw", "raw", "30d", dataLossApproval="30d")
    assert wait(lab, "influxconnections,retentionpolicies,influxtasks", READY, "--all", "--timeout=20s") == 0
    assert all(condition(item)["status"] == "True" for _, item in lab.objects())
    first_run = "--for=jsonpath={.status.lastRun.state}=success"
    assert wait(lab, "influxtask/cpu", first_run, "--timeout=20s") == 0
    lab.patch(TASK, "cpu", flux=BROKEN)
    generation = lab.stack.kubectl(
        "-n", lab.namespace, "get", "influxtask", "cpu", "-o", "jsonpath={.metadata.generation}"
    ).stdout
    seen = f"--for=jsonpath={{.status.observedGeneration}}={generation}"
    assert wait(lab, "influxtask/cpu", seen, "--timeout=20s") == 0
    assert condition(lab.get(TASK, "cpu") or {}, "Stalled")["reason"] == "InvalidScript"
    lab.stack.kubectl("-n", lab.namespace, "delete", "influxtask", "cpu", "--wait=false")
    lab.stack.kubectl("-n", lab.namespace, "wait", "influxtask/cpu", "--for=delete", "--timeout=20s")
    assert lab.influx.tasks() == []
