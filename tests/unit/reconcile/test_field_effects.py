"""Every field of every kind does something: what the operator makes of a spec differs with it. The fields are those of the CRDs.

What is compared is what the engine goes by (a plan, a client, what InfluxDB holds, a verdict), never the spec itself.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import fields as fields_of
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import influxops
from influxops.api.connection import Policy
from influxops.core import reruns
from influxops.core.bucket_plan import DesiredBucket
from influxops.core.pipeline.backfill import selection
from influxops.core.pipeline.plan import CheckPlan, NativeTask, PipelinePlan, RetryPlan, StagePlan
from influxops.engine import link
from influxops.engine.pacer import Pacer
from influxops.influx.settings import ConnectionSettings
from influxops.reconcile import pipeline, policy, task
from tests.support.fields.effects import EFFECTS
from tests.support.fields.examples import BACKFILL, CONNECTION, PIPELINE, POLICY, TASK
from tests.support.fields.judge import alike, problem_of
from tests.support.fields.schema import fields, kinds

FIELDS = [(kind, path) for kind in kinds() for path in fields(kind)]
CHOICES = [(kind, path) for kind, path in FIELDS if "enum" in fields(kind)[path]]
SOURCES = Path(influxops.__file__).parent
MAKERS = {"reconcile/pipeline.py", "reconcile/backfill.py", "reconcile/rerun_policy.py", "engine/connect.py"}
"""Who makes the plans."""


@pytest.mark.parametrize("kind", kinds())
def test_it_is_said_of_every_field_how_its_effect_is_seen(kind: str) -> None:
    """And of none that is gone."""
    missing = sorted(fields(kind).keys() - EFFECTS[kind].keys())
    assert missing == [], f"say in tests/support/fields/effects.py how one sees what these fields of {kind} do"
    assert sorted(EFFECTS[kind].keys() - fields(kind).keys()) == []


@pytest.mark.parametrize(("kind", "path"), FIELDS, ids=[f"{kind}-{path}" for kind, path in FIELDS])
async def test_a_field_does_something(kind: str, path: str) -> None:
    """Another value does something else, and so does none; a field that a spec must have is missed by name."""
    problem = await problem_of(kind, path)
    assert not problem, f"{kind} {path}: {problem}"


@pytest.mark.parametrize(("kind", "path"), CHOICES, ids=[f"{kind}-{path}" for kind, path in CHOICES])
async def test_each_value_of_an_enumeration_does_something_else(kind: str, path: str) -> None:
    """All of them, not only the two that are walked."""
    assert await alike(kind, path) == []


@pytest.mark.parametrize(
    "made", [PipelinePlan, StagePlan, CheckPlan, NativeTask, RetryPlan, reruns.Policy, ConnectionSettings]
)
def test_what_a_plan_says_is_read_by_others_than_who_makes_it(made: Any) -> None:
    """So a field that shows in a plan is not only kept there."""
    assert sorted({one.name for one in fields_of(made)} - _read()) == []


def _without(make: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Makes the same without a word."""
    return lambda **words: make(**{**words, name: None})


IGNORED = [
    (TASK, "retry.limit", task, "rerun_policy", lambda _: reruns.Policy()),
    (POLICY, "dataLossApproval", policy, "DesiredBucket", _without(DesiredBucket, "approval")),
    (CONNECTION, "policy.deniedFluxPackages", Policy, "denies", lambda *_: False),
    (CONNECTION, "limits.requestsPerSecond", link, "Pacer", lambda clock, _: Pacer(clock, None)),
    (PIPELINE, "deadline", pipeline, "PipelinePlan", _without(PipelinePlan, "deadline")),
    (BACKFILL, "reprocess", selection, "_wanted", lambda *_: True),
]


@pytest.mark.parametrize(("kind", "path", "place", "name", "instead"), IGNORED, ids=[one[1] for one in IGNORED])
async def test_a_field_that_is_ignored_is_found(
    monkeypatch: pytest.MonkeyPatch, kind: str, path: str, place: Any, name: str, instead: Any
) -> None:
    """With an operator that has forgotten it."""
    monkeypatch.setattr(place, name, instead)
    assert "the same" in await problem_of(kind, path)


@cache
def _read() -> frozenset[str]:
    """Attributes that anything reads besides the makers of plans."""
    found = set()
    for path in SOURCES.rglob("*.py"):
        if path.relative_to(SOURCES).as_posix() not in MAKERS:
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            found |= {one.attr for one in nodes if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Load)}
    return frozenset(found)
