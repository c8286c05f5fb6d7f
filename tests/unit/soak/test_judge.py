"""The verdict of a soak: what it says of states that are wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from influxops.core.marker import sha256
from tests.soak.judge import foreign, unowned, unsettled
from tests.support.oracles import View

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BODY = 'option task = {name: "soak/a", every: 24h}\n'
FLUX = f"// influxops/v1 owner=soak/InfluxTask/soak/a uid=0b0e7cd3-0000-4000-8000-000000000000 sha256={sha256(BODY)}\n{BODY}"
TASK = {"id": "1", "name": "soak/a", "flux": FLUX, "status": "active", "every": "24h"}


def item(
    kind: str = "InfluxTask", reason: str = "Synced", spec: dict[str, Any] | None = None, **status: Any
) -> dict[str, Any]:
    """An object that is Ready, or rests with another reason."""
    ready = {"type": "Ready", "status": str(reason == "Synced"), "reason": reason, "message": "so it is"}
    return {
        "kind": kind,
        "metadata": {"name": "a", "generation": 2},
        "spec": spec or {"every": "24h"},
        "status": {"observedGeneration": 2, "conditions": [ready], **status},
    }


def live(**spec: Any) -> dict[str, Any]:
    """An InfluxTask with its task."""
    hashed = f"sha256:{sha256(FLUX)}"
    return item(spec={"every": "24h", **spec}, taskID="1", scriptHash=hashed)


def test_what_is_ready_is_settled() -> None:
    late = f"{NOW - timedelta(minutes=2):%Y-%m-%dT%H:%M:%SZ}"
    pipeline = item("InfluxPipeline", windows={"running": 0, "failed": 0}, watermark=late)
    assert unsettled([item(), pipeline, item("InfluxBackfill", phase="Succeeded")], NOW) == []


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (item(reason="Updating"), "Updating"),
        (item() | {"metadata": {"name": "a", "generation": 3}}, "Synced"),
        (item() | {"metadata": {"name": "a", "generation": 2, "deletionTimestamp": "now"}}, "deleted"),
        (item("InfluxPipeline", windows={"failed": 1}, watermark="2026-01-01T11:59:00Z"), "failed"),
        (item("InfluxPipeline", windows={}, watermark="2026-01-01T11:00:00Z"), "watermark"),
        (item("InfluxPipeline", windows={}), "no watermark"),
        (item("InfluxBackfill", phase="Running", progress="1/2"), "1/2"),
    ],
)
def test_what_is_not_settled_is_named(wrong: dict[str, Any], word: str) -> None:
    (problem,) = unsettled([wrong], NOW)
    assert word in problem


def test_a_task_that_is_as_its_object_says_is_owned() -> None:
    assert unowned(View([live()], [TASK], [])) == []


@pytest.mark.parametrize(
    ("view", "word"),
    [
        (View([], [TASK], []), "ORPHAN"),
        (View([live()], [TASK, TASK | {"id": "2"}], []), "DOUBLE"),
        (View([live()], [], []), "MISSING"),
        (View([live()], [TASK | {"flux": f"{FLUX}// edited"}], []), "mark"),
        (View([live()], [TASK | {"status": "inactive"}], []), "DRIFT"),
        (View([live(description="x")], [TASK], []), "DRIFT"),
        (View([item("RetentionPolicy", spec={"bucket": "b", "retention": "1d"})], [], []), "MISSING"),
    ],
)
def test_what_is_not_as_the_objects_say_is_named(view: View, word: str) -> None:
    assert any(word in problem for problem in unowned(view)), unowned(view)


def test_a_task_that_was_never_made_may_be_missing_while_it_is_suspended() -> None:
    assert unowned(View([item(spec={"every": "24h", "suspend": True})], [], [])) == []


def test_things_of_others_must_be_the_same_but_for_their_runs() -> None:
    """InfluxDB runs them; nobody else may touch them."""
    others = {"id": "9", "name": "of others", "flux": "x", "latestCompleted": "then"}
    before = foreign(View([], [others], []), ["9"])
    assert foreign(View([], [others | {"latestCompleted": "now"}], []), ["9"]) == before
    assert foreign(View([], [others | {"flux": "y"}], []), ["9"]) != before
    assert foreign(View([], [], []), ["9"]) != before
