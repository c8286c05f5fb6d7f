"""kube.events against a real API server: what ``kubectl describe`` will show."""

from __future__ import annotations

import json

from devstack.stack import Stack
from influxops.kube.client import KubeClient
from influxops.kube.events import EventRecorder
from tests.integration.kube.conftest import background, create_task, raw
from tests.support.until import until


async def test_repeats_become_one_event_with_a_count(control_plane: Stack, client: KubeClient, namespace: str) -> None:
    key, uid = await create_task(client, namespace)
    events = EventRecorder(client, instance="test")
    async with background(events.run):
        events.warning(key, uid, "InvalidScript", "line 1: undefined identifier")
        await until(lambda: events.sent == 1)
        events.warning(key, uid, "InvalidScript", "line 1: undefined identifier")
        await until(lambda: events.sent == 2)
        events.warning(key, uid, "InvalidScript", "line 1: undefined identifier")
        events.normal(key, uid, "Synced", "ü" * 5000)
        await until(lambda: events.sent == 4)
    assert events.dropped == 0
    listed = await raw(client, "GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")
    found = {item["reason"]: item for item in listed["items"]}
    assert set(found) == {"InvalidScript", "Synced"}
    failing = found["InvalidScript"]
    assert failing["series"]["count"] == 3
    assert failing["type"] == "Warning"
    assert failing["regarding"] | {"uid": uid, "name": key.name, "kind": "InfluxTask"} == failing["regarding"]
    assert failing["reportingController"] == "influxops.dev/operator"
    assert found["Synced"]["note"] == "ü" * 510 + "…"
    shown = control_plane.kubectl("describe", "influxtask", key.name, "--namespace", namespace).stdout
    assert "undefined identifier" in shown


async def test_an_event_that_is_gone_is_written_anew(client: KubeClient, namespace: str) -> None:
    """Events live an hour; a series may outlive its object."""
    key, uid = await create_task(client, namespace)
    events = EventRecorder(client)
    async with background(events.run):
        events.warning(key, uid, "Late", "m")
        await until(lambda: events.sent == 1)
        listed = await raw(client, "GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")
        name = listed["items"][0]["metadata"]["name"]
        await raw(client, "DELETE", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events/{name}")
        events.warning(key, uid, "Late", "m")
        await until(lambda: events.dropped == 1)
        events.warning(key, uid, "Late", "m")
        await until(lambda: events.sent == 2)
    listed = await raw(client, "GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")
    assert len(listed["items"]) == 1
    assert json.dumps(listed).count(name) == 0


async def test_an_event_that_is_refused_ends_nothing(client: KubeClient, namespace: str) -> None:
    key, uid = await create_task(client, namespace)
    events = EventRecorder(client)
    async with background(events.run):
        events.warning(key._replace(namespace="no-such-namespace"), uid, "Late", "m")
        await until(lambda: events.dropped == 1)
        events.warning(key, uid, "Late", "m")
        await until(lambda: events.sent == 1)
