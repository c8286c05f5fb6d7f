"""A namespace, an InfluxDB organization and the verbs of the people at both ends: kubectl here, the InfluxDB UI there."""

from __future__ import annotations

import csv
import http.client
import io
import itertools
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from devstack.influx import InfluxOrg
from devstack.stack import Stack
from tests.support.expect import ANSWER, PATIENCE, eventually, rests
from tests.support.operator import OperatorProcess
from tests.support.rawkube import RawKube

CONNECTION, TASK, POLICY = "InfluxConnection", "InfluxTask", "RetentionPolicy"
PIPELINE, BACKFILL = "InfluxPipeline", "InfluxBackfill"
PLURALS = {
    CONNECTION: "influxconnections",
    POLICY: "retentionpolicies",
    TASK: "influxtasks",
    PIPELINE: "influxpipelines",
    BACKFILL: "influxbackfills",
}
MERGE = "application/merge-patch+json"
HOURLY = 'from(bucket: "raw") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "cpu")\n'
"""A script that is right and does nothing worth mentioning."""
Object = dict[str, Any]
_numbers = itertools.count(1)


class Influx:
    """An organization of a real InfluxDB, as somebody with its UI, its CLI or a client library."""

    def __init__(self, org: InfluxOrg, url: str = "", token: str = "") -> None:
        self.org = org
        self._address = urlsplit(url or org.url)
        self._token = token or org.token

    def call(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """One request under /api/v2; fails on any error status."""
        status, text = self.raw(method, path, None if body is None else json.dumps(body), **params)
        assert status < 300, f"{method} {path}: {status} {text}"
        return json.loads(text) if text else None

    def raw(self, method: str, path: str, body: str | None = None, **params: str) -> tuple[int, str]:
        """One request under /api/v2; the status and the text."""
        connection = http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=ANSWER)
        headers = {"Authorization": f"Token {self._token}", "Content-Type": "application/json"}
        try:
            connection.request(method, f"/api/v2/{path}?{urlencode(params)}", body and body.encode(), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def tasks(self) -> list[Object]:
        """Every task."""
        found: list[Object] = []
        page: list[Object] = [{}]
        while page:
            after = {"after": found[-1]["id"]} if found else {}
            page = self.call("GET", "tasks", orgID=self.org.org_id, limit="500", **after)["tasks"]
            found += page
        return found

    def task(self, task_id: str) -> Object:
        """One task; empty when it does not exist."""
        status, text = self.raw("GET", f"tasks/{task_id}")
        return json.loads(text) if status == 200 else {}

    def new_task(self, flux: str, description: str = "") -> Object:
        """A task made by hand."""
        made: Object = self.call(
            "POST", "tasks", {"orgID": self.org.org_id, "flux": flux, "description": description, "status": "active"}
        )
        return made

    def edit_task(self, task_id: str, **fields: str) -> Object:
        """Change a task by hand."""
        changed: Object = self.call("PATCH", f"tasks/{task_id}", fields)
        return changed

    def bucket(self, name: str) -> Object:
        """One bucket; empty when it does not exist."""
        status, text = self.raw("GET", "buckets", orgID=self.org.org_id, name=name)
        found = json.loads(text).get("buckets") if status == 200 else []
        return found[0] if found else {}

    def new_bucket(self, name: str, seconds: int = 0, shard_group: int = 0, description: str = "") -> Object:
        """A bucket made by hand; 0 seconds keep for ever."""
        rule = {"type": "expire", "everySeconds": seconds}
        if shard_group:
            rule["shardGroupDurationSeconds"] = shard_group
        body = {"orgID": self.org.org_id, "name": name, "description": description, "retentionRules": [rule]}
        made: Object = self.call("POST", "buckets", body)
        return made

    def edit_bucket(self, name: str, seconds: int, shard_group: int) -> Object:
        """Change the retention by hand."""
        rule = {"type": "expire", "everySeconds": seconds, "shardGroupDurationSeconds": shard_group}
        changed: Object = self.call("PATCH", f"buckets/{self.bucket(name)['id']}", {"retentionRules": [rule]})
        return changed

    def write(self, bucket: str, *lines: str) -> None:
        """Write points: line protocol with times in seconds."""
        status, text = self.raw("POST", "write", "\n".join(lines), orgID=self.org.org_id, bucket=bucket, precision="s")
        assert status == 204, text

    def rows(self, flux: str) -> list[dict[str, str]]:
        """The rows of a query."""
        body = {"query": flux, "dialect": {"header": True, "annotations": []}}
        status, text = self.raw("POST", "query", json.dumps(body), orgID=self.org.org_id)
        assert status == 200, text
        return list(csv.DictReader(io.StringIO(text)))

    def runs(self, task_id: str) -> list[Object]:
        """The runs of a task that InfluxDB knows. influxd 2.7.12 panics over this list now and then while several runs end."""
        while True:
            status, text = self.raw("GET", f"tasks/{task_id}/runs", limit="500")
            if status == 200:
                found: list[Object] = json.loads(text)["runs"]
                return found
            assert "a panic has occurred" in text, text

    def token(self, stack: Stack, *rights: str) -> tuple[str, str]:
        """The id and the text of a new token of the organization's user, with rights such as ``read:tasks``."""
        org = self.org
        permissions = []
        for right in rights:
            action, kind = right.split(":")
            resource = {"type": kind, "orgID": org.org_id}
            if kind in {"orgs", "users"}:
                resource = {"type": kind, "id": org.org_id if kind == "orgs" else org.user_id}
            permissions.append({"action": action, "resource": resource})
        body = {"orgID": org.org_id, "userID": org.user_id, "permissions": permissions}
        made = stack.influx.call("POST", "/api/v2/authorizations", body)
        return str(made["id"]), str(made["token"])


class Lab:
    """One test's corner of both servers."""

    def __init__(self, stack: Stack, operator: OperatorProcess, namespace: str, org: InfluxOrg) -> None:
        self.stack = stack
        self.operator = operator
        self.namespace = namespace
        self.org = org
        self.influx = Influx(org)
        self._kube = RawKube(stack.kubeconfig)

    # Kubernetes

    def call(self, method: str, path: str, body: Any = None, content: str = "application/json") -> tuple[int, Object]:
        """One request to the API server."""
        try:
            return self._kube.request(method, path, body, content)
        except (ConnectionError, http.client.HTTPException):
            self._kube.close()  # kept alive for too long
            return self._kube.request(method, path, body, content)

    def path(self, kind: str, name: str = "", namespace: str = "") -> str:
        """The path of an object of ours, or of a core one by its plural."""
        namespace = namespace or self.namespace
        if kind in PLURALS:
            base = f"/apis/influxops.dev/v1alpha1/namespaces/{namespace}/{PLURALS[kind]}"
        else:
            base = f"/api/v1/namespaces/{namespace}/{kind}"
        return f"{base}/{name}" if name else base

    def create(self, kind: str, name: str, spec: Object, namespace: str = "", **metadata: Any) -> Object:
        """Create an object of ours."""
        body = {
            "apiVersion": "influxops.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, **metadata},
            "spec": spec,
        }
        code, made = self.call("POST", self.path(kind, namespace=namespace), body)
        assert code == 201, made
        return made

    def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """An object; None when it does not exist."""
        code, found = self.call("GET", self.path(kind, name, namespace))
        assert code in {200, 404}, found
        return found if code == 200 else None

    def status(self, kind: str, name: str, namespace: str = "") -> Object:
        """The status of an object that exists."""
        found = self.get(kind, name, namespace)
        assert found is not None, f"{kind} {name} does not exist"
        status: Object = found.get("status") or {}
        return status

    def patch(self, kind: str, name: str, /, **fields: Any) -> None:
        """Merge fields into the spec; None takes one away."""
        code, answer = self.call("PATCH", self.path(kind, name), {"spec": fields}, MERGE)
        assert code == 200, answer

    def annotate(self, kind: str, name: str, /, **annotations: str) -> None:
        """Set annotations of ours, named without their group and with underscores."""
        named = {f"influxops.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
        code, answer = self.call("PATCH", self.path(kind, name), {"metadata": {"annotations": named}}, MERGE)
        assert code == 200, answer

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        """Ask for an object's deletion."""
        code, answer = self.call("DELETE", self.path(kind, name, namespace))
        assert code in {200, 202}, answer

    def secret(self, name: str = "influx-token", namespace: str = "", **texts: str) -> None:
        """Create a Secret, or replace what it holds."""
        body: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": texts}
        self._put("secrets", name, body, namespace)

    def configmap(self, name: str, **texts: str) -> None:
        """Create a ConfigMap, or replace what it holds."""
        body: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": texts}
        self._put("configmaps", name, body, "")

    def _put(self, plural: str, name: str, body: Object, namespace: str) -> None:
        code, answer = self.call("POST", self.path(plural, namespace=namespace), body)
        if code == 409:
            code, answer = self.call("PUT", self.path(plural, name, namespace), body)
        assert code in {200, 201}, answer

    def events(self, name: str) -> list[Object]:
        """The events about an object, by its name."""
        code, found = self.call("GET", f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events")
        assert code == 200, found
        return [event for event in found["items"] if event["regarding"].get("name") == name]

    def objects(self) -> list[tuple[str, Object]]:
        """Every object of ours in the namespace, with its kind; connections last."""
        found = []
        for kind in (BACKFILL, PIPELINE, TASK, POLICY, CONNECTION):
            found += [(kind, item) for item in self.call("GET", self.path(kind))[1].get("items", [])]
        return found

    # What tests create

    def connection(self, name: str = "main", *, token: str = "", **spec: Any) -> None:
        """A Secret ``influx-token`` with the organization's token, and an InfluxConnection; not waited for."""
        self.secret(token=token or self.org.token)
        whole = {
            "url": self.org.url,
            "allowInsecure": True,
            "org": self.org.org,
            "tokenSecretRef": {"name": "influx-token", "key": "token"},
            "syncInterval": "1s",
            **spec,
        }
        self.create(CONNECTION, name, {key: value for key, value in whole.items() if value is not None})

    def connect(self, name: str = "main", **spec: Any) -> Object:
        """The same, and wait until it is Ready."""
        self.connection(name, **spec)
        return self.synced(CONNECTION, name)

    def task(self, name: str, flux: str | None = HOURLY, /, **spec: Any) -> None:
        """An InfluxTask with a schedule of an hour unless told otherwise; not waited for."""
        whole: Object = {"connectionRef": {"name": "main"}, "flux": flux, "every": "1h", **spec}
        if "cron" in spec:
            del whole["every"]
        self.create(TASK, name, {key: value for key, value in whole.items() if value is not None})

    def policy(self, name: str, bucket: str, retention: str, /, **spec: Any) -> None:
        """A RetentionPolicy; not waited for."""
        whole = {"connectionRef": {"name": "main"}, "bucket": bucket, "retention": retention, **spec}
        self.create(POLICY, name, whole)

    # What tests wait for

    def until(
        self, kind: str, name: str, what: str, holds: Callable[[Object], Any], seconds: float = PATIENCE
    ) -> Object:
        """Wait until something holds for an object that exists."""
        found = eventually(
            f"{kind} {self.namespace}/{name}: {what}",
            lambda: self.get(kind, name),
            lambda item: item is not None and holds(item),
            seconds=seconds,
            story=lambda: self.operator.tail(word=self.namespace),
        )
        assert found is not None
        return found

    def rests(self, kind: str, name: str, reason: str, *parts: str, seconds: float = PATIENCE) -> Object:
        """Wait until the Ready condition has this reason for the present spec, and its message these parts."""
        what = f"rests with {reason} {parts or ''}"
        return self.until(kind, name, what, lambda item: rests(item, reason, *parts), seconds)

    def synced(self, kind: str, name: str, seconds: float = PATIENCE) -> Object:
        """Wait until the object is Ready for the present spec."""
        return self.rests(kind, name, "Synced", seconds=seconds)

    def task_id(self, name: str) -> str:
        """Wait until a task is Ready; its id in InfluxDB."""
        return str(self.synced(TASK, name)["status"]["taskID"])

    def gone(self, kind: str, name: str, seconds: float = PATIENCE) -> None:
        """Wait until Kubernetes has deleted an object."""
        eventually(
            f"{kind} {self.namespace}/{name} is gone",
            lambda: self.get(kind, name),
            lambda item: item is None,
            seconds=seconds,
            story=lambda: self.operator.tail(word=self.namespace),
        )

    def in_influx(self, what: str, look: Callable[[], Any], holds: Callable[[Any], Any] = bool) -> Any:
        """Wait for something in InfluxDB."""
        return eventually(what, look, holds, story=lambda: self.operator.tail(word=self.namespace))

    def event(self, name: str, reason: str, type_: str = "Warning") -> Object:
        """Wait for an event."""
        found = eventually(
            f"a {type_} event {reason} at {name}",
            lambda: self.events(name),
            lambda events: [e for e in events if e["reason"] == reason and e["type"] == type_],
            story=lambda: self.operator.tail(word=self.namespace),
        )
        return next(event for event in found if event["reason"] == reason and event["type"] == type_)

    def sweeps(self, count: int = 2, connection: str = "main") -> None:
        """Wait until so many sweeps have begun and ended: whatever was going to happen has happened."""
        name = f"{self.namespace}/{connection}"

        def done() -> float:
            good = self.operator.metric("influxops_sweep_duration_seconds_count", connection=name)
            return good + self.operator.metric("influxops_sweep_failures_total", connection=name)

        begun = done()
        eventually(f"{count} sweeps", done, lambda now: now > begun + count, story=self.operator.tail)

    # The end

    def clear(self, seconds: float = 10.0) -> list[str]:
        """Delete every object of ours; what does not go by itself is let go, and named."""
        for kind, item in self.objects():
            if "deletionTimestamp" not in item["metadata"]:
                self.call("DELETE", self.path(kind, item["metadata"]["name"]))
        limit = time.monotonic() + seconds
        left = self.objects()
        while left and time.monotonic() < limit:
            time.sleep(0.05)
            left = self.objects()
        for kind, item in left:
            self.call("PATCH", self.path(kind, item["metadata"]["name"]), {"metadata": {"finalizers": None}}, MERGE)
        return [f"{kind} {item['metadata']['name']}" for kind, item in left]

    def close(self) -> None:
        """Close the connection to the API server."""
        self._kube.close()


def fresh() -> str:
    """A name that no other object has."""
    return f"case-{next(_numbers)}"
