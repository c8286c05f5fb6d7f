"""A whole stack of real servers, and the fixtures on it."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from devstack import paths
from devstack.binaries import ensure
from devstack.certs import Authority
from devstack.endpoint import Endpoint
from devstack.errors import ServerFailed
from devstack.influx import InfluxOrg
from devstack.stack import Stack

ROOT = paths.SERVERS.parents[1]


def until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def get(host: str, ca: str) -> int:
    parts = urlsplit(host)
    context = ssl.create_default_context(cadata=ca)
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, context=context, timeout=10)
    try:
        connection.request("GET", "/version")
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_api_server_proves_itself_with_the_stacks_ca_and_no_other(stack: Stack) -> None:
    assert get(stack.kube.host, stack.kube.ca) == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        get(stack.kube.host, Authority("somebody").pem)


def test_the_servers_are_those_that_are_pinned(stack: Stack) -> None:
    version = json.loads(stack.kubectl("version", "-o", "json").stdout)
    assert version["serverVersion"]["gitVersion"].startswith("v1.")
    assert version["serverVersion"]["gitVersion"] != "v0.0.0-master+$Format:%H$"
    assert stack.influx.call("GET", "/health")["version"].startswith("v2.")


def test_every_server_listens_on_loopback_only(stack: Stack) -> None:
    running = [server for server in stack.servers if server.alive]
    assert len(running) >= 3
    for server in running:
        assert server.pid is not None
        listening = [
            connection.laddr.ip
            for connection in psutil.Process(server.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert set(listening) == {"127.0.0.1"}, server.name


def test_no_token_stands_in_a_command_line_or_is_readable_by_others(stack: Stack) -> None:
    for server in [one for one in stack.servers if one.alive]:
        line = " ".join(psutil.Process(server.pid).cmdline())
        assert stack.kube.token not in line
        assert stack.influx.token not in line
    assert stack.directory.stat().st_mode & 0o077 == 0
    assert stack.kubeconfig.stat().st_mode & 0o077 == 0


def test_rbac_is_enforced_for_a_service_account(stack: Stack, namespace: str) -> None:
    stack.kubectl("create", "serviceaccount", "nobody", "-n", namespace)
    kubeconfig = stack.service_account_kubeconfig(namespace, "nobody")
    done = stack.kubectl("--kubeconfig", str(kubeconfig), "get", "secrets", check=False)
    assert done.returncode == 1
    assert f'User "system:serviceaccount:{namespace}:nobody" cannot list resource "secrets"' in done.stderr


def test_the_audit_log_tells_who_did_what(stack: Stack, namespace: str) -> None:
    stack.kubectl("create", "configmap", "seen", "-n", namespace)
    audit_log = stack.audit_log
    assert audit_log is not None

    def told() -> bool:
        lines = audit_log.read_text().split("\n")[:-1]  # the last one may be half written
        events = [json.loads(line) for line in lines if namespace in line]
        return ("admin", "create", "configmaps") in {
            (event["user"]["username"], event["verb"], event["objectRef"]["resource"]) for event in events
        }

    until(told, "the audit log tells of it")


def test_a_deleted_namespace_goes_away_with_its_objects(stack: Stack, namespace: str) -> None:
    stack.kubectl("create", "configmap", "one", "-n", namespace)
    stack.kubectl("delete", "namespace", namespace, "--wait=true", "--timeout=60s")
    assert stack.kubectl("get", "configmap", "one", "-n", namespace, check=False).returncode == 1
    stack.kubectl("create", "namespace", namespace)  # for the fixture, which deletes it


def test_what_kubectl_said_is_part_of_the_failure(kubectl: Callable[..., object]) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        kubectl("get", "configmap", "no-such-thing")
    assert 'configmaps "no-such-thing" not found' in caught.value.__notes__[0]


def test_an_organisation_of_a_test_is_alone(stack: Stack, influx_org: InfluxOrg) -> None:
    other = stack.influx.new_org()
    mine = Endpoint(influx_org.url, authorization=f"Token {influx_org.token}")
    assert [org["id"] for org in mine.call("GET", "/api/v2/orgs")["orgs"]] == [influx_org.org_id]
    assert mine.call("GET", "/api/v2/me")["id"] == influx_org.user_id
    flux = 'option task = {name: "t", every: 1h}\nfrom(bucket: "raw") |> range(start: -1h)'
    mine.call("POST", "/api/v2/tasks", {"orgID": influx_org.org_id, "flux": flux})
    with pytest.raises(ServerFailed, match=r"unauthorized"):
        mine.call("POST", "/api/v2/tasks", {"orgID": other.org_id, "flux": flux})
    stack.influx.drop_org(other)
    assert stack.influx.call("GET", f"/api/v2/tasks?orgID={influx_org.org_id}")["tasks"]


def test_a_dropped_organisation_leaves_no_task(stack: Stack) -> None:
    org = stack.influx.new_org()
    flux = 'option task = {name: "t", every: 1h}\nfrom(bucket: "raw") |> range(start: -1h)'
    task = stack.influx.call("POST", "/api/v2/tasks", {"orgID": org.org_id, "flux": flux})
    stack.influx.drop_org(org)
    with pytest.raises(ServerFailed, match="404"):
        stack.influx.call("GET", f"/api/v2/tasks/{task['id']}")
    assert org.user not in {user["name"] for user in stack.influx.call("GET", "/api/v2/users?limit=100")["users"]}


def test_an_influxd_can_be_killed_paused_and_started_with_its_data(stack: Stack) -> None:
    influx = stack.new_influx()
    org = influx.new_org("kept")
    influx.kill()
    assert not influx.healthy()
    influx.start()
    assert influx.healthy()
    assert influx.call("GET", f"/api/v2/orgs/{org.org_id}")["name"] == "kept"
    influx.pause()
    until(lambda: Endpoint(influx.url).status("/health", timeout=0.3) == 0, "the paused influxd does not answer")
    influx.resume()
    until(influx.healthy, "influxd answers after the pause")
    stack.drop_influx(influx)


def test_an_influxd_with_a_private_ca(stack: Stack) -> None:
    influx = stack.new_influx(tls=True)
    assert influx.url.startswith("https://")
    assert get(influx.url, influx.ca_pem) in {200, 401, 404}
    with pytest.raises(ssl.SSLCertVerificationError):
        get(influx.url, Authority("somebody").pem)
    stack.drop_influx(influx)


def test_stacks_run_side_by_side_and_end_with_nothing_but_logs_left() -> None:
    with ThreadPoolExecutor(2) as pool:  # threads that end before the servers
        stacks = list(pool.map(lambda _: Stack.start(controller_manager=False), range(2)))
    first, second = stacks
    pids = [server.pid for stack in stacks for server in stack.servers]
    assert len({server.port for stack in stacks for server in stack.servers}) == 6
    first.kubectl("create", "namespace", "only-here")
    assert second.kubectl("get", "namespace", "only-here", check=False).returncode == 1
    for stack in stacks:
        stack.close()
        stack.close()
        assert sorted(path.name for path in stack.directory.iterdir()) == ["lock", "logs"]
        assert (stack.logs / "kube-apiserver.log").stat().st_size > 0
    assert all(pid is not None and ended(pid) for pid in pids)


def test_no_server_outlives_a_killed_parent_and_its_data_is_swept(tmp_path: Path) -> None:
    ensure()
    program = """
import json, sys
from devstack.stack import Stack
stack = Stack.start()
print(json.dumps([str(stack.directory), *[server.pid for server in stack.servers]]), flush=True)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        directory, *pids = json.loads(parent.stdout.readline())
        assert len(pids) == 4
        assert not any(ended(pid) for pid in pids)
        parent.kill()
    until(lambda: all(ended(pid) for pid in pids), "the servers of a killed parent end")
    assert (Path(directory) / "secrets").exists()
    with Stack.start(controller_manager=False):
        assert not (Path(directory) / "secrets").exists()
