"""Ends that are not those of the reference run and are right all the same. What is not listed here is a problem.

- The Secret is gone and the operator was restarted: nobody has a token any more. The object is let go of after five
  minutes, and what it had made in InfluxDB stays as it was, with its mark. The log says so (``OrphanedTask``), and an
  event, unless the namespace is going, too: Kubernetes takes no events for it then.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from influxops.core.marker import read_description
from tests.support.history import marker_of
from tests.support.oracles import View

_LASTING = ("name", "description", "status", "every", "cron", "offset", "flux", "retentionRules")
"""Fields of a task or a bucket that only a write changes."""


def let_go_of(log: str, may_stay: Mapping[str, str]) -> set[str]:
    """The objects, of those that may (``kind/name`` -> its name in write ids), whose counterparts the operator said to leave behind."""
    lines = [json.loads(line) for line in log.splitlines() if '"OrphanedTask"' in line]
    told = {f"{line.get('kind')}/{line.get('name')}" for line in lines if line.get("reason") == "OrphanedTask"}
    return told & set(may_stay)


def as_if_cleaned_up(view: View, before: View, objects: Collection[str], instance: str) -> tuple[View, list[str]]:
    """The view without what stayed of these objects, and what is wrong with that: it must be as it was."""
    problems, tasks, buckets = [], [], []
    known = {thing["id"]: thing for thing in (*before.tasks, *before.buckets)}
    for thing in (*view.tasks, *view.buckets):
        marker = marker_of(thing)
        ours = marker is not None and marker.owner.instance == instance
        owner = f"{marker.owner.kind}/{marker.owner.name}" if marker is not None and ours else ""
        if owner in objects and _fields(thing) != _fields(known.get(thing["id"], {})):
            problems.append(f"LEFT BEHIND and changed: {thing['name']!r} of {owner}")
        if "flux" not in thing:
            text = read_description(str(thing.get("description") or ""))[1]
            buckets.append({**thing, "description": text or None} if owner in objects else thing)
        elif owner not in objects:
            tasks.append(thing)
    return replace(view, tasks=tasks, buckets=buckets), problems


def _fields(thing: Mapping[str, Any]) -> dict[str, Any]:
    return {name: thing.get(name) for name in _LASTING}


def not_deleted(
    wanted: Counter[tuple[str, str]], found: Counter[tuple[str, str]], names: Collection[str]
) -> Counter[tuple[str, str]]:
    """The summary of the reference without those deletions of what may stay that did not happen: nobody could know."""
    forgiven = {(name, "delete") for name in names}
    return Counter({key: min(count, found[key]) if key in forgiven else count for key, count in wanted.items()})
