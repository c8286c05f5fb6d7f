"""InfluxConnections: tokens and their rotation, rights, who may use them, where they lead, and how they end."""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.support.certs import Authority
from tests.support.expect import condition, eventually
from tests.support.gate import Gate
from tests.support.lab import CONNECTION, HOURLY, POLICY, TASK, Influx, Lab

ALL = ("read:tasks", "write:tasks", "read:buckets", "write:buckets", "read:orgs", "read:users")


def test_a_rotated_token_is_picked_up(lab: Lab, stack: Stack) -> None:
    """Within a sync interval and without a restart; then the old token may go, and nobody asks with it again."""
    old_id, old = lab.influx.token(stack, *ALL)
    _, new = lab.influx.token(stack, *ALL)
    with Gate(lab.org.url) as gate:
        lab.connect(token=old, url=gate.url)
        lab.task("before")
        lab.synced(TASK, "before")
        assert gate.tokens() == [old]
        lab.secret(token=new)
        eventually("the new token is used", gate.tokens, lambda seen: new in seen, seconds=10)
        stack.influx.call("DELETE", f"/api/v2/authorizations/{old_id}")
        count = len(gate.seen)
        lab.task("after")
        lab.synced(TASK, "after")
        lab.sweeps()
        assert {one.token for one in gate.seen[count:] if one.path != "/health"} == {new}
        assert condition(lab.synced(CONNECTION, "main"))["status"] == "True"


def test_a_revoked_token_is_told_and_heals_with_the_secret(lab: Lab, stack: Stack) -> None:
    """Unauthorized with the remedy, few requests while nothing changes, and well again by a new Secret alone."""
    first_id, first = lab.influx.token(stack, *ALL)
    with Gate(lab.org.url) as gate:
        lab.connect(token=first, url=gate.url)
        lab.task("cpu")
        task_id = lab.task_id("cpu")
        stack.influx.call("DELETE", f"/api/v2/authorizations/{first_id}")
        lab.rests(CONNECTION, "main", "Unauthorized", "Secret")
        assert condition(lab.get(CONNECTION, "main") or {}, "Stalled")
        lab.patch(TASK, "cpu", description="changed while nobody could write")
        count = len(gate.seen)
        lab.sweeps(5)
        assert len(gate.seen) - count <= 10, gate.seen[count:]
        lab.secret(token=lab.org.token)
        lab.synced(CONNECTION, "main", seconds=10)
        assert lab.task_id("cpu") == task_id
        assert lab.influx.task(task_id)["description"] == "changed while nobody could write"


def test_an_inactive_token_is_told_and_its_empty_lists_are_not_believed(lab: Lab, stack: Stack) -> None:
    """InfluxDB shows it nothing and says 200: no task is taken for lost, none let go, and all is as it was with the token."""
    token_id, token = lab.influx.token(stack, *ALL)
    lab.connect(token=token)
    lab.task("stays")
    lab.task("leaves")
    stays, leaves = lab.task_id("stays"), lab.task_id("leaves")
    stack.influx.call("PATCH", f"/api/v2/authorizations/{token_id}", {"status": "inactive"})
    lab.rests(CONNECTION, "main", "Unauthorized", "token is inactive", "Secret")
    lab.delete(TASK, "leaves")
    lab.patch(TASK, "stays", description="changed meanwhile")
    lab.rests(TASK, "stays", "Unauthorized")
    lab.sweeps(3)
    assert lab.get(TASK, "leaves") is not None
    assert {task["id"] for task in lab.influx.tasks()} == {stays, leaves}
    stack.influx.call("PATCH", f"/api/v2/authorizations/{token_id}", {"status": "active"})
    lab.gone(TASK, "leaves", seconds=60)
    lab.synced(TASK, "stays", seconds=60)
    assert [(task["id"], task["description"]) for task in lab.influx.tasks()] == [(stays, "changed meanwhile")]


