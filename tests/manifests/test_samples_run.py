"""The operator as a process, with the rights of manifests/install and no others, brings the samples to life on a real InfluxDB."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.stack import Stack
from tests.manifests.support import MANIFESTS, ROOT

NAMESPACE = "influxops-demo"
DEADLINE = 150.0


@pytest.fixture
def operator(cluster: Stack, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`influxops operator` as the ServiceAccount of the Deployment; its log is JSON."""
    kubeconfig = cluster.service_account_kubeconfig("influxops-system", "influxops")
    log = tmp_path / "operator.log"
    command = [sys.executable, "-m", "influxops", "operator", "--log-format", "json", "--probe-address", "127.0.0.1:0"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INFLUXOPS_")}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--kubeconfig", str(kubeconfig), "--lease-namespace", "influxops-system"],
            env=clean | {"PYTHONPATH": str(ROOT / "operator")},
            stderr=stream,
            stdout=stream,
        )
        yield process, log
        process.kill()
        process.wait()


def _samples(stack: Stack) -> str:
    text = stack.kubectl("kustomize", str(MANIFESTS / "samples")).stdout
    return text.replace("http://influxdb.influxdb.svc.cluster.local:8086", stack.influx.url)


def _write(stack: Stack) -> None:
    """Ten minutes of CPU usage of two hosts."""
    now = time.time_ns()
    lines = [f"cpu,host=h{host} usage={k % 7}.5 {now - k * 5_000_000_000}" for k in range(1, 120) for host in (1, 2)]
    request = urllib.request.Request(
        f"{stack.influx.url}/api/v2/write?org={stack.influx.org}&bucket=raw",
        data="\n".join(lines).encode(),
        headers={"Authorization": f"Token {stack.influx.token}"},
    )
    urllib.request.urlopen(request).close()


def _objects(stack: Stack) -> dict[str, dict[str, Any]]:
    kinds = "influxconnections,retentionpolicies,influxtasks"
    items = json.loads(stack.kubectl("-n", NAMESPACE, "get", kinds, "-o", "json").stdout)["items"]
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in items}


def _ready(item: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in item.get("status", {}).get("conditions", []))


def _state(item: dict[str, Any]) -> str | None:
    state: str | None = item.get("status", {}).get("lastRun", {}).get("state")
    return state


EXPECTED = {
    "InfluxTask/cpu-downsample": "success",
    "InfluxTask/cpu-peak": "success",
    "InfluxTask/meter-broken": "failed",
}


def test_the_samples_run_with_the_rights_of_the_installation(
    cluster: Stack, operator: tuple[subprocess.Popen[bytes], Path]
) -> None:
    """All Ready, two succeed, one fails on purpose; no request of the operator is forbidden, and it leaves cleanly."""
    process, log = operator
    influx = cluster.influx
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "influx-token", "namespace": NAMESPACE},
        "stringData": {"token": influx.token},
    }
    _write(cluster)
    cluster.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump(secret))
    cluster.kubectl("apply", "--server-side", "-f", "-", input=_samples(cluster))

    end = time.monotonic() + DEADLINE
    objects = _objects(cluster)
    while not all(map(_ready, objects.values())) or any(
        _state(objects[name]) != want for name, want in EXPECTED.items()
    ):
        assert process.poll() is None, log.read_text()[-4000:]
        assert time.monotonic() < end, json.dumps({n: o.get("status") for n, o in objects.items()}, indent=1)
        time.sleep(1)
        objects = _objects(cluster)

    assert len(objects) == 11
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 0, log.read_text()[-4000:]
    text = log.read_text()
    assert influx.token not in text
    assert "forbidden" not in text.lower()
    for line in text.splitlines():
        json.loads(line)
