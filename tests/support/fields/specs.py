"""Specs with one field set, changed and taken away again."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tests.support.fields.examples import CONNECTION, PIPELINE, POLICY, TASK, WINDOWED, Example
from tests.support.fields.schema import ITEM
from tests.support.property.scripts import SCRIPTS

Object = dict[str, Any]
STEPS = ("set", "change", "unset", "revert")


def least(kind: str, name: str, url: str, org: str) -> Object:
    """A spec that is right, with as few fields as it can be; ``url`` and ``org`` are for a connection."""
    main = {"connectionRef": {"name": "main"}}
    if kind == TASK:
        return {**main, "flux": SCRIPTS["one"], "every": "6h"}
    if kind == POLICY:
        return {**main, "bucket": name, "retention": "30d"}
    if kind == CONNECTION:
        return {
            "url": url,
            "allowInsecure": True,
            "org": org,
            "tokenSecretRef": {"name": "influx-token", "key": "token"},
            "syncInterval": "1s",
        }
    if kind == PIPELINE:
        stage = {"name": "one", "flux": WINDOWED}
        return {**main, "window": {"every": "1h"}, "begin": "2100-01-01T00:00:00Z", "stages": [stage]}
    return {
        "pipelineRef": {"name": "walked"},
        "start": "2025-01-01T00:00:00Z",
        "stop": "2025-02-01T00:00:00Z",
        "suspend": True,
    }


def spec_after(step: str, path: str, example: Example, base: Object, more: Mapping[str, Any] | None = None) -> Object:
    """The spec after a step of the walk of a field; ``more`` stands beside it besides what the example says."""
    made = copy.deepcopy(base)
    if step == "revert":
        return made
    for other, value in {**example.beside, **(more or {})}.items():
        put(made, other, value)
    if step == "unset":
        put(made, path, None)
    else:
        put(made, path, example.first if step == "set" else example.second)
    return made


def put(spec: Object, path: str, value: Any) -> None:
    """Set a field by its path; None takes it away, and what held nothing else with it."""
    *parts, last = path.split(".")
    place: Any = spec
    trail: list[tuple[Any, Any]] = []
    for at, part in enumerate(parts):
        following = (*parts, last)[at + 1]
        if part == ITEM:
            if not place:
                place.append({})
            trail.append((place, 0))
            place = place[0]
        else:
            if part not in place:
                if value is None:
                    return
                place[part] = [] if following == ITEM else {}
            trail.append((place, part))
            place = place[part]
    if value is not None:
        place[last] = copy.deepcopy(value)
        return
    place.pop(last, None)
    for holder, key in reversed(trail):
        if holder[key] not in ({}, []):
            return
        del holder[key]
