"""``influxops windows``, ``graph`` and ``tree`` on a pipeline: a real API server, a real ledger in a real InfluxDB."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from devstack.stack import Stack
from influxops.core.pipeline.drawing.timespan import moment
from influxops.core.pipeline.ledger import Mark, encode_watermark
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.window import Window
from tests.support import command
from tests.support import stack as support
from tests.support.command import COMPLETE, PLUGIN, PROGRAM
from tests.support.expect import eventually
from tests.support.pipelines import LEDGER, MOVES, Scene, told
from tests.support.reader import reader_kubeconfig

BERLIN = "Europe/Berlin"
HOURLY, DAILY = cadence("1h", zone=BERLIN), cadence("1d", zone=BERLIN)
DAY = ("--from", "2026-10-25", "--to", "2026-10-26")
STAGES = [
    {"name": "daily", "dependsOn": ["hourly"], "window": {"every": "1d"}, "flux": MOVES},
    {
        "name": "hourly",
        "flux": MOVES,
        "source": {"bucket": "raw"},
        "destination": {"bucket": "clean"},
    },
]


def local(text: str) -> datetime:
    return moment(text, BERLIN)


def ending(text: str) -> Window:
    """The hour that ends then."""
    found = HOURLY.stopping_at(local(text))
    assert found is not None
    return found


LATE, FAILED, WAITS = ending("2026-10-25T02:00"), ending("2026-10-25T06:00"), ending("2026-10-25T23:00")


def records() -> list[WindowRecord]:
    """Of the day with 25 hours: one failed, one was tried three times, one ran again."""
    found = []
    for window in HOURLY.between(local("2026-10-25"), local("2026-10-25T22:00")):
        one = WindowRecord("hourly", window, WindowState.SUCCESS, attempt=1, rows=120, duration=0.25)
        if window == LATE:
            one = WindowRecord(
                "hourly", window, WindowState.SUCCESS, revision=2, attempt=1, cause=Cause.LATE_DATA, rows=121
            )
        elif window == FAILED:
            one = WindowRecord("hourly", window, WindowState.FAILED, attempt=4, error='could not find bucket "clean"')
        elif window.stop == local("2026-10-25T09:00"):
            one = WindowRecord("hourly", window, WindowState.SUCCESS, attempt=3, rows=120)
        found.append(one)
    return found


STATUS = {
    "watermark": "2026-10-25T01:00:00Z",
    "windows": {"pending": 1, "ready": 1, "running": 0, "succeeded": 21, "failed": 1},
    "stages": [
        {
            "name": "hourly",
            "circuit": "Open",
            "consecutiveFailures": 5,
            "failed": 1,
            "waiting": 1,
            "lastCompletion": {
                "window": {"start": "2026-10-25T20:00:00Z", "stop": "2026-10-25T21:00:00Z"},
                "finishedAt": "2026-10-25T21:00:03Z",
            },
        },
        {"name": "daily", "waiting": 1},
    ],
    "exceptions": [
        told("hourly", WAITS, "READY", "CircuitOpen", "tried again at 2026-10-25T22:30:00Z", 2),
        told(
            "daily", Window(local("2026-10-25"), local("2026-10-26")), "PENDING", "UpstreamFailed", "waits for hourly"
        ),
    ],
}
MAP = """\
        2026-10-25
