"""``influxops backfill`` as a process against a real API server; the test writes the status in place of the operator."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from devstack.stack import Stack
from tests.support import command
from tests.support.command import PROGRAM
from tests.support.expect import eventually

PIPELINE = {
    "apiVersion": "influxops.dev/v1alpha1",
    "kind": "InfluxPipeline",
    "metadata": {"name": "energy"},
    "spec": {
        "connectionRef": {"name": "main"},
        "window": {"every": "1h", "timezone": "Europe/Berlin"},
        "stages": [
            {"name": "hour", "flux": 'from(bucket: "raw") |> range(start: v.timeRangeStart) |> to(bucket: "hours")'},
            {
                "name": "day",
                "dependsOn": ["hour"],
                "window": {"every": "1d"},
                "flux": 'from(bucket: "hours") |> range(start: v.timeRangeStart) |> to(bucket: "days")',
            },
        ],
    },
}
TASK = {
    "apiVersion": "influxops.dev/v1alpha1",
    "kind": "InfluxTask",
    "metadata": {"name": "cpu"},
    "spec": {"connectionRef": {"name": "main"}, "every": "1h", "flux": 'from(bucket: "raw") |> range(start: -1h)'},
}
RANGE = ("--from", "2026-11-01", "--to", "2026-11-03")
Status = dict[str, Any]


class Cluster:
    """A namespace with a pipeline and a task, and somebody who writes the status of backfills."""

    def __init__(self, stack: Stack, namespace: str) -> None:
        self.stack, self.namespace = stack, namespace
        stack.kubectl("apply", "-n", namespace, "-f", "-", input=yaml.safe_dump_all([PIPELINE, TASK]))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command, to its end."""
        return command.influxops("backfill", *arguments, "-n", self.namespace, KUBECONFIG=str(self.stack.kubeconfig))

    @contextlib.contextmanager
    def started(self, *arguments: str, terminal: int | None = None) -> Iterator[subprocess.Popen[str]]:
        """The command, going on; its progress goes to the terminal, if there is one."""
        env = {**os.environ, "KUBECONFIG": str(self.stack.kubeconfig), "TERM": "xterm", "COLUMNS": "120"}
        line = [str(PROGRAM), "backfill", *arguments, "-n", self.namespace]
        errors = subprocess.PIPE if terminal is None else terminal
        with subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def objects(self) -> list[dict[str, Any]]:
        """The backfills that there are."""
        text = self.stack.kubectl("get", "influxbackfills", "-n", self.namespace, "-o", "json").stdout
        found: list[dict[str, Any]] = json.loads(text)["items"]
        return found

    def only(self) -> str:
        """Wait for one to be made; its name."""
        found = eventually("a backfill is made", self.objects)
        return str(found[0]["metadata"]["name"])

    def tell(self, name: str, **status: Any) -> None:
        """What the operator would say."""
        line = ("patch", "influxbackfill", name, "-n", self.namespace, "--subresource=status", "--type=merge", "-p")
        self.stack.kubectl(*line, json.dumps({"status": status}))


@pytest.fixture
def cluster(stack: Stack, namespace: str) -> Cluster:
    return Cluster(stack, namespace)


def ready(status: str, reason: str, message: str) -> list[dict[str, str]]:
    one = {"type": "Ready", "status": status, "reason": reason, "message": message}
    return [{**one, "lastTransitionTime": "2026-11-21T00:00:00Z"}]


def test_an_object_is_made_and_said_how_the_range_was_understood(cluster: Cluster) -> None:
    """Days are those of the pipeline's time zone; the name is on standard output, for scripts."""
    done = cluster.run("pipeline/energy", *RANGE, "--stage", "hour", "--reprocess", "failed", "--max-active", "2")
    assert done.returncode == 0, done.stderr
    [made] = cluster.objects()
    assert done.stdout.strip() == made["metadata"]["name"]
    assert made["metadata"]["name"].startswith("energy-20261031-")
    assert made["spec"] == {
        "pipelineRef": {"name": "energy"},
        "start": "2026-10-31T23:00:00Z",
        "stop": "2026-11-02T23:00:00Z",
        "stages": ["hour"],
        "includeDescendants": True,
        "reprocess": "Failed",
        "order": "OldestFirst",
        "maxActiveWindows": 2,
        "dryRun": False,
        "suspend": False,
    }
    assert "from 2026-10-31T23:00:00Z (2026-11-01 00:00 Europe/Berlin)" in done.stderr


def test_two_backfills_of_one_range_have_two_names(cluster: Cluster) -> None:
    """And one with a name of its own has that, once."""
    for _ in range(2):
        assert cluster.run("task/cpu", *RANGE).returncode == 0
    assert cluster.run("task/cpu", *RANGE, "--name", "mine").returncode == 0
    assert len({one["metadata"]["name"] for one in cluster.objects()}) == 3
    again = cluster.run("task/cpu", *RANGE, "--name", "mine")
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_a_manifest_is_printed_and_nothing_is_made(cluster: Cluster) -> None:
    """What is printed is what the API takes; the slots of a task are of UTC."""
    done = cluster.run("task/cpu", *RANGE, "--no-descendants", "-o", "yaml")
    assert done.returncode == 0, done.stderr
    body = yaml.safe_load(done.stdout)
    assert (body["spec"]["taskRef"], body["spec"]["start"]) == ({"name": "cpu"}, "2026-11-01T00:00:00Z")
    assert cluster.objects() == []
    cluster.stack.kubectl("apply", "-f", "-", input=done.stdout)
    assert [one["metadata"]["name"] for one in cluster.objects()] == [body["metadata"]["name"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("energy", *RANGE), "write whose windows run, pipeline/NAME or task/NAME"),
        (("bucket/raw", *RANGE), "write whose windows run, pipeline/NAME or task/NAME"),
        (("pipeline/none", *RANGE), "does not exist"),
        (("pipeline/energy", "--from", "2026-11-03", "--to", "2026-11-01"), "is not after --from"),
        (("pipeline/energy", "--from", "soon", "--to", "now"), "--from: 'soon' is no time: write RFC 3339"),
        (("task/cpu", *RANGE, "--stage", "hour"), "stages belong to a pipeline"),
    ],
)
def test_a_mistake_is_one_sentence(cluster: Cluster, arguments: tuple[str, ...], said: str) -> None:
    """Exit status 2, and nothing is made."""
    done = cluster.run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert cluster.objects() == []


