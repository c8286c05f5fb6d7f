"""The lines of ``influxops tree``: our objects, the stages of a pipeline, and buckets. Pure but for the age of things."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from influxops.cli.native import Object
from influxops.core.age import age
from influxops.core.conditions import parse_rfc3339
from influxops.core.durations import format_retention
from influxops.core.keys import Key, Kind
from influxops.core.pipeline.standing import CLOSED, Standing, standings
from influxops.core.tree import Node
from influxops.preview.connections import PreviewLink

_RESULTS = {"Succeeded": "success", "Failed": "failed"}
"""Phases of a backfill that are over, in the words of runs."""


def bucket_node(verb: str, name: str, link: PreviewLink) -> Node:
    """A bucket that a script names."""
    bucket = link.snapshot.buckets.get(name)
    facts: dict[str, Any] = {"kind": "Bucket", "name": name, "use": verb}
    if bucket is None:
        return Node(
            f"{verb} {name}", {**facts, "ready": "False", "reason": "DependencyNotReady", "message": "no such bucket"}
        )
    marker = bucket.marker
    kept = format_retention(bucket.retention)
    if marker is None:
        return Node(f"{verb} {name} ({kept}, no RetentionPolicy)", {**facts, "retention": kept})
    policy = f"{marker.owner.namespace}/{marker.owner.name}"
    return Node(f"{verb} {name} ({kept}, RetentionPolicy {policy})", {**facts, "retention": kept, "policy": policy})


def object_node(key: Key, found: Object | None) -> Node:
    """One of our objects, as its status tells."""
    facts: dict[str, Any] = {"kind": key.kind.value, "namespace": key.namespace, "name": key.name}
    if found is None:
        return Node(str(key), {**facts, "ready": "Unknown", "reason": "NotFound"})
    status = found.get("status") or {}
    ready: Mapping[str, Any] = next(
        (one for one in status.get("conditions") or () if one.get("type") == "Ready"), {"status": "Unknown"}
    )
    facts |= {"ready": ready.get("status", ""), "reason": ready.get("reason", ""), "message": ready.get("message", "")}
    if key.kind is Kind.TASK:
        facts["schedule"] = str(status.get("schedule", ""))
    elif key.kind is Kind.POLICY:
        facts["retention"] = str((found.get("spec") or {}).get("retention", ""))
    last = status.get("lastRun") or {}
    if last:
        began = last.get("startedAt") or last["scheduledFor"]
        facts |= {"lastRun": began, "age": _age(began), "result": last["state"]}
    return Node(str(key), facts)


def pipeline_node(key: Key, found: Object, objects: Mapping[Key, Object], link: PreviewLink | None) -> Node:
    """An InfluxPipeline with its stages, and with each the InfluxTask that it runs and the buckets that its spec names."""
    spec, status = found.get("spec") or {}, found.get("status") or {}
    counts = status.get("windows") or {}
    node = object_node(key, found)
    node.facts |= {
        "schedule": str((spec.get("window") or {}).get("every", "")),
        "watermark": status.get("watermark", ""),
        "windows": counts or "",
    }
    words = [f"watermark {status['watermark']}"] if status.get("watermark") else []
    told = (("running", "running"), ("ready", "waiting"), ("failed", "failed"))
    words += [f"{counts[name]} {word}" for name, word in told if counts.get(name)]
    node.name = _with(node.name, words)
    known = standings(status)
    every = node.facts["schedule"]
    node.children = [_stage(key, one, known.get(one["name"]), status, every, objects, link) for one in _stages(spec)]
    return node


def backfill_node(key: Key, found: Object) -> Node:
    """An InfluxBackfill with how far it is."""
    status = found.get("status") or {}
    phase = str(status.get("phase") or "Pending")
    node = object_node(key, found)
    node.facts |= {"phase": phase, "progress": status.get("progress", ""), "result": _RESULTS.get(phase, "")}
    words = [phase, status.get("progress", "")]
    words += [f"{status['failed']} failed"] if status.get("failed") else []
    if not status.get("finishedAt"):
        words += [status.get("rate", ""), f"until {status['eta']}" if status.get("eta") else ""]
    began = status.get("finishedAt") or status.get("startedAt")
    if began:
        node.facts |= {"lastRun": began, "age": _age(began)}
    node.name = _with(node.name, [word for word in words if word])
    return node


def _stage(
    key: Key,
    stage: Mapping[str, Any],
    standing: Standing | None,
    status: Mapping[str, Any],
    every: str,
    objects: Mapping[Key, Object],
    link: PreviewLink | None,
) -> Node:
    name = stage["name"]
    facts: dict[str, Any] = {
        "kind": "Stage",
        "name": name,
        "schedule": str((stage.get("window") or {}).get("every", every)),
    }
    if standing is not None:
        troubles = [one for one in status.get("exceptions") or () if one.get("stage") == name]
        facts |= {
            "result": standing.word.lower(),
            "reason": troubles[0]["reason"] if troubles else "",
            "message": troubles[0].get("message", "") if troubles else "",
            "waiting": standing.waiting or "",
            "failed": standing.failed or "",
            "circuit": standing.circuit if standing.circuit != CLOSED else "",
        }
        if standing.finished_at:
            facts |= {"lastRun": standing.finished_at, "age": _age(standing.finished_at)}
    parts = [f"after {', '.join(stage['dependsOn'])}"] if stage.get("dependsOn") else []
    node = Node(_with(f"stage {name}", [*parts, standing.words if standing else ""]), facts)
    task = (stage.get("taskRef") or {}).get("name")
    if task:
        ref = Key(Kind.TASK, key.namespace, task)
        node.children.append(object_node(ref, objects.get(ref)))
        node.children[-1].name = f"runs {ref}"
    if link is not None:
        for field, verb in (("source", "reads"), ("destination", "writes")):
            bucket = (stage.get(field) or {}).get("bucket")
            node.children += [bucket_node(verb, bucket, link)] if bucket else []
    return node


def _stages(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for one in spec.get("stages") or () if one.get("name")]


def _with(name: str, words: list[str]) -> str:
    said = ", ".join(word for word in words if word)
    return f"{name} ({said})" if said else name


def _age(moment: str) -> str:
    return age(parse_rfc3339(moment), datetime.now(UTC))