def test_a_wrong_token_makes_no_storm(lab: Lab) -> None:
    """Twenty objects wait for one connection; what is asked does not grow with them."""
    with Gate(lab.org.url) as gate:
        lab.connection(token="never-was-a-token", url=gate.url)
        for number in range(20):
            lab.task(f"t{number}")
        lab.rests(CONNECTION, "main", "Unauthorized")
        lab.rests(TASK, "t19", "Unauthorized", "main")
        count = len(gate.seen)
        lab.sweeps(5)
        assert len(gate.seen) - count <= 10, gate.seen[count:]
        lab.secret(token=lab.org.token)
        lab.synced(CONNECTION, "main", seconds=10)
        for number in range(20):
            lab.synced(TASK, f"t{number}", seconds=10)


@pytest.mark.parametrize("missing", ["write:tasks", "read:orgs"])
def test_a_missing_right_is_named(lab: Lab, stack: Stack, missing: str) -> None:
    """In Ready of the connection, by the name that InfluxDB gives it."""
    _, token = lab.influx.token(stack, *(right for right in ALL if right != missing))
    lab.connection(token=token)
    item = lab.until(CONNECTION, "main", f"names {missing}", lambda one: missing in condition(one).get("message", ""))
    assert condition(item)["status"] == "False"
    lab.secret(token=lab.org.token)
    lab.synced(CONNECTION, "main", seconds=10)


def test_a_read_only_token_is_not_allowed(lab: Lab, stack: Stack) -> None:
    """NotAllowed, Stalled, no task; no storm either; the right token heals it."""
    _, token = lab.influx.token(stack, "read:tasks", "read:buckets", "read:orgs", "read:users")
    with Gate(lab.org.url) as gate:
        lab.connection(token=token, url=gate.url)
        lab.task("cpu")
        item = lab.rests(CONNECTION, "main", "NotAllowed", "write:tasks")
        assert condition(item, "Stalled")
        count = len(gate.seen)
        lab.sweeps(5)
        assert len(gate.seen) - count <= 12, gate.seen[count:]
        assert lab.influx.tasks() == []
        lab.secret(token=lab.org.token)
        lab.synced(TASK, "cpu")


def test_a_right_that_only_policies_need_is_named_by_them(lab: Lab, stack: Stack) -> None:
    """Without write:buckets tasks work, a RetentionPolicy says what it lacks, and another token heals it."""
    _, token = lab.influx.token(stack, "read:tasks", "write:tasks", "read:buckets", "read:orgs", "read:users")
    lab.connect(token=token)
    assert "write:buckets" in condition(lab.get(CONNECTION, "main") or {})["message"]
    lab.task("cpu")
    lab.synced(TASK, "cpu")
    lab.policy("kept", "kept", "30d")
    lab.rests(POLICY, "kept", "NotAllowed", "write:buckets")
    lab.secret(token=lab.org.token)
    lab.synced(POLICY, "kept", seconds=15)


def test_a_missing_secret_heals(lab: Lab) -> None:
    """First the Secret, then its key is missing; each is named, and each heals within 10 s of appearing."""
    lab.connection()
    lab.delete("secrets", "influx-token")
    lab.rests(CONNECTION, "main", "DependencyNotReady", f"{lab.namespace}/influx-token")
    lab.task("cpu")
    lab.rests(TASK, "cpu", "ConnectionNotReady", "influx-token")
    lab.secret(other="x")
    lab.rests(CONNECTION, "main", "DependencyNotReady", "'token'", seconds=10)
    lab.secret(token=lab.org.token)
    lab.synced(CONNECTION, "main", seconds=10)
    lab.synced(TASK, "cpu", seconds=10)


def test_a_missing_connection_heals(lab: Lab) -> None:
    """Objects first, connection later: as Git has them in any order."""
    lab.task("cpu")
    lab.policy("kept", "kept", "30d")
    lab.rests(TASK, "cpu", "DependencyNotReady", f"InfluxConnection {lab.namespace}/main", "spec.connectionRef")
    lab.rests(POLICY, "kept", "DependencyNotReady", f"InfluxConnection {lab.namespace}/main")
    lab.connect()
    lab.synced(TASK, "cpu", seconds=10)
    lab.synced(POLICY, "kept", seconds=10)


