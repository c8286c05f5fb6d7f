"""What must hold when everything has come to rest, judged from both servers and from the proxies' record.

- End state: equal to that of the reference run, where nothing was broken. Ids, times and digests are masked.
- Ownership: exactly one marked task for each live InfluxTask that has one in the reference, none without a resource.
- Foreign objects: tasks and buckets of others are byte-equal before and after.
- Summary: creates and deletes per object equal the reference, so that a wrong one that healed itself is seen too.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from influxops.core.marker import read_script, sha256
from tests.support.history import INFLUX, Exchange, marker_of

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TASK_FIELDS = ("name", "description", "status", "every", "cron", "offset", "flux", "ownerID")
_BUCKET_FIELDS = ("name", "description", "retentionRules", "type")


@dataclass(frozen=True, slots=True)
class View:
    """Both servers at one moment."""

    objects: list[dict[str, Any]]
    """InfluxConnections, InfluxTasks and RetentionPolicies."""
    tasks: list[dict[str, Any]]
    buckets: list[dict[str, Any]]

    def live(self, kind: str) -> dict[str, dict[str, Any]]:
        """The objects of a kind by name."""
        return {item["metadata"]["name"]: item for item in self.objects if item["kind"] == kind}

    def foreign(self, ids: Iterable[str]) -> str:
        """The things of others, as text: equal texts are equal bytes."""
        wanted = set(ids)
        things = [thing for thing in (*self.tasks, *self.buckets) if thing["id"] in wanted]
        return json.dumps(sorted(things, key=lambda thing: thing["id"]), sort_keys=True, indent=1)


def untouched(before: str, now: str) -> list[str]:
    """What has become of the things of others, if anything has."""
    return [] if now == before else [f"FOREIGN: changed\n{before}\nto\n{now}"]


def picture(view: View, names: Mapping[str, str]) -> str:
    """The end state as text, without what differs from run to run. ``names`` maps what is only of this run to words."""
    masks = {**names}
    for item in view.objects:
        masks[item["metadata"]["uid"]] = f"<uid of {item['metadata']['name']}>"
    for thing in (*view.tasks, *view.buckets):
        masks[thing["id"]] = f"<id of {thing['name']}>"
    state = {
        "objects": {f"{item['kind']}/{item['metadata']['name']}": _object(item) for item in view.objects},
        "tasks": sorted(
            ({name: task.get(name) for name in _TASK_FIELDS} for task in view.tasks), key=lambda task: str(task["flux"])
        ),
        "buckets": sorted(
            ({name: bucket.get(name) for name in _BUCKET_FIELDS} for bucket in view.buckets),
            key=lambda bucket: str(bucket["name"]),
        ),
    }
    text = json.dumps(state, indent=1, sort_keys=True, ensure_ascii=False)
    for word in sorted(masks, key=len, reverse=True):
        text = text.replace(word, masks[word])
    return _DIGEST.sub("<digest>", _TIME.sub("<time>", text))


def _object(item: dict[str, Any]) -> dict[str, Any]:
    status = dict(item.get("status") or {})
    status["conditions"] = {condition["type"]: condition for condition in status.get("conditions") or []}
    meta = item["metadata"]
    return {
        "spec": item["spec"],
        "status": status,
        "finalizers": meta.get("finalizers"),
        "deleting": "deletionTimestamp" in meta,
    }


def ownership(view: View, instance: str, *, unmade: Iterable[str] = ()) -> list[str]:
    """Doubles, orphans and marks that do not fit. ``unmade``: InfluxTasks that have no task in the reference either."""
    problems = []
    owned: dict[str, list[dict[str, Any]]] = {}
    for task in view.tasks:
        marker = marker_of(task)
        if marker is None or marker.owner.instance != instance:
            continue
        owned.setdefault(marker.owner.name, []).append(task)
        if marker.body_sha256 != sha256(read_script(task["flux"])[1]):
            problems.append(f"task {task['name']!r}: its mark does not fit its script")
    live = view.live("InfluxTask")
    for name, tasks in owned.items():
        if name not in live:
            problems.append(f"ORPHAN: {len(tasks)} marked tasks of InfluxTask {name!r}, which does not exist")
        elif len(tasks) > 1:
            problems.append(f"DOUBLE: InfluxTask {name!r} has {len(tasks)} tasks: {[task['id'] for task in tasks]}")
    for name, item in live.items():
        tasks = owned.get(name, [])
        if not tasks and name not in unmade:
            problems.append(f"MISSING: InfluxTask {name!r} has no task")
        task_id = (item.get("status") or {}).get("taskID")
        if len(tasks) == 1 and task_id != tasks[0]["id"]:
            problems.append(f"InfluxTask {name!r}: status.taskID is {task_id!r}, its task is {tasks[0]['id']}")
        if len(tasks) == 1 and item["status"].get("scriptHash") != f"sha256:{sha256(tasks[0]['flux'])}":
            problems.append(f"InfluxTask {name!r}: status.scriptHash is not that of the stored script")
    policies = view.live("RetentionPolicy")
    for bucket in view.buckets:
        marker = marker_of(bucket)
        if marker is not None and marker.owner.instance == instance and marker.owner.name not in policies:
            problems.append(f"ORPHAN: bucket {bucket['name']!r} is marked for a RetentionPolicy that does not exist")
    return problems


def summary(writes: Iterable[Exchange]) -> Counter[tuple[str, str]]:
    """(object, "create" or "delete") -> how often InfluxDB did it."""
    words = {"POST": "create", "DELETE": "delete"}
    return Counter(
        (write.about, words[write.method])
        for write in writes
        if write.server == INFLUX and write.committed and write.method in words
    )


def compare_summaries(
    found: Counter[tuple[str, str]], reference: Counter[tuple[str, str]], early: Collection[str] = ()
) -> list[str]:
    """Creates and deletes that the reference has not; one that was made and removed again is named as such.

    What is named in ``early`` may have neither.
    """
    problems = []
    for about in sorted({key[0] for key in (*found, *reference)}):
        made = found[about, "create"] - reference[about, "create"]
        removed = found[about, "delete"] - reference[about, "delete"]
        if about in early and made == removed < 0:
            continue
        if made > 0 and made == removed:
            problems.append(f"HEALED: {about} was created {made} times too often, and the doubles were removed")
        elif made or removed:
            problems.append(f"{about}: {made:+d} creates and {removed:+d} deletes against the reference")
    return problems
