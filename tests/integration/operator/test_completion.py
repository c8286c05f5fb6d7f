"""Completion with a cluster: names, runs and namespaces, by bash and by kubectl itself."""

from __future__ import annotations

import os
import subprocess

from tests.support.command import PROGRAM, in_bash
from tests.support.lab import POLICY, TASK, Lab
from tests.support.runcommands import WORKS, ran


def offered(lab: Lab, *words: str) -> dict[str, str]:
    """What kubectl offers for the last word of ``kubectl influx ...``, with the word on each."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("INFLUX", "KUBECONFIG"))}
    env |= {"KUBECONFIG": str(lab.stack.kubeconfig), "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    command = [str(lab.stack.binaries.kubectl), "__complete", "influx", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    *lines, directive = done.stdout.splitlines()
    assert directive == ":4", done.stdout
    return dict(line.partition("\t")[::2] for line in lines)


def test_names_runs_and_namespaces(lab: Lab) -> None:
    """Of the namespace that stands on the line, behind what is typed already."""
    lab.connect()
    lab.task("cpu-hourly", WORKS)
    lab.task("disk", WORKS)
    lab.policy("raw", "other", "30d")
    run_id = ran(lab, lab.task_id("cpu-hourly"), 2)[0]
    lab.synced(TASK, "disk")
    lab.synced(POLICY, "raw")
    lab.until(TASK, "cpu-hourly", "its run", lambda one: one["status"].get("history"))
    there = ("-n", lab.namespace)
    assert offered(lab, "runs", *there, "") == {"cpu-hourly": "InfluxTask", "disk": "InfluxTask"}
    assert set(offered(lab, "suspend", *there, "c")) == {"cpu-hourly"}
    assert set(offered(lab, "tree", *there, "rp/")) == {"rp/raw"}
    runs = offered(lab, "retry", *there, "cpu-hourly", "")
    assert set(runs) == {run_id}
    assert runs[run_id].startswith("success, for 20")
    assert lab.namespace in offered(lab, "runs", "-n", "")
    kubeconfig = str(lab.stack.kubeconfig)
    assert in_bash(f"influxops logs -n {lab.namespace} cpu-hourly ", KUBECONFIG=kubeconfig) == [run_id]
