"""``influxops tree`` and ``influxops top``, as processes, against real servers."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta

import pytest
import yaml

from tests.support import command
from tests.support.lab import CONNECTION, POLICY, TASK, Lab
from tests.support.reader import reader_kubeconfig
from tests.support.runcommands import FAILS, WORKS, good, influxops, ran

MOVES = 'from(bucket: "raw") |> range(start: -1h) |> to(bucket: "hourly")\n'


def squeezed(text: str) -> list[str]:
    """The lines with one blank where there are many."""
    return [re.sub(r" {2,}", " ", line).strip() for line in text.splitlines()]


def test_the_tree(lab: Lab) -> None:
    """Connection, policies, tasks, and the buckets of each task with the policies that manage them."""
    lab.connect()
    lab.policy("hourly", "hourly", "52w")
    lab.task("moves", MOVES)
    lab.task("broken", "x = nobody\n")
    lab.synced(POLICY, "hourly")
    moves = lab.task_id("moves")
    lab.rests(TASK, "broken", "InvalidScript")
    ran(lab, moves, 1)
    lab.until(TASK, "moves", "its run", lambda one: one["status"].get("lastRun"))
    ns = lab.namespace
    lines = squeezed(good(influxops(lab, "tree")))
    lines[4] = re.sub(r"\d+[smh] success", "AGE success", lines[4])
    assert lines == [
        "NAME READY REASON LAST RUN RESULT",
        f"InfluxConnection {ns}/main True Synced",
        f"├─ RetentionPolicy {ns}/hourly True Synced",
        f"├─ InfluxTask {ns}/broken False InvalidScript",
        f"└─ InfluxTask {ns}/moves True Synced AGE success",
        "├─ reads raw (infinite, no RetentionPolicy)",
        f"└─ writes hourly (364d, RetentionPolicy {ns}/hourly)",
    ]
    assert "undefined identifier nobody" in good(influxops(lab, "tree", "-o", "wide"))
    found = json.loads(good(influxops(lab, "tree", "connection/main", "-o", "json")))
    (root,) = found["items"]
    assert (root["kind"], root["name"], found["notes"]) == ("InfluxConnection", "main", [])
    task = next(child for child in root["children"] if child["name"] == "moves")
    assert [(bucket["use"], bucket["name"]) for bucket in task["children"]] == [("reads", "raw"), ("writes", "hourly")]
    assert task["children"][1]["policy"] == f"{ns}/hourly"
    one = yaml.safe_load(good(influxops(lab, "tree", "rp/hourly", "-o", "yaml")))["items"][0]
    assert [child["name"] for child in one["children"]] == ["hourly"]


def test_what_is_missing_is_said(lab: Lab) -> None:
    """A bucket that went, a connection that nobody made, and a Secret that the user may not read."""
    lab.connect()
    lab.influx.new_bucket("hourly")
    lab.task("moves", MOVES)
    lab.synced(TASK, "moves")
    lab.influx.call("DELETE", f"buckets/{lab.influx.bucket('hourly')['id']}")
    assert "writes hourly False DependencyNotReady" in " ".join(squeezed(good(influxops(lab, "tree"))))
    lab.create(TASK, "lost", {"connectionRef": {"name": "nowhere"}, "flux": MOVES, "every": "1h"})
    done = influxops(lab, "tree")
    assert f"InfluxConnection {lab.namespace}/nowhere Unknown NotFound" in squeezed(good(done))
    assert "nowhere does not exist, and objects refer to it" in done.stderr
    narrow = influxops(lab, "tree", "moves", kubeconfig=reader_kubeconfig(lab.stack, lab.namespace))
    assert f"└─ InfluxTask {lab.namespace}/moves" in good(narrow)
    assert "writes hourly" not in narrow.stdout
    assert "buckets are not shown" in narrow.stderr


def test_top(lab: Lab) -> None:
    """Failures, order, and what a run by hand does not count for."""
    lab.connect()
    lab.task("good", WORKS, every="24h")
    lab.task("bad", FAILS, every="24h")
    lab.task("idle", WORKS, cron="0 3 * * *")
    good_id, bad_id = lab.task_id("good"), lab.task_id("bad")
    lab.synced(TASK, "idle")
    ran(lab, good_id, 1, 2, 3)
    ran(lab, bad_id, 1)
    head, *rows = squeezed(good(influxops(lab, "top", "--sort", "failed", "-o", "wide")))
    assert head == "NAMESPACE NAME SCHEDULE RUNS FAILED MEAN LAST MAX BUSY LATE LATE MAX TOTAL CONNECTION TASK ID"
    cells = [row.split() for row in rows]
    assert [cell[1] for cell in cells] == ["bad", "good", "idle"]
    assert [cell[3:5] for cell in cells[:2]] == [["1", "100%"], ["3", "0%"]]
    assert cells[1][9] == "-"  # nobody is late for a run by hand
    assert cells[1][-2:] == [f"{lab.namespace}/main", good_id]
    assert "idle 0 3 * * * 0 - - - - - -" in rows[2]
    found = json.loads(good(influxops(lab, "top", "--sort", "runs", "--limit", "1", "-o", "json")))
    (most,) = found["items"]
    runs = [run for run in lab.influx.runs(good_id) if run.get("finishedAt")]
    took = [datetime.fromisoformat(run["finishedAt"]) - datetime.fromisoformat(run["startedAt"]) for run in runs]
    assert (most["name"], most["runs"], most["failed"], most["taskID"]) == ("good", 3, 0, good_id)
    assert most["totalSeconds"] == pytest.approx(sum(took, timedelta()).total_seconds(), abs=0.001)
    assert most["busyShare"] == pytest.approx(most["meanSeconds"] / 86400, abs=0.000001)
    assert found["notes"] == ["2 more tasks are not shown; --limit shows more"]


def test_top_of_the_schedule_knows_how_late_runs_start(lab: Lab) -> None:
    """A task of every second runs by itself, a moment after its slot."""
    lab.connect()
    lab.task("often", WORKS, every="1s", offset="1s")
    task_id = lab.task_id("often")
    lab.in_influx("a run", lambda: [run for run in lab.influx.runs(task_id) if run.get("finishedAt")])
    (often,) = json.loads(good(influxops(lab, "top", "-o", "json")))["items"]
    assert 0 <= often["lateSeconds"] < 5
    assert often["schedule"] == "1s +1s"


def test_top_without_the_secret_or_the_server(lab: Lab) -> None:
    """What status holds, with a note; an address that this user does reach helps against the latter."""
    lab.connect()
    lab.task("good", WORKS, every="24h")
    ran(lab, lab.task_id("good"), 1)
    lab.until(TASK, "good", "its run", lambda one: one["status"].get("history"))
    kubeconfig = reader_kubeconfig(lab.stack, lab.namespace)
    done = influxops(lab, "top", kubeconfig=kubeconfig)
    assert squeezed(good(done))[1].split()[:4] == [lab.namespace, "good", "24h", "1"]
    assert "only the runs of .status.history are counted" in done.stderr
    lab.patch(CONNECTION, "main", url="http://127.0.0.1:9")
    done = influxops(lab, "top")
    assert squeezed(good(done))[1].split()[:4] == [lab.namespace, "good", "24h", "1"]
    assert "only the runs of .status.history are counted" in done.stderr
    assert "cannot connect" in done.stderr
    assert "name it with --url" in done.stderr
    forwarded = influxops(lab, "top", "--url", lab.org.url)
    assert squeezed(good(forwarded))[1].split()[:4] == [lab.namespace, "good", "24h", "1"]
    assert forwarded.stderr == ""
    lab.patch(CONNECTION, "main", url=lab.org.url)  # so that the task can go


def test_all_namespaces(lab: Lab) -> None:
    """-A goes with no name; it shows at least what this test has made."""
    lab.connect()
    lab.task("good", WORKS)
    lab.synced(TASK, "good")
    kubeconfig = str(lab.stack.kubeconfig)
    trees = json.loads(good(command.influxops("tree", "-A", "-o", "json", KUBECONFIG=kubeconfig)))["items"]
    assert (lab.namespace, "main") in [(tree["namespace"], tree["name"]) for tree in trees]
    tasks = json.loads(good(command.influxops("top", "-A", "--limit", "500", "-o", "json", KUBECONFIG=kubeconfig)))
    assert (lab.namespace, "good") in [(task["namespace"], task["name"]) for task in tasks["items"]]


def test_nothing_there(lab: Lab) -> None:
    """A sentence, not an empty table; for programs an empty list. And mistakes."""
    done = influxops(lab, "tree")
    assert (
        good(done),
        done.stderr.startswith("no InfluxConnection, InfluxTask, InfluxPipeline or RetentionPolicy in"),
    ) == ("", True)
    assert json.loads(good(influxops(lab, "top", "-o", "json"))) == {"items": [], "notes": []}
    assert "does not exist; kubectl get influxtasks" in influxops(lab, "tree", "nobody").stderr
