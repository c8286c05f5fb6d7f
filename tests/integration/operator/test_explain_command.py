"""``kubectl influx explain`` of objects of a cluster, with the access of whoever types it."""

from __future__ import annotations

import json

from tests.support.command import PLUGIN
from tests.support.lab import Lab, fresh
from tests.support.reader import reader_kubeconfig
from tests.support.runcommands import good, influxops

FLUX = (
    'from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop) '
    '|> filter(fn: (r) => r._measurement == "m") |> aggregateWindow(every: 5m, fn: mean, timeSrc: "_start") '
    '|> map(fn: (r) => ({r with _measurement: "m5"})) |> to(bucket: "raw")'
)


def test_the_script_is_the_stored_one(crowd: Lab) -> None:
    """But for the mark; its window is that of the slot; and its read is pushed down."""
    name = fresh()
    crowd.task(name, FLUX, every="1h")
    stored = crowd.influx.task(crowd.task_id(name))["flux"]
    (found,) = json.loads(
        good(influxops(crowd, "explain", name, "--at", "2026-03-10T09:30:00Z", "-o", "json", program=PLUGIN))
    )
    assert stored.partition("\n")[2] == found["script"]
    assert found["window"] == {"start": "2026-03-10T08:00:00Z", "stop": "2026-03-10T09:00:00Z"}
    assert found["rows"] == 0
    assert [source["pushedDown"] for source in found["sources"]] == [True]
    assert found["reads"] == found["writes"] == ["raw"]


def test_a_template_from_a_configmap(crowd: Lab) -> None:
    """It is taken from the cluster; when it is not there that is said."""
    name = fresh()
    crowd.configmap(name, flux=FLUX.replace("5m", "{{ values.step | flux_duration }}", 1))
    template = {"configMapKeyRef": {"name": name, "key": "flux"}, "values": {"step": "10m"}}
    crowd.task(name, None, every="1h", template=template)
    crowd.task_id(name)
    assert "aggregateWindow(every: 10m" in good(influxops(crowd, "explain", name))
    crowd.delete("configmaps", name)
    missing = influxops(crowd, "explain", name)
    assert missing.returncode == 2
    assert f"ConfigMap {crowd.namespace}/{name}" in missing.stderr


def test_who_may_not_read_the_secret_is_told_so(crowd: Lab) -> None:
    """One sentence, no traceback."""
    name = fresh()
    crowd.task(name, FLUX, every="1h")
    crowd.task_id(name)
    kubeconfig = reader_kubeconfig(crowd.stack, crowd.namespace)
    refused = influxops(crowd, "explain", name, kubeconfig=kubeconfig)
    assert refused.returncode == 2
    assert "secrets" in refused.stderr
