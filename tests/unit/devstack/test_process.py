"""One server process, shown with small programs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from devstack import paths
from devstack.errors import ServerFailed
from devstack.process import Server, server_environment

SLEEP = ("/bin/sleep", "600")


def server(folder: Path, *command: str, ready: bool = True) -> Server:
    return Server(
        "test", command or SLEEP, directory=folder, log=folder / "log", port=1, health="", ready=lambda: ready
    )


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while not gone(pid):
        assert time.monotonic() < deadline, f"process {pid} still lives"
        time.sleep(0.01)


def test_start_stop_and_start_again(tmp_path: Path) -> None:
    one = server(tmp_path)
    one.start()
    first = one.pid
    assert one.healthy()
    one.start()
    assert one.pid == first
    one.restart()
    assert one.pid not in {None, first}
    one.kill()
    assert one.pid is None
    assert not one.healthy()
    one.stop()


def test_a_paused_server_lives_and_can_be_stopped(tmp_path: Path) -> None:
    one = server(tmp_path)
    one.start()
    assert one.pid is not None
    one.pause()
    while psutil.Process(one.pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    assert one.alive
    one.stop()
    assert not one.alive


def test_one_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    one = server(tmp_path, "/bin/sh", "-c", "echo no disk >&2; exit 3", ready=False)
    with pytest.raises(ServerFailed, match=r"test ended with exit code 3(.|\n)*no disk"):
        one.start()


def test_one_that_never_gets_ready_is_given_up_and_ended(tmp_path: Path) -> None:
    one = server(tmp_path, ready=False)
    one.launch()
    with pytest.raises(ServerFailed, match="was not ready after 0 s"):
        one.wait_ready(timeout=0.1)
    assert not one.alive


def test_a_server_ends_with_its_parent_even_when_that_is_killed(tmp_path: Path) -> None:
    """The server is started in a thread that ends: what counts is the process."""
    program = f"""
import sys, threading
from pathlib import Path
from devstack.process import Server
folder = Path({str(tmp_path)!r})
one = Server("test", {SLEEP!r}, directory=folder, log=folder / "log", port=1, health="", ready=lambda: True)
starter = threading.Thread(target=one.start)
starter.start()
starter.join()
print(one.pid, flush=True)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=paths.SERVERS.parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        while psutil.Process(pid).name() != "sleep":
            time.sleep(0.01)
        parent.kill()
    wait_until_gone(pid)


def test_a_server_whose_parent_is_gone_already_does_not_begin(tmp_path: Path) -> None:
    lifeline = Path(paths.__file__).with_name("lifeline.py")
    no_parent = str(os.getpid() + 1)
    command = [sys.executable, "-I", "-S", str(lifeline), no_parent, "/bin/touch", str(tmp_path / "begun")]
    done = subprocess.run(command, check=False, capture_output=True)
    assert done.returncode == 1
    assert not (tmp_path / "begun").exists()


def test_servers_are_not_configured_by_the_users_environment() -> None:
    user = {"PATH": "/bin", "INFLUXD_CONFIG_PATH": "/x", "ETCD_NAME": "y", "KUBECONFIG": "/k", "HOME": "/h"}
    assert server_environment(user) == {"PATH": "/bin", "HOME": "/h"}
