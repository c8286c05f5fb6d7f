"""Secrets that are easy to recognize, and everything that could show them; and namespaces that try to use each other's."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from aiohttp import web

from devstack.stack import Stack
from tests.support.beside import beside
from tests.support.certs import Authority
from tests.support.expect import condition, eventually
from tests.support.hostile import serve
from tests.support.lab import BACKFILL, CONNECTION, HOURLY, PIPELINE, POLICY, TASK, Lab, Object

CANARY = "c4nary-t0ken/of+this_run-9d1b6e=="
KEY = Authority().issue("canary-client")


def _forms() -> set[str]:
    """The token as it may stand in text."""
    forms = {CANARY, quote(CANARY, safe=""), quote(CANARY), base64.b64encode(CANARY.encode()).decode().rstrip("=")}
    return forms | {line for line in KEY.key.splitlines() if len(line) > 20 and "-----" not in line}


async def _gossip(request: web.BaseRequest) -> web.StreamResponse:
    """An InfluxDB that tells the token on in every way: in errors, redirects, names, cut answers and headers."""
    token = request.headers.get("Authorization", "")
    coded = base64.b64encode(token.removeprefix("Token ").encode()).decode()
    if request.path == "/health":
        return web.json_response({"name": "influxdb", "version": "v2.7.12"})
    if request.path.endswith("/orgs"):
        kind = request.query.get("org", "")
        if kind == "redirect":
            return web.Response(status=307, headers={"Location": f"http://{coded[:20].lower()}.example/{quote(token)}"})
        if kind == "cut":
            return web.Response(text='{"orgs": [{"id": "' + token, headers={"X-Token": token})
        if kind == "refused":
            return web.json_response({"code": "unauthorized", "message": f"no such {token}, {coded}"}, status=401)
        if kind == "failing":
            return web.json_response({"code": "internal", "message": f"panic: {quote(token)} {coded}"}, status=500)
        return web.json_response({"orgs": [{"id": "0" * 16, "name": kind}]})
    if request.path.endswith("/me"):
        return web.json_response({"id": "0" * 16, "name": f"user {token}"})
    return web.json_response(
        {"code": "invalid", "message": f"{request.path} {token} {coded} {quote(token)}"}, status=400
    )


def test_no_secret_is_shown_anywhere(lab: Lab, stack: Stack) -> None:
    """A token and a client key with an InfluxDB that repeats them wherever it can, and beside it a real one with a task whose
    script and whose failing run hold the token: not in logs, status, events, metrics, probes or the audit log.
    """
    lab.secret("canary", token=CANARY)
    lab.secret("canary-tls", **{"tls.crt": KEY.cert, "tls.key": KEY.key, "ca.crt": f"no PEM, but {CANARY}"})
    reference = {"name": "canary", "key": "token"}
    with beside(lambda: serve(_gossip)) as url:
        for org in ("redirect", "cut", "refused", "failing", "fine"):
            lab.connection(org, url=url, org=org, tokenSecretRef=reference)
        secure = {"url": url.replace("http:", "https:"), "allowInsecure": False, "tokenSecretRef": reference}
        lab.connection("mutual", **secure, tls={"clientCertSecretRef": {"name": "canary-tls"}})
        lab.connection("bad-ca", **secure, tls={"caSecretRef": {"name": "canary-tls", "key": "ca.crt"}})
        lab.connection("key-as-token", url=url, tokenSecretRef={"name": "canary-tls", "key": "tls.key"})
        lab.connect("real")
        lab.task("fails", f'import "array"\narray.from(rows: [{{v: 1}}]) |> map(fn: (r) => ({{v: die(msg: "{CANARY}")}}))\n',
                 connectionRef={"name": "real"}, every="1s")  # fmt: skip
        lab.task("typo", f'x = "{CANARY}"\ny = nowhere("{CANARY}")\n', connectionRef={"name": "real"})
        lab.task("on-fine", connectionRef={"name": "fine"})
        lab.policy("on-failing", "raw", "30d", connectionRef={"name": "failing"})
        for name in ("redirect", "cut", "refused", "failing", "fine", "mutual", "bad-ca", "key-as-token"):
            lab.until(
                CONNECTION, name, "says what is wrong", lambda one: condition(one).get("status") in {"False", "Unknown"}
            )
        lab.until(TASK, "fails", "has failed", lambda one: (one["status"].get("lastRun") or {}).get("error"))
        lab.rests(TASK, "typo", "InvalidScript")
        lab.event("refused", "Unauthorized")
        lab.sweeps(2, "real")
        shown = {
            "log": lab.operator.text(),
            "metrics": lab.operator.get("/metrics")[1],
            "probes": lab.operator.get("/readyz")[1] + lab.operator.get("/healthz")[1],
            "status": json.dumps([item.get("status") for _, item in lab.objects()]),
            "events": json.dumps(lab.call("GET", f"/apis/events.k8s.io/v1/namespaces/{lab.namespace}/events")[1]),
        }
    assert stack.audit_log is not None
    shown["audit log"] = stack.audit_log.read_text(encoding="utf-8")
    found = [(place, form) for place, text in shown.items() for form in _forms() if form in text]
    assert found == []


@pytest.fixture
def guest(lab: Lab) -> Iterator[str]:
    """Another team's namespace, with a Secret of its own."""
    name = f"{lab.namespace}-guest"
    assert lab.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})[0] == 201
    lab.secret("precious", name, token=lab.org.token)
    yield name
    for kind in (BACKFILL, PIPELINE, TASK, POLICY, CONNECTION):
        for item in lab.call("GET", lab.path(kind, namespace=name))[1].get("items", []):
            lab.call("DELETE", lab.path(kind, item["metadata"]["name"], name))
    eventually(
        "the guest's objects are gone",
        lambda: [one for kind in (TASK, POLICY, CONNECTION) for one in lab.call("GET", lab.path(kind, namespace=name))[1]["items"]],
        lambda rest: rest == [],
        story=lab.operator.tail,
    )  # fmt: skip
    lab.call("DELETE", f"/api/v1/namespaces/{name}")