def test_a_missing_bucket_heals(lab: Lab) -> None:
    """A bucket that a script names by a literal; healed within 10 s of its appearing."""
    lab.connect()
    lab.task("cpu", 'from(bucket: "later") |> range(start: -1h) |> to(bucket: "raw")\n')
    lab.rests(TASK, "cpu", "DependencyNotReady", "'later'", "RetentionPolicy")
    assert lab.influx.tasks() == []
    lab.influx.new_bucket("later")
    lab.synced(TASK, "cpu", seconds=10)


def test_a_missing_organization_heals(lab: Lab) -> None:
    """A wrong org is named with the field to correct."""
    lab.connection(org="nobody")
    lab.rests(CONNECTION, "main", "DependencyNotReady", "'nobody'", "spec.org")
    lab.patch(CONNECTION, "main", org=lab.org.org)
    lab.synced(CONNECTION, "main", seconds=10)


@pytest.fixture
def guest(lab: Lab) -> Iterator[str]:
    """Another namespace, with the label ``team: blue``, and a task in it that would use the lab's connection."""
    name = f"{lab.namespace}-guest"
    body = {"metadata": {"name": name, "labels": {"team": "blue"}}}
    assert lab.call("POST", "/api/v1/namespaces", body)[0] == 201
    spec = {"connectionRef": {"name": "main", "namespace": lab.namespace}, "every": "1h", "flux": HOURLY}
    lab.create(TASK, "cpu", spec, name)
    yield name
    lab.call("DELETE", lab.path(TASK, "cpu", name))
    eventually("the guest's task is gone", lambda: lab.get(TASK, "cpu", name), lambda item: item is None)
    lab.call("DELETE", f"/api/v1/namespaces/{name}")


def reason(lab: Lab, namespace: str) -> str:
    """The reason of the guest's task."""
    return str(condition(lab.get(TASK, "cpu", namespace) or {}).get("reason", ""))


def test_other_namespaces_are_refused_until_they_are_allowed(lab: Lab, guest: str) -> None:
    """By default only its own; by name it works, and the message says who can change that."""
    lab.connect()
    eventually("refused", lambda: reason(lab, guest), lambda found: found == "NotAllowed")
    message = condition(lab.get(TASK, "cpu", guest) or {})["message"]
    assert guest in message
    assert "spec.allowedNamespaces" in message
    assert lab.influx.tasks() == []
    lab.patch(CONNECTION, "main", allowedNamespaces={"names": [guest]})
    eventually("allowed", lambda: reason(lab, guest), lambda found: found == "Synced", story=lab.operator.tail)
    assert [task["name"] for task in lab.influx.tasks()] == [f"{guest}/cpu"]


def test_namespaces_may_be_allowed_by_label(lab: Lab, guest: str) -> None:
    """The selector is held against the labels of the namespace."""
    lab.connect(allowedNamespaces={"selector": {"matchLabels": {"team": "red"}}})
    eventually("refused", lambda: reason(lab, guest), lambda found: found == "NotAllowed")
    lab.patch(CONNECTION, "main", allowedNamespaces={"selector": {"matchLabels": {"team": "blue"}}})
    eventually("allowed", lambda: reason(lab, guest), lambda found: found == "Synced", story=lab.operator.tail)


def test_tasks_of_another_user_are_told_of(lab: Lab, stack: Stack) -> None:
    """A task runs with the rights of whoever created it, and no request changes that: OwnerMismatch."""
    lab.connect()
    lab.task("cpu")
    lab.synced(TASK, "cpu")
    assert not condition(lab.get(CONNECTION, "main") or {}, "OwnerMismatch")
    name = f"{lab.org.org}-second"
    user_id = stack.influx.call("POST", "/api/v2/users", {"name": name})["id"]
    stack.influx.call("POST", f"/api/v2/orgs/{lab.org.org_id}/members", {"id": user_id})
    kinds = ("tasks", "buckets")
    rights = [{"action": a, "resource": {"type": t, "orgID": lab.org.org_id}} for a in ("read", "write") for t in kinds]
    rights += [{"action": "read", "resource": {"type": "orgs", "id": lab.org.org_id}}]
    rights += [{"action": "read", "resource": {"type": "users", "id": user_id}}]
    lab.secret(token=stack.influx.new_token(lab.org.org_id, user_id, rights))
    item = lab.until(CONNECTION, "main", "OwnerMismatch", lambda one: condition(one, "OwnerMismatch"))
    assert name in condition(item, "OwnerMismatch")["message"]
    assert item["status"]["user"] == name
    assert condition(item)["status"] == "True"
    lab.delete(TASK, "cpu")
    lab.gone(TASK, "cpu")
    lab.task("cpu")
    lab.synced(TASK, "cpu")
    lab.until(CONNECTION, "main", "no OwnerMismatch", lambda one: not condition(one, "OwnerMismatch"))
    lab.secret(token=lab.org.token)
    stack.influx.call("DELETE", f"/api/v2/users/{user_id}")


