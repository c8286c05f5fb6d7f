"""The objects of a run. Every task has a script of its own, and the scripts are of a hundred shapes: as in a fleet that came
from templates, many differ in their strings alone.
"""

from __future__ import annotations

import hashlib
from typing import Any

from bench.site import CONNECTION, NAMESPACE, SYNC_INTERVAL, Site

TARGET_BUCKET = "downsampled"
SECRET = "influx-token"
_FUNCTIONS = ("mean", "max", "min", "sum", "count")
_LIMITS = 20
"""With those functions a hundred scripts that differ in more than their strings."""
_MESSAGE = {
    "type": "Property",
    "key": {"type": "Identifier", "name": "msg"},
    "value": {"type": "StringLiteral", "value": "stop"},
}
_DIE = {
    "type": "CallExpression",
    "callee": {"type": "Identifier", "name": "die"},
    "arguments": [{"type": "ObjectExpression", "properties": [_MESSAGE]}],
}
CHECK: dict[str, Any] = {
    "type": "File",
    "name": "bench",
    "package": None,
    "imports": [],
    "body": [{"type": "ExpressionStatement", "expression": _DIE}],
}
"""Put before a script, it ends its evaluation at once: the script is type-checked and has no effect."""


def task_name(number: int) -> str:
    """The name of a task's resource."""
    return f"task-{number:05d}"


def user_script(number: int, bucket: str) -> str:
    """A downsampling script as people write it; function and limit make its shape, the measurement makes each one different."""
    function, limit = _FUNCTIONS[number % len(_FUNCTIONS)], 1000 + number // len(_FUNCTIONS) % _LIMITS
    return (
        f'from(bucket: "{bucket}")\n'
        "    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n"
        f'    |> filter(fn: (r) => r._measurement == "m{number:05d}" and r._field == "value")\n'
        f"    |> filter(fn: (r) => r._value < {limit}.0)\n"
        f"    |> aggregateWindow(every: 5m, fn: {function}, createEmpty: false)\n"
        f'    |> to(bucket: "{TARGET_BUCKET}")\n'
    )


def stored_script(number: int, bucket: str, every: str) -> str:
    """What the bare loop stores: the same script with header, ``option task`` and window, as long as the operator's."""
    rest = (
        'import influxopsDate "date"\n'
        f'option task = {{name: "{NAMESPACE}/{task_name(number)}", every: {every}}}\n'
        "option v = {timeRangeStart: influxopsDate.sub(d: " + every + ", from: influxopsDate.truncate(t: now(), unit: "
        f"{every})), timeRangeStop: influxopsDate.truncate(t: now(), unit: {every}), windowPeriod: {every}}}\n"
        + user_script(number, bucket)
    )
    digest = hashlib.sha256(rest.encode()).hexdigest()
    return f"// bare loop {NAMESPACE}/{task_name(number)} 00000000-0000-0000-0000-000000000000 sha256:{digest}\n{rest}"


def task(number: int, bucket: str, every: str) -> dict[str, Any]:
    """An InfluxTask."""
    return {
        "apiVersion": "influxops.dev/v1alpha1",
        "kind": "InfluxTask",
        "metadata": {"name": task_name(number), "namespace": NAMESPACE},
        "spec": {"connectionRef": {"name": CONNECTION}, "every": every, "flux": user_script(number, bucket)},
    }


def surroundings(site: Site) -> list[tuple[str, dict[str, Any]]]:
    """What the tasks need, as (collection, object)."""
    meta = {"namespace": NAMESPACE}
    return [
        ("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        (
            f"/api/v1/namespaces/{NAMESPACE}/secrets",
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {**meta, "name": SECRET},
                "stringData": {"token": site.influx_token},
            },
        ),
        (
            f"/apis/influxops.dev/v1alpha1/namespaces/{NAMESPACE}/influxconnections",
            {
                "apiVersion": "influxops.dev/v1alpha1",
                "kind": "InfluxConnection",
                "metadata": {**meta, "name": CONNECTION},
                "spec": {
                    "url": site.influx_url,
                    "allowInsecure": True,
                    "org": site.org,
                    "tokenSecretRef": {"name": SECRET, "key": "token"},
                    "syncInterval": f"{SYNC_INTERVAL}s",
                },
            },
        ),
    ]


def bare_status(task_id: str, generation: int, digest: str, now: str, every: str) -> dict[str, Any]:
    """A status as large as the operator's."""
    return {
        "observedGeneration": generation,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Synced",
                "message": f"task {task_id} in InfluxDB is as specified",
                "observedGeneration": generation,
                "lastTransitionTime": now,
            }
        ],
        "consecutiveFailures": 0,
        "taskID": task_id,
        "scriptHash": f"sha256:{digest}",
        "schedule": every,
        "nextRun": now,
    }
