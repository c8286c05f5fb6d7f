"""What the demo puts on the screen."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from devstack.demo.samples import NAMESPACE, kubectl
from devstack.state import State

console = Console(soft_wrap=True, highlight=False)
_begin = time.monotonic()


def step(text: str) -> None:
    """A line that says what happens now, with the seconds since the start."""
    console.print(f"[bold]== {time.monotonic() - _begin:4.0f} s  {text}[/bold]")


def until_all_have_run(state: State, seconds: float) -> bool:
    """Show ``kubectl get influx`` until every task and every pipeline has a result. False when that takes too long."""
    deadline = time.monotonic() + seconds
    if not sys.stdout.isatty():
        return _until_plainly(state, deadline)
    with Live(console=console, refresh_per_second=4) as live:
        while True:
            live.update(Group(Text(f"$ kubectl -n {NAMESPACE} get influx", style="dim"), Text(_table(state))))
            if _all_have_run(state):
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(1.0)


def _until_plainly(state: State, deadline: float) -> bool:
    shown = 0.0
    while True:
        done = _all_have_run(state)
        if done or time.monotonic() - shown > 15.0:
            print(f"$ kubectl -n {NAMESPACE} get influx\n{_table(state)}", flush=True)
            shown = time.monotonic()
        if done or time.monotonic() > deadline:
            return done
        time.sleep(1.0)


def _table(state: State) -> str:
    return kubectl(state, "-n", NAMESPACE, "get", "influx")


def _all_have_run(state: State) -> bool:
    """Every task has a result, every pipeline has completed a window, and everything is Ready."""
    items: list[dict[str, Any]] = json.loads(kubectl(state, "-n", NAMESPACE, "get", "influx", "-o", "json"))["items"]
    tasks = [item for item in items if item["kind"] == "InfluxTask"]
    ready = all(_ready(item) for item in items)
    pipelines = [item for item in items if item["kind"] == "InfluxPipeline"]
    ran = all((item.get("status") or {}).get("lastRun") for item in tasks)
    return ready and bool(tasks) and ran and all(map(_has_completed, pipelines))


def _has_completed(pipeline: dict[str, Any]) -> bool:
    """Whether a stage that waits for others has completed a window."""
    waits = {stage["name"] for stage in pipeline["spec"]["stages"] if stage.get("dependsOn")}
    stages = (pipeline.get("status") or {}).get("stages") or []
    return any(stage["name"] in waits and stage.get("lastCompletion") for stage in stages)


def _ready(item: dict[str, Any]) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def failure(state: State) -> None:
    """The error of the sample that fails on purpose."""
    path = "{.status.lastRun.state}: {.status.lastRun.error}"
    text = kubectl(state, "-n", NAMESPACE, "get", "influxtask", "meter-broken", "-o", f"jsonpath={path}")
    console.print(Text(f"influxtask/meter-broken  {text}"))


def pipeline(state: State) -> None:
    """What each stage of the sample pipeline has completed."""
    item = json.loads(kubectl(state, "-n", NAMESPACE, "get", "influxpipeline", "climate", "-o", "json"))
    for stage in (item.get("status") or {}).get("stages") or []:
        done = stage.get("lastCompletion") or {}
        window = done.get("window") or {"start": "-", "stop": "-"}
        line = f"{stage['name']:<10} {window['start']:<21} {window['stop']:<21} {done.get('rows', '')}"
        console.print(Text(line.rstrip()))


def rows(found: list[dict[str, str]]) -> None:
    """Rows read back from InfluxDB."""
    for row in found:
        console.print(Text(f"{row['_time']:<24} {row['host']:<8} {float(row['_value']):8.3f}"))
    if not found:
        console.print("none: the downsample has written nothing")


def how_to_go_on(state: State, log: str) -> None:
    """The next commands."""
    console.print(
        Text(
            f"""
All is up. Go on with:
  eval "$(.venv/bin/python -m devstack env)"      # KUBECONFIG, INFLUX_HOST, INFLUX_TOKEN, INFLUX_ORG
  {state.kubectl} -n {NAMESPACE} describe influxtask cpu-downsample
  {state.kubectl} explain influxtask.spec
  InfluxDB: {state.influx_url}  user {state.influx_username}  password {state.influx_password}
  the operator's log: {log}
  make down                                       # ends everything"""
        )
    )
