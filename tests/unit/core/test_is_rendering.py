"""A stored script is known for a rendering of its spec without a syntax tree, and a changed one is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from influxops.api.connection import Policy
from influxops.api.influxtask import InfluxTaskSpec
from influxops.core.desired import desired_task, is_rendering
from influxops.core.flux.facts import facts_of
from influxops.core.marker import Owner, read_script
from tests.support.fake_influx import RECORDED

OWNER = Owner("c1", "InfluxTask", "ns", "cpu")
ANSWERS = [answer for answer in json.loads(RECORDED.read_text()).values() if answer["ast"] is not None]


def spec_of(script: str, **fields: Any) -> InfluxTaskSpec:
    """A spec for a script, with a schedule unless it brings its own."""
    own = {} if "option task" in script else {"every": "1h", "offset": "5m"}
    return InfluxTaskSpec.model_validate({"connectionRef": {"name": "main"}, "flux": script, **own, **fields})


def stored(script: str, ast: dict[str, Any], spec: InfluxTaskSpec) -> str:
    """What is stored for it, without the header."""
    task = desired_task(spec, script, facts_of(script, ast), OWNER, "u1", Policy(), None)
    return read_script(task.script)[1]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer["script"][:24])
def test_every_rendering_is_known(answer: dict[str, Any]) -> None:
    script, spec = answer["script"], spec_of(answer["script"])
    body = stored(script, answer["ast"], spec)
    assert is_rendering(spec, script, OWNER, body)
    assert not is_rendering(spec, f"{script}\n// one more line", OWNER, body)
    assert not is_rendering(spec, script, OWNER, body.replace("range", "Range", 1))


def test_another_schedule_window_or_name_is_another_rendering() -> None:
    answer = next(one for one in ANSWERS if "v.timeRangeStart" in one["script"] and "option task" not in one["script"])
    script = answer["script"]
    body = stored(script, answer["ast"], spec_of(script))
    for other in ({"every": "2h"}, {"offset": "6m"}, {"name": "x"}, {"window": {"period": "2h"}}):
        assert not is_rendering(spec_of(script, **other), script, OWNER, body)


def test_the_tests_cover_the_window() -> None:
    assert any("v.timeRangeStart" in one["script"] for one in ANSWERS)
