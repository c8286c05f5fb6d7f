"""Scripts made from Jinja2 templates, inline and from ConfigMaps."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise

from tests.support.expect import condition, eventually
from tests.support.lab import TASK, Lab

TEMPLATE = """\
from(bucket: {{ values.source | flux_string }})
    |> range(start: -{{ values.back | flux_duration }})
    |> filter(fn: (r) => r._measurement == {{ values.measurement | flux_string }})
    |> limit(n: {{ values.n }})
"""
VALUES = {"source": "raw", "back": "15m", "measurement": 'c"pu', "n": 3}


def test_an_inline_template(lab: Lab) -> None:
    """Each value stands in the script as the literal that its filter makes of it; a changed value changes the task."""
    lab.connect()
    lab.task("cpu", None, template={"inline": TEMPLATE, "values": VALUES})
    task_id = lab.task_id("cpu")
    flux = lab.influx.task(task_id)["flux"]
    assert 'from(bucket: "raw")' in flux
    assert "range(start: -15m)" in flux
    assert 'r._measurement == "c\\"pu"' in flux
    assert "limit(n: 3)" in flux
    lab.patch(TASK, "cpu", template={"values": {"n": 4}})
    assert lab.task_id("cpu") == task_id
    assert "limit(n: 4)" in lab.influx.task(task_id)["flux"]


def test_a_template_from_a_configmap_and_its_change(lab: Lab) -> None:
    """Picked up without a change of the InfluxTask; a change that breaks it stalls it and leaves the task running."""
    lab.connect()
    lab.configmap("templates", **{"rollup.flux": TEMPLATE})
    reference = {"configMapKeyRef": {"name": "templates", "key": "rollup.flux"}, "values": VALUES}
    lab.task("cpu", None, template=reference)
    task_id = lab.task_id("cpu")
    generation = lab.synced(TASK, "cpu")["metadata"]["generation"]
    lab.configmap("templates", **{"rollup.flux": TEMPLATE.replace("limit(", "tail(")})
    lab.in_influx("the new text", lambda: lab.influx.task(task_id)["flux"], lambda flux: "tail(n: 3)" in flux)
    assert lab.synced(TASK, "cpu")["metadata"]["generation"] == generation
    lab.configmap("templates", **{"rollup.flux": TEMPLATE.replace("values.n", "values.nothing")})
    lab.rests(TASK, "cpu", "InvalidScript", "ConfigMap templates, key rollup.flux", "nothing")
    assert "tail(n: 3)" in lab.influx.task(task_id)["flux"]
    lab.configmap("templates", **{"rollup.flux": TEMPLATE})
    lab.synced(TASK, "cpu")
    assert "limit(n: 3)" in lab.influx.task(task_id)["flux"]


def test_a_missing_configmap_heals(lab: Lab) -> None:
    """First the ConfigMap is missing, then its key; each is named, and each heals within 10 s of appearing."""
    lab.connect()
    reference = {"configMapKeyRef": {"name": "templates", "key": "rollup.flux"}, "values": VALUES}
    lab.task("cpu", None, template=reference)
    item = lab.rests(TASK, "cpu", "DependencyNotReady", f"ConfigMap {lab.namespace}/templates", "does not exist")
    assert condition(item, "Reconciling")
    lab.configmap("templates", **{"other.flux": TEMPLATE})
    lab.rests(TASK, "cpu", "DependencyNotReady", "key 'rollup.flux'", seconds=10)
    lab.configmap("templates", **{"rollup.flux": TEMPLATE})
    lab.synced(TASK, "cpu", seconds=10)


def test_a_missing_configmap_is_asked_for_once_by_all(lab: Lab) -> None:
    """Twenty tasks wait for the same one, and the API server is asked no more often than for one of them."""
    lab.connect()
    for number in range(20):
        reference = {"configMapKeyRef": {"name": "templates", "key": "rollup.flux"}, "values": VALUES}
        lab.task(f"t{number}", None, template=reference)
    for number in range(20):
        lab.rests(TASK, f"t{number}", "DependencyNotReady", f"ConfigMap {lab.namespace}/templates")
    assert lab.stack.audit_log is not None

    def asked() -> list[str]:
        """When the ConfigMap was asked for."""
        lines = lab.stack.audit_log.read_text(encoding="utf-8").splitlines(keepends=True) if lab.stack.audit_log else []
        found = [json.loads(line) for line in lines if line.endswith("\n") and lab.namespace in line]
        path = f"/api/v1/namespaces/{lab.namespace}/configmaps/templates"
        return [
            one["requestReceivedTimestamp"]
            for one in found
            if one["requestURI"] == path and one["verb"] == "get" and one["stage"] == "ResponseComplete"
        ]

    seen_by_all = len(asked())
    times = eventually("three more looks", asked, lambda seen: len(seen) >= seen_by_all + 3)
    moments = [datetime.fromisoformat(text) for text in times]
    soon = [one for one, (earlier, later) in enumerate(pairwise(moments)) if (later - earlier).total_seconds() <= 3.5]
    assert len(soon) <= 2, times  # not one for each task
    assert all(one < seen_by_all for one in soon), times
    lab.configmap("templates", **{"rollup.flux": TEMPLATE})
    for number in range(20):
        lab.synced(TASK, f"t{number}", seconds=10)


def test_a_configmap_that_goes_leaves_the_task_running(lab: Lab) -> None:
    """The resource waits and says for what."""
    lab.connect()
    lab.configmap("templates", **{"rollup.flux": TEMPLATE})
    reference = {"configMapKeyRef": {"name": "templates", "key": "rollup.flux"}, "values": VALUES}
    lab.task("cpu", None, template=reference)
    task_id = lab.task_id("cpu")
    lab.delete("configmaps", "templates")
    lab.rests(TASK, "cpu", "DependencyNotReady", "templates")
    assert lab.influx.task(task_id)["status"] == "active"


def test_a_template_of_the_library(lab: Lab) -> None:
    """It becomes a checked script with the window of the task; a wrong value stalls the object and names what to write."""
    lab.connect()
    values = {"bucket": "raw", "measurement": "env", "fields": ["temp"], "every": "5m", "toBucket": "raw"}
    values["toMeasurement"] = "env_5m"
    lab.task("rollup", None, template={"library": "downsample", "values": values})
    task_id = lab.task_id("rollup")
    flux = lab.influx.task(task_id)["flux"]
    assert "aggregateWindow(every: 5m, fn: mean, createEmpty: false" in flux
    assert "option v = {timeRangeStart:" in flux
    lab.patch(TASK, "rollup", template={"values": {"every": "5 minutes"}})
    lab.rests(
        TASK, "rollup", "InvalidSpec", "spec.template.values.every", '"5 minutes" is not a window length', "write"
    )
    assert lab.influx.task(task_id)["flux"] == flux
    lab.patch(TASK, "rollup", template={"values": {"every": "15m"}})
    lab.synced(TASK, "rollup")
    assert "aggregateWindow(every: 15m, fn: mean" in lab.influx.task(task_id)["flux"]
