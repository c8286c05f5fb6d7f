"""An InfluxPipeline on real servers with a ledger that the test writes: for commands that only look."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from devstack.influx import InfluxOrg
from devstack.stack import Stack
from influxops.core.conditions import rfc3339
from influxops.core.pipeline.ledger import encode
from influxops.core.pipeline.record import WindowRecord
from influxops.core.pipeline.windows.window import Window
from tests.support.lab import MERGE, Influx
from tests.support.rawkube import RawKube

GROUP = "/apis/influxops.dev/v1alpha1"
PLURALS = {
    "InfluxConnection": "influxconnections",
    "InfluxTask": "influxtasks",
    "InfluxPipeline": "influxpipelines",
    "InfluxBackfill": "influxbackfills",
}
MOVES = 'from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop) |> to(bucket: "clean")\n'
LEDGER = "influxops-ledger"
Object = dict[str, Any]


class Scene:
    """A namespace and an organization that no operator works on."""

    def __init__(self, stack: Stack, namespace: str, org: InfluxOrg) -> None:
        self.stack = stack
        self.namespace = namespace
        self.org = org
        self.influx = Influx(org)
        self._kube = RawKube(stack.kubeconfig)
        found = self._call("GET", "/api/v1/namespaces/kube-system")
        self.instance = found["metadata"]["uid"]

    def connect(self) -> None:
        """A Secret with the organization's token, and the InfluxConnection ``main``."""
        secret = {"metadata": {"name": "influx-token"}, "stringData": {"token": self.org.token}}
        self._call("POST", f"/api/v1/namespaces/{self.namespace}/secrets", secret)
        self.create(
            "InfluxConnection",
            "main",
            url=self.org.url,
            allowInsecure=True,
            org=self.org.org,
            tokenSecretRef={"name": "influx-token", "key": "token"},
        )

    def create(self, kind: str, name: str, status: Object | None = None, /, **spec: Any) -> None:
        """An object of ours, with the status that an operator would have written."""
        if kind in {"InfluxTask", "InfluxPipeline"}:
            spec = {"connectionRef": {"name": "main"}, **spec}
        body = {"apiVersion": "influxops.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        path = f"{GROUP}/namespaces/{self.namespace}/{PLURALS[kind]}"
        self._call("POST", path, body)
        if status is not None:
            self._call("PATCH", f"{path}/{name}/status", {"status": status}, MERGE)

    def write(self, pipeline: str, records: Iterable[WindowRecord]) -> None:
        """Records of a pipeline into the ledger, whose bucket exists."""
        self.write_lines(encode(self.owner(pipeline), record) for record in records)

    def write_lines(self, lines: Iterable[str]) -> None:
        """Lines of the ledger."""
        org = self.org.org_id
        status, text = self.influx.raw("POST", "write", "\n".join(lines), orgID=org, bucket=LEDGER, precision="ns")
        assert status == 204, text

    def owner(self, pipeline: str) -> str:
        """The tag of a pipeline's records."""
        return f"{self.instance}/{self.namespace}/{pipeline}"

    def _call(self, method: str, path: str, body: Any = None, content: str = "application/json") -> Object:
        code, answer = self._kube.request(method, path, body, content)
        assert code < 300, json.dumps(answer)
        return answer


def told(stage: str, window: Window, state: str, reason: str, message: str = "", attempt: int = 0) -> Object:
    """An entry of ``status.exceptions``."""
    return {
        "stage": stage,
        "window": {"start": rfc3339(window.start), "stop": rfc3339(window.stop)},
        "state": state,
        "reason": reason,
        "message": message,
        "attempt": attempt,
    }