STAGE   00  03 06 09 12 15 18 21
hourly  ■↻■■■■✗■■3■■■■■■■■■■■■■◆◇
daily   ◇━━━━━━━━━━━━━━━━━━━━━━━╸
"""
LEGEND = "■ succeeded 20   2-9 attempts 1   ↻ run again 1   ◆ ready 1   ◇ waiting 2   ✗ failed 1\n"


@pytest.fixture(scope="module")
def scene(stack: Stack) -> Iterator[Scene]:
    """A pipeline ``meters`` whose day with 25 hours is in the ledger; no operator."""
    with support.fresh_namespace(stack) as namespace, support.fresh_org(stack) as org:
        made = Scene(stack, namespace, org)
        made.connect()
        window = {"every": "1h", "timezone": BERLIN}
        made.create("InfluxPipeline", "meters", STATUS, begin="2026-10-24T00:00:00Z", window=window, stages=STAGES)
        for bucket in (LEDGER, "clean"):
            made.influx.new_bucket(bucket)
        made.write("meters", records())
        made.write("others", [WindowRecord("hourly", WAITS, WindowState.SUCCESS, attempt=1)])
        made.write_lines([encode_watermark(made.owner("meters"), Mark(local("2026-10-25T05:00")), datetime.now(UTC))])
        yield made


def run(scene: Scene, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    kubeconfig = more.pop("kubeconfig", str(scene.stack.kubeconfig))
    return command.influxops(*arguments, "-n", scene.namespace, **{"KUBECONFIG": kubeconfig, "COLUMNS": "", **more})


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_map(scene: Scene) -> None:
    """Title, map, legend, and below the windows that are not as they should be; no colour in a pipe."""
    done = run(scene, "windows", "meters", *DAY)
    title, drawn, legend, table = good(done).split("\n\n")
    assert title == (
        f"InfluxPipeline {scene.namespace}/meters: 25 windows of 1h, 2026-10-25 00:00 to 2026-10-26 00:00 Europe/Berlin, "
        "watermark 2026-10-25 05:00"
    )
    assert (drawn + "\n", legend + "\n") == (MAP, LEGEND)
    assert [line.split(maxsplit=5) for line in table.splitlines()] == [
        ["STAGE", "START", "STATE", "REASON", "ATTEMPT", "MESSAGE"],
        ["hourly", "2026-10-25T01:00:00+02:00", "success", "LateData", "1"],
        ["hourly", "2026-10-25T05:00:00+01:00", "failed", "RunFailed", "4", 'could not find bucket "clean"'],
        ["hourly", "2026-10-25T22:00:00+01:00", "ready", "CircuitOpen", "2", "tried again at 2026-10-25T22:30:00Z"],
        ["daily", "2026-10-25T00:00:00+02:00", "pending", "UpstreamFailed", "-", "waits for hourly"],
    ]
    assert done.stderr == ""
    assert good(run(scene, "windows", "pipeline/meters", *DAY, program=PLUGIN)) == done.stdout


def test_a_narrow_terminal(scene: Scene) -> None:
    """The map is folded, messages are cut and stand below their windows; -o wide cuts nothing."""
    lines = good(run(scene, "windows", "meters", *DAY, COLUMNS="30")).splitlines()
    maps = [line for line in lines if line.startswith(("hourly  ", "daily   ")) and "2026" not in line]
    assert maps == [
        "hourly  ■↻■■■■✗■■3■■■■■■■■■■■■",
        "daily   ◇━━━━━━━━━━━━━━━━━━━━━",
        "hourly  ■◆◇",
        "daily   ◇━╸",
    ]
    assert all(len(line) <= 30 for line in lines[: lines.index(maps[-1]) + 4])
    cut = next(line for line in lines if line.startswith("  could not find"))
    assert (len(cut), cut[-1]) == (30, "…")
    wide = good(run(scene, "windows", "meters", *DAY, "-o", "wide", COLUMNS="30"))
    assert "STOP" in wide
    assert 'could not find bucket "clean"' in wide


def test_for_programs(scene: Scene) -> None:
    """Each window of each stage, with its record; yaml says the same."""
    found = json.loads(good(run(scene, "windows", "meters", *DAY, "-o", "json")))
    assert yaml.safe_load(good(run(scene, "windows", "meters", *DAY, "-o", "yaml"))) == found
    assert found["counts"] == {"FAILED": 1, "PENDING": 2, "READY": 1, "RERUN": 1, "RETRIED": 1, "SUCCESS": 20}
    assert (found["watermark"], found["timezone"], len(found["items"])) == ("2026-10-25T04:00:00Z", BERLIN, 26)
    late = found["items"][1]
    assert late == {
        "stage": "hourly",
        "start": "2026-10-24T23:00:00Z",
        "stop": "2026-10-25T00:00:00Z",
        "state": "RERUN",
        "attempt": 1,
        "revision": 2,
        "reason": "LateData",
        "cause": "LateData",
        "rows": 121,
    }
    only = json.loads(good(run(scene, "windows", "meters", *DAY, "--stage", "daily", "-o", "json")))
    assert [(one["stage"], one["state"], one["reason"]) for one in only["items"]] == [
        ("daily", "PENDING", "UpstreamFailed")
    ]
    assert only["every"] == "1d"


def test_up_to_now(scene: Scene) -> None:
    """Without a range the last column is the window that is open; --last counts back from it."""
    found = json.loads(good(run(scene, "windows", "meters", "--last", "3", "-o", "json")))
    hours = [one for one in found["items"] if one["stage"] == "hourly"]
    assert [one["state"] for one in hours] == ["PENDING", "PENDING", "NOT_DUE"]
    assert datetime.fromisoformat(hours[-1]["stop"]) - datetime.now(UTC) <= timedelta(hours=1)
    assert good(run(scene, "windows", "meters")).count("hourly") == 1


def test_what_a_backfill_ran_before_begin(scene: Scene) -> None:
    """Windows that the schedule has nothing to do with are shown where there is a record of them, and only there."""
    made = [WindowRecord("hourly", ending(f"2026-10-23T0{hour}:00"), WindowState.SUCCESS) for hour in (2, 3)]
    scene.write("meters", made)
    found = json.loads(
        good(run(scene, "windows", "meters", "--from", "2026-10-23", "--to", "2026-10-24", "-o", "json"))
    )
    assert [(one["stage"], one["start"]) for one in found["items"]] == [
        ("hourly", "2026-10-22T23:00:00Z"),
        ("hourly", "2026-10-23T00:00:00Z"),
    ]


def test_without_the_ledger(scene: Scene) -> None:
    """Who may not read the Secret sees what the operator told; settled is what its watermark has passed."""
    narrow = str(reader_kubeconfig(scene.stack, scene.namespace))
    done = run(scene, "windows", "meters", *DAY, "--instance-id", scene.instance, kubeconfig=narrow)
    assert "hourly  □□□◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◇◆◇" in good(done)
    assert "only what .status holds is shown, without the ledger" in done.stderr
    done = run(scene, "windows", "meters", *DAY, kubeconfig=narrow)
    assert "hourly  □□□◇" in good(done)
    assert "give the id of the installation with --instance-id" in done.stderr


def test_no_bucket_and_no_server(scene: Scene) -> None:
    """Both are said, and the map is drawn all the same."""
    stages = [{"name": "one", "flux": MOVES}]
    scene.create(
        "InfluxPipeline",
        "bare",
        begin="2026-10-24T00:00:00Z",
        window={"every": "1h"},
        stages=stages,
        ledger={"bucket": "none"},
    )
    done = run(scene, "windows", "bare", "--last", "2")
    assert "one    ◇·" in good(done).splitlines()
    assert "bucket none for the ledger does not exist" in done.stderr
    done = run(scene, "windows", "meters", *DAY, "--url", "http://127.0.0.1:9")
    assert "hourly  □□□◇" in good(done)
    assert "cannot connect" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nobody",), "does not exist"),
        (("task/meters",), "is no InfluxPipeline"),
        (("meters", "--stage", "weekly"), "has no stage 'weekly'; it has hourly, daily"),
        (("meters", "--from", "noon"), "by the clock of Europe/Berlin"),
        (("meters", "--from", "2026-10-25", "--to", "2026-10-24"), "write a later --to"),
        (("meters", "--last", "99999"), "too many to draw"),
        (("meters", "--watch", "-o", "json"), "--watch is for people"),
        (("meters", "--interval", "soon"), "is not a duration"),
    ],
)
def test_mistakes(scene: Scene, arguments: tuple[str, ...], words: str) -> None:
    """One sentence, exit status 2, nothing on stdout."""
    done = run(scene, "windows", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr.replace("\n", " ")


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """A test that fails ends it; it would wait for ever for somebody who reads."""
    try:
        yield
    finally:
        process.kill()


def test_watch_on_a_terminal(scene: Scene) -> None:
    """In colour, from the top of a cleared screen, again and again with what is new, until Ctrl-C."""
    fresh = WindowRecord("hourly", ending("2026-10-24T12:00"), WindowState.SUCCESS, attempt=1)
    ours, theirs = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "COLUMNS"}}
    env |= {"KUBECONFIG": str(scene.stack.kubeconfig), "TERM": "xterm"}
    span = ("--from", "2026-10-24T10:00", "--to", "2026-10-24T12:00", "--stage", "hourly")
    line = [str(PROGRAM), "windows", "meters", *span, "--watch", "--interval", "1s", "-n", scene.namespace]
    with subprocess.Popen(line, stdout=theirs, env=env) as process, ended(process):
        os.close(theirs)
        seen = b""
        while seen.count(b"\x1b[H\x1b[2J") < 2:
            seen += os.read(ours, 65536)
        assert b"\x1b[2;32m\xe2\x96\xa1\xe2\x96\xa1\x1b[0m" in seen  # two settled windows, in green
        scene.write("meters", [fresh])
        while b"\xe2\x96\xa1\x1b[0m\x1b[32m\xe2\x96\xa0" not in seen:
            seen += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    os.close(ours)


def test_the_graph(scene: Scene) -> None:
    """Each stage with its state; Mermaid and SVG into a file, if wanted."""
    drawn = good(run(scene, "graph", "meters"))
    words = ["hourly", "every 1h, circuit open", "FAILED", "waiting 1, failed 1", "daily", "every 1d", "READY"]
    places = [drawn.index(word) for word in words]
    assert places == sorted(places)
    mermaid = good(run(scene, "graph", "meters", "--format", "mermaid"))
    assert mermaid.startswith("flowchart")
    assert "s0 --> s1" in mermaid


def test_the_graph_as_a_picture(scene: Scene, tmp_path: object) -> None:
    """One SVG element, written into the file of --out."""
    out = f"{tmp_path}/meters.svg"
    assert good(run(scene, "graph", "meters", "--format", "svg", "--out", out)) == ""
    root = ET.parse(out).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert f"InfluxPipeline {scene.namespace}/meters" in "".join(root.itertext())


def test_the_tree(scene: Scene) -> None:
    """The pipeline with its stages, what they run, read and write, and the backfills of both."""
    scene.create("InfluxTask", "rollup", flux=MOVES, every="1h")
    native = {"name": "native", "execution": "Native", "taskRef": {"name": "rollup"}}
    lost = {"name": "lost", "taskRef": {"name": "nobody"}}
    scene.create("InfluxPipeline", "second", window={"every": "1h"}, stages=[native, lost])
    span = {"start": "2026-10-01T00:00:00Z", "stop": "2026-10-02T00:00:00Z"}
    running = {"phase": "Running", "progress": "500/720", "rate": "12.5/s", "eta": "2026-11-21T23:00:00Z", "failed": 2}
    scene.create("InfluxBackfill", "october", running, pipelineRef={"name": "meters"}, **span)
    over = {"phase": "Succeeded", "progress": "24/24", "finishedAt": "2026-11-01T00:00:00Z"}
    scene.create("InfluxBackfill", "again", over, taskRef={"name": "rollup"}, **span)
    ns = scene.namespace
    text = good(run(scene, "tree"))
    assert re.search(rf"├─ InfluxTask {ns}/rollup .*\n│  └─ InfluxBackfill {ns}/again \(Succeeded, 24/24\)", text)
    assert f"InfluxPipeline {ns}/meters (watermark 2026-10-25T01:00:00Z, 1 waiting, 1 failed)" in text
    assert "stage daily (after hourly, 1 waiting)" in text
    assert "stage hourly (circuit open, 1 waiting, 1 failed)" in text
    assert "reads raw (infinite, no RetentionPolicy)" in text
    assert "writes clean (infinite, no RetentionPolicy)" in text
    assert f"InfluxBackfill {ns}/october (Running, 500/720, 2 failed, 12.5/s, until 2026-11-21T23:00:00Z)" in text
    assert f"runs InfluxTask {ns}/rollup" in text
    (root,) = json.loads(good(run(scene, "tree", "-o", "json")))["items"]
    second = next(one for one in root["children"] if one["name"] == "second")
    assert [one["children"][0]["reason"] for one in second["children"] if one["name"] == "lost"] == ["NotFound"]
    meters = next(one for one in root["children"] if one["name"] == "meters")
    daily, hourly, october = meters["children"]
    assert (daily["reason"], daily["message"], daily["result"]) == ("UpstreamFailed", "waits for hourly", "ready")
    assert (hourly["circuit"], hourly["failed"], hourly["lastRun"]) == ("Open", 1, "2026-10-25T21:00:03Z")
    assert (october["phase"], october["progress"]) == ("Running", "500/720")


def test_who_may_not_see_pipelines_sees_the_rest(scene: Scene) -> None:
    """With a note on what is missing."""
    kinds = ("influxtasks", "retentionpolicies", "influxconnections")
    narrow = str(reader_kubeconfig(scene.stack, scene.namespace, "older", kinds))
    scene.create("InfluxTask", "plain", flux=MOVES, every="1h")
    done = run(scene, "tree", kubeconfig=narrow)
    assert f"InfluxTask {scene.namespace}/plain" in good(done)
    assert "influxpipelines are not shown" in done.stderr


def test_completion(scene: Scene) -> None:
    """Names of pipelines, and of the stages of the one that was named."""

    def offered(*words: str) -> set[str]:
        done = command.influxops(*words, program=COMPLETE, KUBECONFIG=str(scene.stack.kubeconfig))
        return {line.partition("\t")[0] for line in done.stdout.splitlines()} - {":4"}

    there = ("-n", scene.namespace)
    # Who presses Tab is not kept waiting for a cluster that is busy, so it is asked again.
    eventually("names", lambda: offered("windows", *there, ""), lambda found: "meters" in found)
    eventually("names", lambda: offered("graph", *there, "m"), lambda found: found == {"meters"})
    wanted = {"hourly", "daily"}
    eventually("stages", lambda: offered("windows", *there, "meters", "--stage", ""), lambda found: found == wanted)
