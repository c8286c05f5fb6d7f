"""What people and machines see of the operator: conditions, events, columns, logs, probes and metrics."""

from __future__ import annotations

import pytest

from tests.support.expect import condition, eventually
from tests.support.lab import CONNECTION, POLICY, TASK, Lab

METRICS = (
    "influxops_build_info", "influxops_reconcile_total", "influxops_reconcile_duration_seconds_bucket",
    "influxops_actions_total", "influxops_resources", "influxops_queue_depth", "influxops_queue_oldest_due_seconds",
    "influxops_influx_requests_total", "influxops_influx_request_duration_seconds_bucket", "influxops_breaker_state",
    "influxops_sweep_duration_seconds_bucket", "influxops_sweep_requests",
    "influxops_sweep_last_success_timestamp_seconds", "influxops_tasks", "influxops_orphans",
    "influxops_kube_requests_total", "influxops_status_writes_total", "influxops_status_pending",
    "influxops_watch_last_activity_timestamp_seconds", "influxops_leader", "influxops_lease_transitions_total",
    "influxops_event_loop_lag_seconds", "influxops_asyncio_tasks", "process_resident_memory_bytes",
)  # fmt: skip


@pytest.fixture
def demo(lab: Lab) -> Lab:
    """One object of each kind, in sync."""
    lab.connect()
    lab.policy("kept", "kept", "30d")
    lab.task("cpu")
    lab.synced(POLICY, "kept")
    lab.synced(TASK, "cpu")
    return lab


@pytest.mark.parametrize(("kind", "name"), [(CONNECTION, "main"), (POLICY, "kept"), (TASK, "cpu")])
def test_a_reconcile_that_is_asked_for_is_answered(demo: Lab, kind: str, name: str) -> None:
    """The annotation's value stands in status once it has been done, and the spec's generation has not moved."""
    before = demo.synced(kind, name)["metadata"]["generation"]
    demo.annotate(kind, name, reconcile_requested_at="2026-11-21T12:00:00Z")
    item = demo.until(
        kind,
        name,
        "echoes the annotation",
        lambda one: one["status"].get("lastHandledReconcileAt") == "2026-11-21T12:00:00Z",
    )
    assert item["metadata"]["generation"] == before
    assert condition(item)["reason"] == "Synced"


def test_nothing_is_current_before_the_first_visit(lab: Lab) -> None:
    """kstatus reads observedGeneration -1 as InProgress."""
    made = lab.create(POLICY, "waits", {"connectionRef": {"name": "nowhere"}, "bucket": "x", "retention": "1d"})
    assert made["status"] == {"observedGeneration": -1}
    lab.rests(POLICY, "waits", "DependencyNotReady")


def test_conditions_are_those_of_kstatus(demo: Lab) -> None:
    """One condition a type, each of the present generation; negative ones only while they hold; times do not wander."""
    first = demo.synced(TASK, "cpu")
    demo.patch(TASK, "cpu", flux="nonsense(")
    bad = demo.rests(TASK, "cpu", "InvalidScript")
    demo.patch(TASK, "cpu", flux=first["spec"]["flux"])
    last = demo.synced(TASK, "cpu")
    assert [one["type"] for one in first["status"]["conditions"]] == ["Ready"]
    assert [one["type"] for one in bad["status"]["conditions"]] == ["Ready", "Stalled"]
    assert [one["type"] for one in last["status"]["conditions"]] == ["Ready"]
    for item in (first, bad, last):
        for one in item["status"]["conditions"]:
            assert one["observedGeneration"] == item["metadata"]["generation"]
    demo.patch(TASK, "cpu", description="another")
    again = demo.synced(TASK, "cpu")
    assert condition(again)["lastTransitionTime"] == condition(last)["lastTransitionTime"]


def test_a_sweep_that_finds_nothing_writes_nothing(demo: Lab) -> None:
    """No object's version moves while nothing happens, and InfluxDB gets no write."""
    name = f"{demo.namespace}/main"

    def versions() -> list[str]:
        return [item["metadata"]["resourceVersion"] for _, item in demo.objects()]

    def stored() -> list[object]:
        return [demo.influx.tasks(), demo.influx.bucket("kept")]

    demo.until(CONNECTION, "main", "counts", lambda one: one["status"]["tasks"]["managed"] == 1)
    before, kept = versions(), stored()
    demo.sweeps(4)
    assert versions() == before
    assert stored() == kept
    assert demo.operator.metric("influxops_sweep_requests", connection=name) <= 8


