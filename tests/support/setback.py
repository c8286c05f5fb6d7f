"""An etcd that is set back to an older snapshot, as after a disaster: the cluster travels in time, InfluxDB does not."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from devstack.stack import Stack

SECONDS = 30.0
"""In which custom resources are served again."""


def take(stack: Stack, place: Path) -> Path:
    """A snapshot of etcd: its data at rest. The API server lives on, and finds etcd again."""
    stack.etcd.stop()
    shutil.copytree(_data(stack), place)
    stack.etcd.start()
    _wait(stack)
    return place


def restore(stack: Stack, snapshot: Path) -> None:
    """Put a snapshot in place of etcd's data; then the API server is started again, as the manual of etcd says."""
    stack.apiserver.stop()
    stack.etcd.stop()
    shutil.rmtree(_data(stack))
    shutil.copytree(snapshot, _data(stack))
    stack.etcd.start()
    stack.apiserver.start()
    _wait(stack)


def _wait(stack: Stack) -> None:
    """Ready is what the API server calls itself a little before it serves custom resources again."""
    stack.apiserver.wait_ready()
    limit = time.monotonic() + SECONDS
    endpoint = stack.kube.endpoint()
    for kind in ("influxtasks", "retentionpolicies", "influxconnections", "influxpipelines", "influxbackfills"):
        while endpoint.status(f"/apis/influxops.dev/v1alpha1/{kind}") != 200:
            assert time.monotonic() < limit, f"{kind} are not served {SECONDS:g} s after a restart"
            time.sleep(0.05)


def _data(stack: Stack) -> Path:
    return stack.directory / "etcd"
