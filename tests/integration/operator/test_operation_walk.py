"""Every field of every kind set, changed, unset and reverted on real servers, generated from the CRDs."""

from __future__ import annotations

import json

import pytest

from tests.support.fields.examples import BACKFILL, INLINE, NATIVE, PIPELINE, POLICY, TASK, WINDOWED
from tests.support.fields.schema import kinds
from tests.support.fields.walker import Walker, base
from tests.support.lab import Lab
from tests.support.nursery import REPOSITORY

SOME = {
    TASK: frozenset({"every", "description", "suspend", "window.period"}),
    POLICY: frozenset({"retention", "description", "bucket"}),
}
"""What is walked at every test."""


@pytest.fixture
def ready(lab: Lab) -> Lab:
    """A connection, and everything that the examples name."""
    lab.connect()
    for name in ("hourly", "influxops-ledger"):
        lab.influx.new_bucket(name)
    for name in ("walk", "walk-too"):
        text = INLINE + f"// {name}\n"
        lab.configmap(name, a=text, b=text + "// b\n", window=WINDOWED, **{"window-too": WINDOWED + "// b\n"})
    lab.secret("same-token", token=lab.org.token)
    lab.secret(token=lab.org.token, again=lab.org.token)
    return lab


def _walk(lab: Lab, kind: str, only: frozenset[str] = frozenset()) -> None:
    if kind == BACKFILL:
        lab.create(
            PIPELINE, "walked", {**base(lab, PIPELINE, "walked"), "begin": "2025-01-01T00:00:00Z"} | {"suspend": True}
        )
        lab.until(PIPELINE, "walked", "is seen", lambda item: "conditions" in (item.get("status") or {}))
    if kind == PIPELINE:
        lab.create(TASK, NATIVE, {"connectionRef": {"name": "main"}, "flux": WINDOWED, "every": "1h"})
        lab.until(TASK, NATIVE, "is there", lambda item: "taskID" in (item.get("status") or {}))
    walker = Walker(lab, kind, only)
    walker.walk()
    if not only:
        report = REPOSITORY / "build" / f"operation-walk-{kind.lower()}.json"
        report.parent.mkdir(exist_ok=True)
        report.write_text(json.dumps(walker.report(), indent=1), encoding="utf-8")
    assert not walker.problems(), "\n".join(walker.problems())


@pytest.mark.parametrize("kind", sorted(SOME))
def test_some_fields_are_followed_or_refused_by_name_and_come_back(kind: str, ready: Lab) -> None:
    """A few fields of tasks and buckets; all of them in `make prove`."""
    _walk(ready, kind, SOME[kind])


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", kinds())
def test_every_field_is_followed_or_refused_by_name_and_comes_back(kind: str, ready: Lab) -> None:
    """The object is Ready for each new spec, or names the field that it cannot follow and leaves what was there; a change shows in InfluxDB
    or in status; and with the first spec back, everything is as it was.
    """
    _walk(ready, kind)