def test_events_name_what_was_done(demo: Lab) -> None:
    """They hang at the object, in the words of the conditions."""
    event = demo.event("cpu", "Creating", "Normal")
    item = demo.synced(TASK, "cpu")
    assert event["regarding"]["uid"] == item["metadata"]["uid"]
    assert event["regarding"]["kind"] == TASK
    assert event["reportingController"] == "influxops.dev/operator"
    assert item["status"]["taskID"] in event["note"]


def test_log_lines_are_json_with_kind_name_and_reason(demo: Lab) -> None:
    """One line an action; every line of the whole log is JSON with time, level and message."""
    found = demo.operator.lines(kind=TASK, namespace=demo.namespace, name="cpu")
    actions = [(line["action"], line["reason"]) for line in found]
    assert ("create", "Creating") in actions
    assert demo.operator.lines(kind=POLICY, namespace=demo.namespace, name="kept", reason="Creating")
    for line in demo.operator.lines():
        assert {"ts", "level", "msg"} <= line.keys()
    demo.patch(TASK, "cpu", flux="nonsense(")
    demo.rests(TASK, "cpu", "InvalidScript")
    stalled = eventually(
        "a line about it",
        lambda: demo.operator.lines(kind=TASK, namespace=demo.namespace, name="cpu", reason="InvalidScript"),
    )
    assert len(stalled) == 1
    assert "nonsense" not in stalled[0].get("flux", "")


def test_probes_and_metrics(demo: Lab) -> None:
    """Live and ready in words; each metric that the reference lists; a connection's series go with it."""
    for path in ("/healthz", "/readyz"):
        code, text = demo.operator.get(path)
        assert (code, text) == (200, "ok")
        code, text = demo.operator.get(f"{path}?verbose")
        assert code == 200
        assert "watch" in text
        assert "queue" in text
    demo.until(CONNECTION, "main", "counts", lambda one: one["status"]["tasks"]["managed"] == 1)
    demo.sweeps(1)
    page = lambda: demo.operator.get("/metrics")[1]  # noqa: E731
    missing = lambda: [name for name in METRICS if f"\n{name}" not in page()]  # noqa: E731
    eventually("every metric is told", missing, lambda names: not names)  # resources are counted now and then
    text = page()
    series = f'connection="{demo.namespace}/main"'
    assert series in text
    assert demo.operator.metric("influxops_tasks", connection=f"{demo.namespace}/main", state="managed") == 1
    for kind, name in ((TASK, "cpu"), (POLICY, "kept"), (CONNECTION, "main")):
        demo.delete(kind, name)
        demo.gone(kind, name)
    eventually("the series are gone", lambda: series in demo.operator.get("/metrics")[1], lambda there: not there)


def test_orphans_are_counted_and_left_alone(demo: Lab) -> None:
    """A task with our mark whose InfluxTask does not exist: nobody saw its deletion, so nobody deletes it."""
    flux = demo.influx.task(demo.task_id("cpu"))["flux"]
    orphan = demo.influx.new_task(flux.replace(f"/{demo.namespace}/cpu ", f"/{demo.namespace}/lost "))
    name = f"{demo.namespace}/main"
    eventually("one orphan", lambda: demo.operator.metric("influxops_orphans", connection=name), lambda n: n == 1)
    demo.sweeps()
    assert demo.influx.task(orphan["id"])["flux"] == orphan["flux"]


def test_kubectl_shows_it(demo: Lab) -> None:
    """The columns of each kind, and `kubectl get influx` for all of them."""
    namespace = demo.namespace
    text = demo.stack.kubectl("get", "influxtasks", "--namespace", namespace).stdout
    head, row = text.splitlines()
    assert head.split() == ["NAME", "CONNECTION", "SCHEDULE", "READY", "REASON", "LAST", "RUN", "RESULT", "AGE"]
    assert row.split()[:5] == ["cpu", "main", "1h", "True", "Synced"]
    whole = demo.stack.kubectl("get", "influx", "--namespace", namespace).stdout
    for name in (
        "influxconnection.influxops.dev/main",
        "retentionpolicy.influxops.dev/kept",
        "influxtask.influxops.dev/cpu",
    ):
        assert name in whole
    wide = demo.stack.kubectl("get", "influxtasks", "--namespace", namespace, "-o", "wide").stdout
    assert demo.task_id("cpu") in wide
