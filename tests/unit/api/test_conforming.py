"""A stored status that is not of the CRD is read without what is wrong in it."""

from __future__ import annotations

from typing import Any

import pytest

from influxops.api.conforming import conforming_status

READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Synced",
    "message": "m",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
RIGHT = {"observedGeneration": 1, "conditions": [READY], "taskID": "0000000000000001", "consecutiveFailures": 0}


def test_what_is_right_is_the_same_object() -> None:
    """Nothing is copied for the many that are as they should be."""
    assert conforming_status("InfluxTask", RIGHT) is RIGHT


@pytest.mark.parametrize("status", ["fine", 7, None, [], True])
def test_what_is_no_object_is_nothing(status: Any) -> None:
    """As if it had never been written."""
    assert conforming_status("InfluxTask", status) is None


@pytest.mark.parametrize(
    ("wrong", "kept"),
    [
        ({"taskID": 5}, {}),
        ({"observedGeneration": True}, {}),
        ({"observedGeneration": 1.5}, {}),
        ({"conditions": "Ready"}, {}),
        ({"conditions": [None, 7, {"type": "Ready"}, READY]}, {"conditions": [READY]}),
        ({"conditions": [{**READY, "message": ["a"]}]}, {"conditions": []}),
        ({"lastRun": 1, "history": [{}, "x"]}, {"history": []}),
        ({"plan": "later", "slots": []}, {}),
        ({"unknown": {"of": "us"}}, {"unknown": {"of": "us"}}),
    ],
)
def test_what_is_wrong_is_left_out(wrong: dict[str, Any], kept: dict[str, Any]) -> None:
    """Alone, and with the whole part that cannot do without it."""
    whole = {name: value for name, value in RIGHT.items() if name not in wrong}
    assert conforming_status("InfluxTask", {**whole, **wrong}) == {**whole, **kept}
