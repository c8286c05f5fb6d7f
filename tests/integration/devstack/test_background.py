"""``python -m devstack up|status|env|down``, as a user types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from devstack import paths

Run = Callable[..., subprocess.CompletedProcess[str]]
ROOT = paths.SERVERS.parents[1]


@pytest.fixture
def devstack(tmp_path: Path) -> Iterator[Run]:
    """Runs the command in a temporary folder of its own, and ends what is left up."""
    env = {**os.environ, "TMPDIR": str(tmp_path)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "devstack", *arguments]
        return subprocess.run(command, cwd=ROOT, env=env, check=False, capture_output=True, text=True)

    yield run
    for name in ("default", "other"):
        run("down", "--name", name)


def pids(devstack: Run) -> dict[str, int]:
    rows = [line.split() for line in devstack("status").stdout.splitlines()[1:]]
    return {row[0]: int(row[1]) for row in rows}


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def exists(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_up_env_status_and_down(devstack: Run, tmp_path: Path) -> None:
    up = devstack("up")
    assert up.returncode == 0, up.stderr
    assert "Stack default is up." in up.stdout
    assert devstack("status").returncode == 0
    before = pids(devstack)
    assert set(before) == {"etcd", "kube-apiserver", "kube-controller-manager", "influxd"}
    assert devstack("up").returncode == 0
    assert pids(devstack) == before, "a second up leaves the stack as it is"

    script = devstack("env").stdout + '"$KUBEBUILDER_ASSETS/kubectl" get namespace default -o name'
    shell = subprocess.run(["/bin/sh", "-ec", script], check=False, capture_output=True, text=True)
    assert shell.stdout == "namespace/default\n", shell.stderr
    env = json.loads(devstack("env", "--format", "json").stdout)
    assert set(env) == {"KUBECONFIG", "INFLUX_HOST", "INFLUX_TOKEN", "INFLUX_ORG", "KUBEBUILDER_ASSETS", "INFLUXD"}

    down = devstack("down")
    assert down.returncode == 0
    assert not any(exists(pid) for pid in before.values())
    assert not Path(env["KUBECONFIG"]).exists()
    (logs,) = tmp_path.glob("influxops-devstack-*/default/logs")
    assert (logs / "influxd.log").exists()
    assert devstack("env").stdout == ""
    assert devstack("env").returncode == devstack("status").returncode == 1
    assert devstack("down").returncode == 0, "down twice is fine"


def test_a_server_that_ends_is_started_again_and_named_stacks_are_apart(devstack: Run) -> None:
    assert devstack("up").returncode == 0
    assert devstack("up", "--name", "other").returncode == 0
    before = pids(devstack)
    assert before != pids(lambda *arguments: devstack(*arguments, "--name", "other"))
    os.kill(before["influxd"], signal.SIGKILL)
    wait(lambda: devstack("status").returncode == 0 and pids(devstack)["influxd"] != before["influxd"])
    assert devstack("down").returncode == 0
    assert devstack("status", "--name", "other").returncode == 0


def test_the_servers_end_with_a_killed_supervisor_and_up_begins_anew(devstack: Run, tmp_path: Path) -> None:
    assert devstack("up").returncode == 0
    before = pids(devstack)
    (lock,) = tmp_path.glob("influxops-devstack-*/default/supervisor.lock")
    os.kill(int(lock.read_text()), signal.SIGKILL)
    wait(lambda: not any(exists(pid) for pid in before.values()))
    assert devstack("status").returncode == 1
    assert devstack("up").returncode == 0
    assert devstack("status").returncode == 0