def test_wait_shows_a_bar_to_its_end(cluster: Cluster) -> None:
    """On a terminal: windows done of all, rate, end and failures; exit status 0 once all succeeded."""
    ours, theirs = pty.openpty()
    with cluster.started("pipeline/energy", *RANGE, "--wait", terminal=theirs) as process:
        os.close(theirs)
        shown = _Reader(ours)
        name = cluster.only()
        shown.until("the operator has not seen it yet")
        counts = {"total": 50, "succeeded": 12, "failed": 1, "skipped": 0, "progress": "13/50"}
        cluster.tell(name, phase="Running", rate="12.5/s", eta="2026-11-21T12:00:03Z", **counts)
        shown.until("13/50")
        shown.until("12.5/s, until 2026-11-21T12:00:03Z, 1 failed")
        counts = {"total": 50, "succeeded": 50, "failed": 0, "progress": "50/50"}
        cluster.tell(name, phase="Succeeded", conditions=ready("True", "Succeeded", "50 windows succeeded"), **counts)
        shown.until("50/50")
        shown.until("Succeeded: 50 windows succeeded")
        assert process.wait(30) == 0
    os.close(ours)


@pytest.mark.parametrize(
    ("phase", "message"), [("Failed", "1 of 50 windows failed"), ("Refused", "bucket raw keeps 7d; write start: X")]
)
def test_wait_tells_why_it_failed(cluster: Cluster, phase: str, message: str) -> None:
    """Exit status 1, with the reason, and the windows that failed; without a terminal, lines."""
    with cluster.started("pipeline/energy", *RANGE, "--wait") as process:
        name = cluster.only()
        window = {"start": "2026-11-01T00:00:00Z", "stop": "2026-11-01T01:00:00Z"}
        failures = [{"stage": "hour", "window": window, "message": "division by zero\x1b[31m"}]
        cluster.tell(name, phase=phase, failures=failures, conditions=ready("False", phase, message))
        out, errors = process.communicate(timeout=30)
        assert process.returncode == 1
    assert f"{phase}: {message}" in errors
    assert "hour    2026-11-01T00:00:00Z/2026-11-01T01:00:00Z   division by zero?[31m" in out


def test_a_dry_run_shows_windows_and_an_estimate(cluster: Cluster) -> None:
    """The object removes itself after a while, for it has done nothing."""
    with cluster.started("pipeline/energy", *RANGE, "--dry-run") as process:
        name = cluster.only()
        [made] = cluster.objects()
        assert (made["spec"]["dryRun"], made["spec"]["ttlSecondsAfterFinished"]) == (True, 600)
        windows = [
            {
                "stage": "hour",
                "window": {"start": f"2026-11-01T{hour:02}:00:00Z", "stop": f"2026-11-01T{hour + 1:02}:00:00Z"},
            }
            for hour in range(12)
        ]
        cluster.tell(
            name,
            phase="Succeeded",
            windows=windows,
            estimate={"windows": 1050, "duration": "1m45s"},
            skipped=3,
            conditions=ready("True", "Succeeded", "a dry run: 1,050 windows would run"),
        )
        out, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
    assert out.splitlines()[1:3] == ["STAGE   WINDOW", "hour    2026-11-01T00:00:00Z/2026-11-01T01:00:00Z"]
    assert out.splitlines()[-5:] == [
        "... and 1,040 more",
        "windows: 1,050",
        "skipped: 3",
        "duration: 1m45s",
        "rows: unknown",
    ]


def test_ctrl_c_stops_watching_only(cluster: Cluster) -> None:
    """The backfill goes on, and how to hold and end it is said."""
    with cluster.started("pipeline/energy", *RANGE, "--wait") as process:
        name = cluster.only()
        assert process.stderr is not None
        while "Pending" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 130
    assert "Traceback" not in errors
    assert f"InfluxBackfill {cluster.namespace}/{name} goes on" in errors
    assert f"kubectl delete influxbackfill {name} -n {cluster.namespace} ends it" in errors
    assert [one["metadata"]["name"] for one in cluster.objects()] == [name]


def test_a_backfill_that_is_deleted_meanwhile(cluster: Cluster) -> None:
    """Is told, with exit status 1."""
    with cluster.started("pipeline/energy", *RANGE, "--wait") as process:
        name = cluster.only()
        assert process.stderr is not None
        while "Pending" not in process.stderr.readline():
            pass
        cluster.stack.kubectl("delete", "influxbackfill", name, "-n", cluster.namespace)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 1
    assert "was deleted before its end" in errors


class _Reader:
    """What a terminal has been shown so far."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._text = ""

    def until(self, words: str) -> None:
        """Read until these words have been shown."""
        while words not in self._text:
            try:
                chunk = os.read(self._terminal, 65536).decode(errors="replace")
            except OSError:  # how Linux says that the other end is closed
                chunk = ""
            assert chunk, f"{words!r} was never shown: {self._text[-2000:]}"
            self._text += chunk
