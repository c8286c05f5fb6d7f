"""Both servers at one moment, and how its objects are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from influxops.core.durations import parse_retention
from influxops.core.marker import Marker, read_script
from tests.support.property.port import INSTANCE, Object

CONNECTION, TASK, POLICY = "InfluxConnection", "InfluxTask", "RetentionPolicy"


@dataclass
class Sight:
    """Both servers at one moment."""

    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    """(kind, name) -> object."""
    tasks: dict[str, Object] = field(default_factory=dict)
    buckets: dict[str, Object] = field(default_factory=dict)

    def alive(self, name: str) -> Object | None:
        """The InfluxTask of this name that nobody is deleting."""
        found = self.objects.get((TASK, name))
        return found if found is not None and "deletionTimestamp" not in found["metadata"] else None


def status_of(item: Object) -> Object:
    return item.get("status") or {}


def ready_of(item: Object) -> Object:
    conditions: list[Object] = status_of(item).get("conditions") or []
    return next((one for one in conditions if one["type"] == "Ready"), {})


def reason_of(item: Object) -> str:
    return str(ready_of(item).get("reason", ""))


def told(item: Object) -> str:
    generation = item["metadata"]["generation"]
    return f"generation {generation}, observed {status_of(item).get('observedGeneration')}, Ready {ready_of(item)}"


def not_ready(item: Object, *reasons: str) -> list[str]:
    """Faults of a status that should have one of these reasons for the present spec."""
    generation = item["metadata"]["generation"]
    if (
        status_of(item).get("observedGeneration") != generation
        or ready_of(item).get("observedGeneration") != generation
    ):
        return ["its status is not of its present spec"]
    return [] if reason_of(item) in reasons else [f"Ready has not the reason {' or '.join(reasons)}"]


def marker_of(task: Object) -> Marker | None:
    return read_script(task["flux"])[0]


def owner_of(task: Object) -> str:
    """The name of the InfluxTask of ours that a task is marked for; empty for none."""
    marker = marker_of(task)
    return marker.owner.name if marker is not None and marker.owner.instance == INSTANCE else ""


def twins(one: Object, other: Object) -> bool:
    return bool(one["flux"] == other["flux"] and one["name"] == other["name"])


def same(one: Object, other: Object | None) -> bool:
    return other is not None and all(other.get(key) == value for key, value in one.items())


def covers(spec: Any, wanted: Any) -> bool:
    """Whether a spec is what was given, but for what the schema fills in."""
    if isinstance(wanted, dict):
        return isinstance(spec, dict) and all(covers(spec.get(key), value) for key, value in wanted.items())
    return bool(spec == wanted)


def retention_of(bucket: Object) -> int:
    """Seconds; 0 keeps for ever."""
    return int(next((rule["everySeconds"] for rule in bucket["retentionRules"]), 0))


def seconds_of(text: str) -> int | None:
    return parse_retention(text).seconds if text else None
