"""Completion with a cluster: names, runs and namespaces, by bash and by kubectl itself."""

from __future__ import annotations

import os
import subprocess

from tests.support.command import PROGRAM, in_bash
from tests.support.expect import eventually
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


def expect(lab: Lab, wanted: set[str], *words: str) -> dict[str, str]:
    """Ask until exactly this is offered: who presses Tab is not kept waiting for a cluster that is busy."""
    return eventually(f"completion of {words}", lambda: offered(lab, *words), lambda found: set(found) == wanted)


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
    expect(lab, {"cpu-hourly", "disk"}, "runs", *there, "")
    expect(lab, {"cpu-hourly"}, "suspend", *there, "c")
    expect(lab, {"rp/raw"}, "tree", *there, "rp/")
    runs = expect(lab, {run_id}, "retry", *there, "cpu-hourly", "")
    assert runs[run_id].startswith("success, for 20")
    eventually("the namespace", lambda: offered(lab, "runs", "-n", ""), lambda found: lab.namespace in found)
    line = f"influxops logs -n {lab.namespace} cpu-hourly "
    eventually("the run", lambda: in_bash(line, KUBECONFIG=str(lab.stack.kubeconfig)), lambda found: found == [run_id])
