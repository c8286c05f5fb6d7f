"""``influxops explain`` as its user meets it: manifests, a real InfluxDB, text and JSON."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from devstack.influx import InfluxOrg
from tests.support import command
from tests.support.influx_admin import Admin

TASK = """\
apiVersion: influxops.dev/v1alpha1
kind: InfluxTask
metadata: {{name: {name}, namespace: plant}}
spec:
  connectionRef: {{name: main}}
  every: 1h
  offset: 5m
  {script}
"""
FLUX = (
    'from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop) '
    '|> aggregateWindow(every: 5m, fn: FN, timeSrc: "_start", createEmpty: false) |> to(bucket: "raw")'
)


def task(name: str, **script: Any) -> str:
    ((field, value),) = script.items()
    return TASK.format(name=name, script=f"{field}: {json.dumps(value)}")


def explain(org: InfluxOrg, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = command.influxops("explain", *arguments, "--url", org.url, "--org", org.org, INFLUX_TOKEN=org.token)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
async def points(influx_org: InfluxOrg) -> InfluxOrg:
    """Twelve points in the hour from 2026-03-10T08:00Z."""
    async with Admin(influx_org.url, influx_org.token) as admin:
        await admin.write(influx_org.org_id, "raw", *(f"m,h=a f={n} {1773129600 + 300 * n}" for n in range(12)))
    return influx_org


def test_a_manifest_is_explained(points: InfluxOrg, tmp_path: Path) -> None:
    """Slot, window, rows, cost and verdict of the slot before --at; a median is told as not pushed down."""
    (tmp_path / "t.yaml").write_text(task("mean", flux=FLUX.replace("FN", "mean")) + "---\n" + task("median", flux=FLUX.replace("FN", "median")))  # fmt: skip
    arguments = ("-f", str(tmp_path), "--at", "2026-03-10T10:20:00+01:00")
    mean, median = json.loads(explain(points, *arguments, "-o", "json").stdout)
    for one in (mean, median):
        assert one["slot"] == "2026-03-10T09:00:00Z"
        assert one["window"] == {"start": "2026-03-10T08:00:00Z", "stop": "2026-03-10T09:00:00Z"}
        assert (one["ran"], one["rows"], one["series"]) == (True, 12, 1)
        assert 'option task = {name: "plant/' in one["script"]
        assert one["cost"]["totalSeconds"] > 0
    assert [source["pushedDown"] for source in mean["sources"]] == [True]
    assert [source["pushedDown"] for source in median["sources"]] == [False]
    text = explain(points, "median", *arguments).stdout
    assert "NOT PUSHED DOWN: ReadRange" in text
    assert "To change it: " in text
    assert "plant/mean" not in text


def test_a_template_of_the_library_is_pushed_down_as_it_promises(points: InfluxOrg, tmp_path: Path) -> None:
    """All five reads of downsample."""
    values = {"bucket": "raw", "measurement": "m", "fields": ["f"], "toBucket": "raw", "toMeasurement": "m_1h"}
    (tmp_path / "t.yaml").write_text(task("down", template={"library": "downsample", "values": values}))
    (found,) = json.loads(explain(points, "-f", str(tmp_path), "--at", "2026-03-10T09:00:00Z", "-o", "json").stdout)
    assert [source["pushedDown"] for source in found["sources"]] == [True] * 5
    assert (found["rows"], found["series"]) == (5, 5)


def test_what_cannot_be_run_harmlessly_is_shown(points: InfluxOrg, tmp_path: Path) -> None:
    """With the reason, and exit status 0."""
    (tmp_path / "t.yaml").write_text(task("out", flux='import "http"\n' + FLUX.replace("FN", "mean")))
    text = explain(points, "-f", str(tmp_path)).stdout
    assert "Not run, for it could not be kept from doing what it does:" in text
    assert "it imports http" in text


def test_mistakes_are_told(points: InfluxOrg, tmp_path: Path) -> None:
    """One sentence, exit status 2; a script that fails when it runs has exit status 1."""
    (tmp_path / "t.yaml").write_text(task("bad", flux=FLUX.replace("FN", "nothing")))
    assert "undefined identifier nothing" in explain(points, "-f", str(tmp_path), code=2).stderr
    assert "there is no InfluxTask other" in explain(points, "other", "-f", str(tmp_path), code=2).stderr
    assert "--at" in explain(points, "-f", str(tmp_path), "--at", "noon", code=2).stderr
    (tmp_path / "t.yaml").write_text(task("lost", flux=FLUX.replace("FN", "mean").replace('"raw"', '"nowhere"', 1)))
    assert "It fails: " in explain(points, "-f", str(tmp_path), code=1).stdout


PIPELINE = """\
apiVersion: influxops.dev/v1alpha1
kind: InfluxPipeline
metadata: {{name: plant, namespace: plant}}
spec:
  connectionRef: {{name: main}}
  window: {{every: 1h, timezone: Europe/Berlin}}
  begin: "2026-03-01T00:00:00Z"
  stages:
    - name: mean
      flux: {mean}
    - name: day
      dependsOn: [mean]
      window: {{every: 1d}}
      flux: {day}
"""


def test_stages_of_a_pipeline_are_explained(points: InfluxOrg, tmp_path: Path) -> None:
    """Each over its own last window before --at: an hour, and a local day; one alone when it is named."""
    day = FLUX.replace("every: 5m", "every: 1d").replace("FN", "sum")
    text = PIPELINE.format(mean=json.dumps(FLUX.replace("FN", "mean")), day=json.dumps(day))
    (tmp_path / "p.yaml").write_text(text)
    arguments = ("-f", str(tmp_path), "--at", "2026-03-10T23:20:00Z", "-o", "json")
    mean, whole = json.loads(explain(points, *arguments).stdout)
    assert mean["window"] == {"start": "2026-03-10T22:00:00Z", "stop": "2026-03-10T23:00:00Z"}
    assert whole["window"] == {"start": "2026-03-09T23:00:00Z", "stop": "2026-03-10T23:00:00Z"}
    assert (whole["ran"], mean["rows"]) == (True, 0)
    (alone,) = json.loads(explain(points, "pipeline/plant/day", *arguments).stdout)
    assert alone["name"].endswith("stage day")
    assert "timeRangeStart: 2026-03-09T23:00:00Z" in alone["script"]
    missing = explain(points, "pipeline/plant/month", *arguments, code=2).stderr
    assert "stage month" in missing
