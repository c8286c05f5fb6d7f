"""Pipelines that live in the past: a watermark's delay as long as the age of the data, so that windows end where the data do."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from tests.support.lab import BACKFILL, PIPELINE, Lab, Object
from tests.support.sensors import Place

PLUMBING = frozenset({"", "result", "table", "_start", "_stop", "_time", "_value", "_field", "_measurement"})
LEDGER = "influxops-ledger"


def told(moment: int) -> str:
    """As manifests and statuses write it."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"


def seconds(text: str) -> int:
    """Back again."""
    return int(datetime.fromisoformat(text).timestamp())


def delay_to(stop: int) -> dict[str, str]:
    """``watermark`` of a pipeline for which it is a few seconds after ``stop``."""
    return {"delay": f"{math.floor(time.time()) - stop - 5}s"}


def past(begin: int, stop: int, stages: list[dict[str, object]], **spec: object) -> Object:
    """A pipeline of hours over [begin, stop), unless told otherwise."""
    return {
        "connectionRef": {"name": "main"},
        "window": {"every": "1h"},
        "begin": told(begin),
        "watermark": delay_to(stop),
        "catchUp": {"maxWindows": 10000},
        "stages": stages,
        **spec,
    }


def settled(lab: Lab, name: str, stop: int, seconds: float = 60) -> Object:
    """Wait until every window that ends by then has succeeded and none waits, by what its present spec says."""

    def done(one: Object) -> bool:
        status = one["status"]
        failed = [odd for odd in status.get("exceptions") or () if odd["reason"] in {"RunFailed", "CircuitOpen"}]
        assert not failed, failed[:2]
        windows = status.get("windows") or {}
        fresh = status.get("observedGeneration") == one["metadata"]["generation"]
        busy = sum(windows.get(state, 1) for state in ("ready", "running", "pending", "failed"))
        return bool(fresh and status.get("watermark", "") >= told(stop) and not busy)

    return lab.until(PIPELINE, name, f"is through to {told(stop)}", done, seconds=seconds)


def backfilled(lab: Lab, name: str, pipeline: str, begin: int, stop: int, **spec: object) -> Object:
    """Create an InfluxBackfill, and wait for its end."""
    whole = {"pipelineRef": {"name": pipeline}, "start": told(begin), "stop": told(stop), **spec}
    lab.create(BACKFILL, name, whole)
    over = {"Succeeded", "Failed", "Refused"}
    return lab.until(BACKFILL, name, "is over", lambda one: one["status"].get("phase") in over, seconds=60)


def points(lab: Lab, bucket: str) -> dict[Place, float]:
    """Every point of a bucket, whatever its time."""
    flux = f'from(bucket: "{bucket}") |> range(start: 0, stop: 2100-01-01T00:00:00Z) |> toFloat()'
    body = {"query": flux, "dialect": {"header": True, "annotations": []}}
    status, text = lab.influx.raw("POST", "query", json.dumps(body), orgID=lab.org.org_id)
    assert status == 200, text
    found: dict[Place, float] = {}
    for block in text.replace("\r\n", "\n").split("\n\n"):  # one for each set of columns
        for row in csv.DictReader(io.StringIO(block)):
            tags = tuple(sorted((name, value) for name, value in row.items() if name not in PLUMBING and value))
            place = (row["_measurement"], row["_field"], tags, seconds(row["_time"]))
            assert place not in found, place
            found[place] = float(row["_value"])
    return found


def same(found: Mapping[Place, float], expected: Mapping[Place, float], what: str) -> None:
    """Every value is as expected, to the last bit, and there is no other; at least one is compared."""
    missing, others = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    wrong = {
        place: (found[place], expected[place])
        for place in sorted(expected.keys() & found.keys())
        if found[place] != expected[place]
    }
    told_ = f"{what}: {len(missing)} missing {missing[:3]}, {len(others)} others {others[:3]}, {len(wrong)} wrong "
    assert [*missing, *others, *wrong] == [], told_ + str(list(wrong.items())[:3])
    assert expected, f"{what}: nothing to compare"


def revisions(lab: Lab) -> dict[tuple[str, int], int]:
    """Revision by stage and start of window of all that has succeeded, as the ledger has it."""
    flux = (
        f'from(bucket: "{LEDGER}") |> range(start: 0, stop: 2100-01-01T00:00:00Z) '
        '|> filter(fn: (r) => r._measurement == "window_state" and (r._field == "revision" or r._field == "state")) '
        '|> toString() |> pivot(rowKey: ["stage", "_time"], columnKey: ["_field"], valueColumn: "_value") |> group()'
    )
    rows = lab.influx.rows(flux)  # a record that is being written may lack a field
    done = [row for row in rows if row.get("state") == "SUCCESS" and row.get("revision")]
    return {(row["stage"], seconds(row["_time"])): int(row["revision"]) for row in done}


def in_ledger(lab: Lab, expected: Mapping[tuple[str, int], int]) -> None:
    """Wait until the ledger, which is written a little later than the status, has exactly these revisions."""
    lab.in_influx("the ledger tells of these windows", lambda: revisions(lab), lambda found: found == expected)