def test_another_target_needs_consent(lab: Lab, stack: Stack) -> None:
    """spec.org leads elsewhere: nothing is written there, and nothing deleted here, before the annotation says so."""
    lab.connect()
    lab.task("cpu")
    task_id = lab.task_id("cpu")
    other = stack.influx.new_org()
    try:
        lab.secret(token=stack.influx.token)
        lab.patch(CONNECTION, "main", org=other.org)
        item = lab.rests(CONNECTION, "main", "TargetChanged", other.org_id, lab.org.org_id, "accept-target")
        assert condition(item, "Stalled")
        assert (item["status"]["orgID"], item["status"]["foundOrgID"]) == (lab.org.org_id, other.org_id)
        lab.patch(TASK, "cpu", description="changed meanwhile")
        lab.rests(TASK, "cpu", "TargetChanged")
        lab.sweeps()
        there = Influx(other, token=stack.influx.token)
        assert there.tasks() == []
        assert lab.influx.task(task_id).get("description", "") == ""
        lab.annotate(CONNECTION, "main", accept_target=other.org_id)
        item = lab.synced(CONNECTION, "main")
        assert item["status"]["orgID"] == other.org_id
        assert "foundOrgID" not in item["status"]
        lab.in_influx("the task there", there.tasks, lambda tasks: len(tasks) == 1)
        lab.synced(TASK, "cpu")
        assert lab.influx.task(task_id)
        lab.delete(TASK, "cpu")
        lab.gone(TASK, "cpu")
        assert there.tasks() == []
        lab.clear()
    finally:
        stack.influx.drop_org(other)


def test_a_target_that_comes_back_needs_no_consent(lab: Lab, stack: Stack) -> None:
    """Undoing the edit is enough."""
    lab.connect()
    lab.task("cpu")
    task_id = lab.task_id("cpu")
    lab.secret(token=stack.influx.token)
    lab.patch(CONNECTION, "main", org=stack.influx.org)
    lab.rests(CONNECTION, "main", "TargetChanged")
    lab.patch(CONNECTION, "main", org=lab.org.org)
    lab.synced(CONNECTION, "main")
    assert lab.task_id("cpu") == task_id


def test_a_connection_goes_after_its_objects(lab: Lab) -> None:
    """Its finalizer stays while they need it; they are cleaned up although it is on its way."""
    lab.connect()
    lab.task("cpu")
    lab.synced(TASK, "cpu")
    lab.policy("kept", "kept", "30d", deletion="Delete")
    lab.synced(POLICY, "kept")
    lab.delete(CONNECTION, "main")
    lab.until(
        CONNECTION,
        "main",
        "says who uses it",
        lambda one: condition(one)["reason"] == "Deleting" and "2 objects" in condition(one)["message"],
    )
    # Their connectionRef cannot change, so nobody is told to change it.
    message = condition(lab.get(CONNECTION, "main"))["message"]
    assert message.endswith(": delete them (with spec.deletion Orphan what they have in InfluxDB stays)")
    lab.delete(TASK, "cpu")
    lab.delete(POLICY, "kept")
    lab.gone(TASK, "cpu")
    lab.gone(POLICY, "kept")
    lab.gone(CONNECTION, "main")
    assert lab.influx.tasks() == []
    assert lab.influx.bucket("kept") == {}


