"""Commands of users on the runs of tasks, and what tests of them share."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support import command
from tests.support.command import PROGRAM
from tests.support.expect import eventually
from tests.support.lab import Lab, fresh

SECRET = "hunter2"
WORKS = f'import "array"\nsecret = "{SECRET}"\narray.from(rows: [{{a: 1}}])\n'
FAILS = (
    'import "array"\narray.from(rows: [{_value: "12,5"}]) |> map(fn: (r) => ({r with _value: float(v: r._value)}))\n'
)
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
RUN = re.compile(r"[0-9a-f]{16}")


def influxops(lab: Lab, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command in the lab's namespace."""
    kubeconfig = str(more.pop("kubeconfig", lab.stack.kubeconfig))
    return command.influxops(*arguments, "-n", lab.namespace, KUBECONFIG=kubeconfig, **more)


def good(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that went well printed."""
    assert done.returncode == 0, done.stderr
    return done.stdout


def slot(days: int) -> str:
    """Midnight so many days ago; of the day on which the tests began, should it end meanwhile."""
    return f"{TODAY - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def made(lab: Lab, flux: str = WORKS, **spec: Any) -> tuple[str, str]:
    """A new task that is Ready, and runs by itself at midnight only; its name and its id in InfluxDB."""
    name = fresh()
    lab.task(name, flux, **{"every": "24h", **spec})
    return name, lab.task_id(name)


def ran(lab: Lab, task_id: str, *days: int, over: bool = True) -> list[str]:
    """Have slots run, by InfluxDB's own API, and wait for their end unless told otherwise; the ids of the runs."""
    asked = [lab.influx.call("POST", f"tasks/{task_id}/runs", {"scheduledFor": slot(one)})["id"] for one in days]

    def finished() -> set[str]:
        return {run["id"] for run in lab.influx.runs(task_id) if run.get("finishedAt")}

    if over:
        eventually("the runs are over", finished, lambda ids: ids >= set(asked))
    return asked


def on_a_terminal(lab: Lab, *arguments: str, **variables: str) -> str:
    """What a command prints when it has a terminal."""
    ours, theirs = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "TERM"}}
    env |= {"KUBECONFIG": str(lab.stack.kubeconfig), "TERM": "xterm", **variables}
    with subprocess.Popen([PROGRAM, *arguments, "-n", lab.namespace], stdout=theirs, env=env) as process:
        os.close(theirs)
        text = b""
        try:
            while chunk := os.read(ours, 65536):
                text += chunk
        except OSError:  # how Linux says that the other end is closed
            pass
        assert process.wait(60) == 0
    os.close(ours)
    return text.decode()
