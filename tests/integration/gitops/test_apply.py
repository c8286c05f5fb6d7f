"""Manifests that are applied again change nothing, and influxops owns nothing that a manifest could say."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.expect import unchanged
from tests.support.flux import repository
from tests.support.lab import CONNECTION, PIPELINE, POLICY, TASK, Lab

OURS = "influxops"
CLIENT = ("apply",)
SERVER = ("apply", "--server-side")
OTHER = ("apply", "--server-side", "--field-manager=argocd-controller")
"""Argo CD's server-side apply; without --force-conflicts, so that any field which influxops owned would be told."""
WAYS = {"client-side": CLIENT, "server-side": SERVER, "as Argo CD": OTHER}
Object = dict[str, Any]


@contextmanager
def asleep(lab: Lab) -> Iterator[None]:
    """The operator rests meanwhile, for a run that ends just now is news and changes a status; what it had sent before has landed."""
    lab.operator.process.send_signal(signal.SIGSTOP)
    try:
        unchanged("nothing lands any more", lambda: versions(lab), 4)
        yield
    finally:
        lab.operator.process.send_signal(signal.SIGCONT)


@pytest.fixture
def samples(lab: Lab) -> str:
    """All of manifests/samples as one text, adapted to the lab."""
    files = {path: text for path, text in repository(lab).items() if path.startswith("manifests/samples/")}
    listed = [path for path in files if "kustomization" not in path and "secret" not in path]
    lab.secret(token=lab.org.token)
    lab.influx.new_bucket("hourly", 364 * 86400)  # so that no task has to wait for it
    return "\n---\n".join(files[path] for path in sorted(listed))


def applied(lab: Lab, way: tuple[str, ...], samples: str) -> str:
    """Apply the samples; what kubectl said."""
    return lab.stack.kubectl("-n", lab.namespace, *way, "-f", "-", input=samples).stdout


def settled(lab: Lab) -> dict[str, Object]:
    """Wait until all of the samples are Ready; the objects."""
    found = {}
    for kind, names in {
        CONNECTION: ("main",),
        POLICY: ("raw", "hourly", "validated", "enriched", "daily", "alerts", "ledger"),
        TASK: ("cpu-downsample", "cpu-peak", "meter-broken"),
        PIPELINE: ("climate",),
    }.items():
        found |= {f"{kind}/{name}": lab.synced(kind, name) for name in names}
    return found


def versions(lab: Lab) -> dict[str, tuple[str, int]]:
    """Resource version and generation of every object of ours."""
    return {
        f"{kind}/{item['metadata']['name']}": (item["metadata"]["resourceVersion"], item["metadata"]["generation"])
        for kind, item in lab.objects()
    }


def owns_no_spec(item: Object) -> None:
    """By managedFields: influxops has the status by server-side apply, and its finalizer; nobody else has the status."""
    entries = item["metadata"]["managedFields"]
    status = [entry for entry in entries if "f:status" in entry["fieldsV1"]]
    rest = [entry["fieldsV1"] for entry in entries if entry["manager"] == OURS and entry not in status]
    assert [(entry["manager"], entry["operation"], entry["subresource"]) for entry in status] == [
        (OURS, "Apply", "status")
    ]
    assert set(status[0]["fieldsV1"]) == {"f:status"}
    finalizer = {"f:metadata": {"f:finalizers": {".": {}, 'v:"influxops.dev/cleanup"': {}}}}
    assert rest == ([] if item["kind"] == PIPELINE else [finalizer])  # nothing of a pipeline is to be undone
    annotations = item["metadata"].get("annotations") or {}
    assert set(annotations) <= {"kubectl.kubernetes.io/last-applied-configuration"}


@pytest.mark.parametrize("way", WAYS)
def test_applied_again_nothing_changes(lab: Lab, samples: str, way: str) -> None:
    """No difference is shown, nothing is written, nothing conflicts: influxops owns no field that a manifest has."""
    applied(lab, WAYS[way], samples)
    for item in settled(lab).values():
        assert item["metadata"]["generation"] == 1
        owns_no_spec(item)
    differ = ("diff", *WAYS[way][1:])
    with asleep(lab):
        before = versions(lab)
        shown = lab.stack.kubectl("-n", lab.namespace, *differ, "-f", "-", input=samples, check=False)
        assert (shown.returncode, shown.stdout) == (0, ""), shown.stderr
        said = applied(lab, WAYS[way], samples)
        assert versions(lab) == before
        if way == "client-side":
            assert [line.rpartition(" ")[2] for line in said.splitlines()] == ["unchanged"] * len(said.splitlines())
    assert len(before) == 12


def test_a_field_that_leaves_git_leaves_the_object(lab: Lab, samples: str) -> None:
    """For whoever applied it owned it alone; and InfluxDB follows."""
    look: Callable[[], Object] = lambda: lab.influx.task(lab.status(TASK, "cpu-downsample")["taskID"])  # noqa: E731
    applied(lab, SERVER, samples)
    settled(lab)
    assert look()["offset"] == "2s"
    applied(lab, SERVER, samples.replace("  offset: 2s\n", ""))
    assert "offset" not in lab.synced(TASK, "cpu-downsample")["spec"]
    lab.in_influx("no offset", look, lambda task: "offset" not in task)
