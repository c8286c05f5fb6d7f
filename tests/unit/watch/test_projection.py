"""watch.projection: what is kept of an object, and how little that is."""

from __future__ import annotations

import gc
import tracemalloc
from datetime import UTC, datetime

from influxops.core.keys import Key, Kind
from influxops.watch.projection import project
from tests.support.kubeobjects import body


def test_keeps_what_the_operator_reads() -> None:
    record = project(
        Kind.TASK,
        body(
            uid="u7",
            version=42,
            spec={"every": "1h"},
            status={"observedGeneration": 1},
            finalizers=["influxops.dev/cleanup", "other/one"],
            annotations={
                "influxops.dev/confirm-delete": "raw",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
            },
            labels={"influxops.dev/shard": "1", "app": "x"},
            deletionTimestamp="2026-02-03T04:05:06Z",
        ),
    )
    assert record.key == Key(Kind.TASK, "team", "a")
    assert (record.uid, record.generation, record.resource_version) == ("u7", 1, "42")
    assert record.created == datetime(2026, 1, 1, tzinfo=UTC)
    assert record.deleting
    assert record.deletion_timestamp == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert record.finalizers == ("influxops.dev/cleanup", "other/one")
    assert record.annotations == {"influxops.dev/confirm-delete": "raw"}
    assert record.labels == {"influxops.dev/shard": "1"}
    assert record.spec() == {"every": "1h"}
    assert record.status() == {"observedGeneration": 1}


def test_an_object_without_spec_status_and_extras_is_fine() -> None:
    bare = body()
    del bare["spec"]
    record = project(Kind.TASK, bare)
    assert record.spec() == record.status() == {}
    assert not record.deleting
    assert record.annotations == {}


def test_decoded_parts_are_copies() -> None:
    record = project(Kind.TASK, body(spec={"window": {"period": "1h"}}))
    record.spec()["window"]["period"] = "2h"
    assert record.spec() == {"window": {"period": "1h"}}


def test_a_record_takes_less_than_three_kilobytes() -> None:
    """A 4 KB object of JSON takes about 15 KB when decoded; a record has to be far below."""
    flux = "".join(
        f'from(bucket: "raw{n}") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n' for n in range(20)
    )
    history = [{"id": f"{n:016x}", "state": "Success", "finishedAt": "2026-01-01T00:00:00Z"} for n in range(5)]

    def one(n: int) -> dict[str, object]:
        return body(
            name=f"task-{n}",
            uid=f"{n:08x}-0000-4000-8000-000000000000",
            spec={"connectionRef": {"name": "main"}, "every": "1h", "flux": flux},
            status={"observedGeneration": 1, "taskID": f"{n:016x}", "history": history},
            finalizers=["influxops.dev/cleanup"],
        )

    count = 500
    gc.collect()
    tracemalloc.start()
    records = [project(Kind.TASK, one(n)) for n in range(count)]
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(records) == count
    assert used / count < 3000


def test_the_spec_of_a_known_generation_is_taken_over() -> None:
    known = project(Kind.TASK, body(spec={"every": "1h"}, version=1))
    later = project(Kind.TASK, body(spec={"every": "1h"}, status={"n": 1}, version=2), known)
    assert later.packed_spec is known.packed_spec
    assert later.status() == {"n": 1}
    changed = project(Kind.TASK, body(spec={"every": "2h"}, version=3, generation=2), known)
    assert changed.spec() == {"every": "2h"}
    anew = project(Kind.TASK, body(spec={"every": "3h"}, version=4, uid="other"), known)
    assert anew.spec() == {"every": "3h"}


def test_what_an_older_crd_took_is_kept_as_far_as_it_can_be_read() -> None:
    """A spec that is no object lacks everything; of a status the right parts are left, and the record says so."""
    found = project(Kind.TASK, {**body(status={"taskID": 5, "schedule": "1h"}), "spec": "everything"})
    assert (found.spec(), found.status(), found.mangled) == ({}, {"schedule": "1h"}, True)
    assert project(Kind.TASK, {**body(), "status": "fine"}).status() == {}
    assert not project(Kind.TASK, body(status={"schedule": "1h"})).mangled
