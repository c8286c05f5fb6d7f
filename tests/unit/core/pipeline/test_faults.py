"""One function finds all that is wrong with a pipeline's windows and graph, with the path of each fault."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from influxops.api.influxpipeline import InfluxPipelineSpec
from influxops.core.pipeline.faults import pipeline_faults, pipeline_warnings
from influxops.core.pipeline.native import native_fault
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.schedule import Schedule, of_text

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def _spec(*stages: dict[str, Any], **window: str) -> InfluxPipelineSpec:
    return InfluxPipelineSpec.model_validate(
        {
            "connectionRef": {"name": "main"},
            "window": {"every": "1h", **window},
            "stages": [{"flux": "x = 1", **stage} for stage in stages],
        }
    )


def _paths(spec: InfluxPipelineSpec) -> list[str]:
    return [fault.path for fault in pipeline_faults(spec, BEGIN)[2]]


def test_a_good_pipeline_has_its_graph_and_a_cadence_for_each_stage() -> None:
    """Hours of UTC into days of Berlin, both counted from the same grid."""
    spec = _spec(
        {"name": "hours"},
        {"name": "days", "dependsOn": ["hours"], "window": {"every": "1d"}},
        timezone="Europe/Berlin",
    )
    graph, cadences, faults = pipeline_faults(spec, BEGIN)
    assert faults == []
    assert graph is not None
    assert graph.order == ("hours", "days")
    assert cadences == {"hours": cadence("1h", zone="Europe/Berlin"), "days": cadence("1d", zone="Europe/Berlin")}


def test_the_faults_of_the_graph_and_of_the_windows_come_together_in_manifest_order() -> None:
    """A reader mends all of them at once."""
    spec = _spec(
        {"name": "a", "dependsOn": ["nobody"]},
        {"name": "b", "dependsOn": ["a"], "window": {"every": "90m"}},
        {"name": "c", "dependsOn": ["b", "c"]},
    )
    graph, _, faults = pipeline_faults(spec, BEGIN)
    assert graph is None
    assert [fault.path for fault in faults] == [
        "spec.stages[0].dependsOn",
        "spec.stages[1].window",
        "spec.stages[2].dependsOn",
        "spec.stages[2].dependsOn[0]",
    ]
    assert "stage a: " in faults[1].message


@pytest.mark.parametrize(
    ("window", "path"),
    [
        ({"timezone": "Europe/Nowhere"}, "spec.window.timezone"),
        ({"every": "1d", "period": "1h"}, "spec.window.period"),
        ({"every": "1h", "period": "1mo"}, "spec.window.period"),
    ],
)
def test_windows_that_cannot_be(window: dict[str, str], path: str) -> None:
    """Told once, at the pipeline, not again at each stage."""
    assert _paths(_spec({"name": "a"}, {"name": "b", "dependsOn": ["a"], "window": {"every": "1mo"}}, **window)) == [
        path
    ]


def test_a_window_of_one_stage_that_cannot_be() -> None:
    """Told at that stage."""
    assert _paths(_spec({"name": "a"}, {"name": "b", "window": {"every": "1d", "period": "1h"}})) == [
        "spec.stages[1].window.period"
    ]


def test_overlapping_windows_cannot_be_replaced_nor_compared_as_a_whole() -> None:
    """What other windows wrote there would be lost, or counted."""
    stage = {"name": "a", "source": {"bucket": "raw"}, "destination": {"bucket": "out", "measurement": "m"}}
    checks = [{"type": "RowCount", "min": 1}, {"type": "Checksum"}, {"type": "Conservation", "countField": "n"}]
    sliding = {**stage, "window": {"every": "1h", "period": "3h"}, "writeDisposition": "Replace", "checks": checks}
    assert _paths(_spec(sliding)) == [
        "spec.stages[0].writeDisposition",
        "spec.stages[0].checks[1].type",
        "spec.stages[0].checks[2].type",
    ]
    assert _paths(_spec({**sliding, "window": {"every": "1h", "period": "60m"}})) == []


def test_a_stage_that_writes_into_its_own_source_is_refused() -> None:
    """Each run would call for another."""
    stage = {"name": "a", "source": {"bucket": "raw", "measurement": "m"}, "destination": {"bucket": "raw"}}
    assert _paths(_spec(stage)) == ["spec.stages[0].destination"]


def test_a_stage_that_reads_what_it_does_not_wait_for_is_a_warning() -> None:
    """It might be on purpose."""
    spec = _spec(
        {"name": "a", "destination": {"bucket": "mid", "measurement": "m"}},
        {"name": "b", "source": {"bucket": "mid", "measurement": "m"}},
    )
    graph, _, faults = pipeline_faults(spec, BEGIN)
    assert graph is not None
    assert faults == []
    assert [fault.path for fault in pipeline_warnings(spec, graph)] == ["spec.stages[1].dependsOn"]


def _schedule(text: str) -> Schedule:
    found = of_text(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("schedule", "every", "zone"),
    [
        ("1h", "1h", "UTC"),
        ("1h +10m", "1h", "Europe/Berlin"),
        ("0 0 * * *", "1d", "UTC"),
        ("1d", "1d", "UTC"),
        ("7d", "1w", "UTC"),
        ("0 0 * * MON", "1w", "UTC"),
        ("0 0 1 * *", "1mo", "UTC"),
        ("0 0 1 1 *", "1y", "UTC"),
    ],
)
def test_a_native_task_whose_slots_are_the_ends_of_the_windows(schedule: str, every: str, zone: str) -> None:
    """Its offset does not matter: it delays the run, not the slot."""
    assert native_fault(_schedule(schedule), None, cadence(every, zone=zone), BEGIN) == ""


@pytest.mark.parametrize(
    ("schedule", "every", "zone", "tells"),
    [
        ("2h", "1h", "UTC", "2026-01-01T01:00:00Z"),
        ("30m", "1h", "UTC", "runs for 2026-01-01T00:30:00Z"),
        ("0 9-17 * * *", "1h", "UTC", "runs for 2026-01-01T09:00:00Z"),
        ("0 23 * * *", "1d", "Europe/Berlin", "2026-03-29T22:00:00Z"),
        ("1h", "1h", "Asia/Kolkata", "ends at 2026-01-01T00:30:00Z"),
    ],
)
def test_a_native_task_that_runs_at_other_times(schedule: str, every: str, zone: str, tells: str) -> None:
    """The first window that it would miss is named, be it in summer only."""
    assert tells in native_fault(_schedule(schedule), None, cadence(every, zone=zone), BEGIN)


def test_a_native_task_with_a_window_of_another_length() -> None:
    """Its runs would cover something else."""
    hour = cadence("1h")
    assert "24h long" in native_fault(_schedule("1h"), cadence("24h").every, hour, BEGIN)
    assert native_fault(_schedule("1h"), cadence("60m").every, hour, BEGIN) == ""


def test_windows_that_begin_at_the_same_moment_are_refused() -> None:
    """A month back from the last days of March is the end of February for all of them; thirty days back is not, nor is a
    month back each week.
    """
    for every, period, paths in (
        ("1d", "1mo", ["spec.stages[1].window.period"]),
        ("1d", "1y", ["spec.stages[1].window.period"]),
        ("1d", "30d", []),
        ("1w", "1mo", []),
        ("1mo", "3mo", []),
    ):
        spec = _spec({"name": "days"}, {"name": "slide", "window": {"every": every, "period": period}}, every="1d")
        assert _paths(spec) == paths, (every, period)
    spec = _spec({"name": "slide", "window": {"every": "1d", "period": "1mo"}})
    assert str(pipeline_faults(spec, BEGIN)[2][0]).startswith(
        "spec.stages[0].window.period: the windows 2026-02-28T00:00:00Z/2026-03-28T00:00:00Z and "
        "2026-02-28T00:00:00Z/2026-03-29T00:00:00Z begin at the same moment, for 1mo before either is the same day"
    )