def test_no_namespace_gets_at_anothers_connection_or_secret(lab: Lab, guest: str, stack: Stack) -> None:
    """Objects of each kind that name a connection which does not allow them, and a Secret of elsewhere in every spelling: they
    say NotAllowed or that it is missing, nothing is made in InfluxDB, and the audit log shows that nobody looked.
    """
    lab.connect()
    lab.influx.new_bucket("influxops-ledger")
    reference = {"name": "main", "namespace": lab.namespace}
    stage = {"name": "s", "flux": 'from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)'}
    window = {"window": {"every": "1h"}, "stages": [stage]}
    lab.create(TASK, "task", {"connectionRef": reference, "every": "1h", "flux": HOURLY}, guest)
    lab.create(POLICY, "policy", {"connectionRef": reference, "bucket": "stolen", "retention": "30d"}, guest)
    lab.create(PIPELINE, "pipeline", {"connectionRef": reference, **window}, guest)
    span = {"start": "2026-01-01T00:00:00Z", "stop": "2026-01-02T00:00:00Z"}
    lab.create(BACKFILL, "backfill", {"taskRef": {"name": "task"}, **span}, guest)

    def ready(kind: str, name: str) -> Object:
        return condition(lab.get(kind, name, guest) or {})

    for kind, name in ((TASK, "task"), (POLICY, "policy"), (PIPELINE, "pipeline"), (BACKFILL, "backfill")):
        found = eventually(
            f"{kind} is refused", lambda kind=kind, name=name: ready(kind, name), lambda one: "allowedNamespaces" in one.get("message", "")
        )  # fmt: skip
        assert found["status"] != "True"
        assert lab.org.token not in found["message"]
    base = {"url": lab.org.url, "allowInsecure": True, "org": lab.org.org, "syncInterval": "1s"}
    spec = {**base, "tokenSecretRef": {"name": "precious", "key": "token"}}
    lab.create(CONNECTION, "thief", spec)
    lab.rests(CONNECTION, "thief", "DependencyNotReady", "precious")
    for spelling in (
        f"{guest}/precious",
        f"../{guest}/secrets/precious",
        f"..%2f{guest}%2fprecious",
        "precious?namespace=x",
    ):
        code, _ = lab.call(
            "POST",
            lab.path(CONNECTION),
            {
                "apiVersion": "influxops.dev/v1alpha1",
                "kind": CONNECTION,
                "metadata": {"name": "speller"},
                "spec": {**base, "tokenSecretRef": {"name": spelling, "key": "token"}},
            },
        )
        assert code == 422, spelling
    lab.sweeps(2)
    assert lab.influx.tasks() == []
    assert lab.influx.bucket("stolen") == {}
    assert stack.audit_log is not None
    lines = stack.audit_log.read_text(encoding="utf-8").splitlines(keepends=True)
    asked = [
        event for event in map(json.loads, (line for line in lines if line.endswith("\n"))) if "objectRef" in event
    ]
    looked = [
        event["requestURI"]
        for event in asked
        if event["objectRef"]["resource"] == "secrets"
        and event["objectRef"].get("namespace") == guest
        and event["verb"] in {"get", "list", "watch"}
    ]
    assert looked == []