def test_a_private_ca(lab: Lab, stack: Stack) -> None:
    """Without it the certificate is refused, and the message says what to write; with it all works."""
    secure = stack.new_influx(tls=True)
    try:
        lab.connection(url=secure.url, allowInsecure=None, org=secure.org, token=secure.token)
        lab.rests(CONNECTION, "main", "ConnectionNotReady", "ertificate")
        lab.secret("influx-ca", **{"ca.crt": secure.ca_pem})
        lab.patch(CONNECTION, "main", tls={"caSecretRef": {"name": "influx-ca", "key": "ca.crt"}})
        lab.synced(CONNECTION, "main", seconds=15)
        lab.task("cpu")
        lab.synced(TASK, "cpu")
        assert len(secure.call("GET", f"/api/v2/tasks?orgID={secure.org_id}")["tasks"]) == 1
        lab.clear()
    finally:
        secure.kill()


def test_a_server_name_and_a_client_certificate(lab: Lab, tmp_path: Path) -> None:
    """A server known by another name that asks for a certificate: each lack is told, and each field mends its own."""
    authority = Authority()
    server, mine = authority.issue("influx.test"), authority.issue("influxops")
    pem = tmp_path / "server.pem"
    pem.write_text(server.cert + server.key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority.pem)
    tls.load_cert_chain(pem)
    tls.verify_mode = ssl.CERT_REQUIRED
    given: dict[str, object] = {"caSecretRef": {"name": "influx-ca", "key": "ca.crt"}}
    lab.secret("influx-ca", **{"ca.crt": authority.pem})
    with Gate(lab.org.url, tls) as gate:
        lab.connection(url=gate.url, allowInsecure=None, tls=given)
        lab.rests(CONNECTION, "main", "ConnectionNotReady", "not trusted", "serverName")
        lab.patch(CONNECTION, "main", tls=given | {"serverName": "influx.test"})
        lab.rests(CONNECTION, "main", "ConnectionNotReady", gate.url)
        assert gate.seen == [], "nobody without a certificate was let in"
        given |= {"serverName": "influx.test", "clientCertSecretRef": {"name": "influx-client"}}
        lab.patch(CONNECTION, "main", tls=given)
        lab.rests(CONNECTION, "main", "DependencyNotReady", f"{lab.namespace}/influx-client")
        lab.secret("influx-client", **{"tls.crt": mine.cert, "tls.key": mine.key})
        lab.synced(CONNECTION, "main", seconds=15)
        lab.task("cpu")
        lab.synced(TASK, "cpu")
        assert gate.seen


def test_a_rate_limit_is_kept(lab: Lab) -> None:
    """However much there is to do, no second sees more requests than spec.limits allows."""
    limit = 10
    with Gate(lab.org.url) as gate:
        lab.connect(url=gate.url, limits={"requestsPerSecond": limit})
        for number in range(8):
            lab.task(f"t{number}")
        for number in range(8):
            lab.synced(TASK, f"t{number}")
        begun = [one.at for one in gate.seen if "/health" not in one.path]
    assert len(begun) > 2 * limit, "there was more to do than two seconds allow"
    spans = [later - earlier for earlier, later in zip(begun, begun[2 * limit :], strict=False)]
    assert min(spans) > 1.7, "20 requests need two seconds, less what a busy machine holds up"


def test_the_token_is_never_shown(lab: Lab) -> None:
    """Not in logs, status or events, also where InfluxDB's own messages or a script hold it."""
    token = lab.org.token
    lab.connect()
    lab.task("holds", f'token = "{token}"\n{HOURLY}|> nonsense(token: token)\n')
    lab.rests(TASK, "holds", "InvalidScript")
    lab.task("names", f'from(bucket: "{token}") |> range(start: -1h)\n')
    item = lab.rests(TASK, "names", "DependencyNotReady")
    assert token not in str(item["status"])
    event = lab.event("names", "DependencyNotReady")
    assert token not in str(event)
    assert token not in lab.operator.text()
    encoded = base64.b64encode(token.encode()).decode()
    assert encoded not in lab.operator.text()
    assert token not in lab.operator.get("/metrics")[1]


def test_a_changed_sync_interval_takes_effect(lab: Lab) -> None:
    """No restart: from an hour to a second."""
    lab.connect(syncInterval="1h")
    begun = time.monotonic()
    lab.patch(CONNECTION, "main", syncInterval="1s")
    lab.synced(CONNECTION, "main")
    lab.sweeps(2)
    assert time.monotonic() - begun < 30
