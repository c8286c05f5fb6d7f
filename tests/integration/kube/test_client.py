"""kube.client against a real API server: the facts that the operator's safety stands on."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kubernetes.aio.config import incluster_config

from devstack.stack import Stack
from influxops.core.keys import Key, Kind
from influxops.kube.access import Access, AccessError
from influxops.kube.client import KubeClient
from influxops.kube.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    MissingReference,
    NotFound,
    NotLeader,
    Replaced,
    Unauthorized,
    Unavailable,
    Unprocessable,
)
from influxops.kube.secrets import SecretResolver
from influxops.kube.status import StatusWriter
from influxops.kube.transport import MERGE_PATCH
from tests.integration.kube.conftest import create_task, path, raw
from tests.support.kubeobjects import record


async def test_a_status_is_made_exactly_what_is_given(client: KubeClient, namespace: str) -> None:
    """Server-side apply takes away what the new status leaves out, and writing the same changes nothing."""
    key, uid = await create_task(client, namespace)
    first = await client.apply_status(key, uid, {"observedGeneration": 1, "taskID": "0" * 16})
    assert first["status"] == {"observedGeneration": 1, "taskID": "0" * 16}
    again = await client.apply_status(key, uid, {"observedGeneration": 1, "taskID": "0" * 16})
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    less = await client.apply_status(key, uid, {"observedGeneration": 1})
    assert less["status"] == {"observedGeneration": 1}
    assert less["metadata"]["generation"] == 1
    owners = {(entry["manager"], entry.get("subresource")) for entry in less["metadata"]["managedFields"]}
    assert ("influxops", "status") in owners


async def test_the_crd_gives_a_new_object_the_generation_that_was_never_observed(
    client: KubeClient, namespace: str
) -> None:
    key, _ = await create_task(client, namespace)
    made = await client.get(*key)
    assert made is not None
    assert made["status"]["observedGeneration"] == -1


@pytest.mark.parametrize("known", ["old", None])
async def test_a_status_never_reaches_an_object_that_was_made_anew(
    client: KubeClient, namespace: str, known: str | None
) -> None:
    key, old = await create_task(client, namespace)
    before = await client.get(*key)
    assert before is not None
    await raw(client, "DELETE", path(key))
    _, new = await create_task(client, namespace)
    assert new != old
    version = before["metadata"]["resourceVersion"] if known else None
    with pytest.raises(Replaced):
        await client.apply_status(key, old, {"observedGeneration": 7}, version)
    after = await client.get(*key)
    assert after is not None
    assert after["status"] == {"observedGeneration": -1}


async def test_a_status_never_creates_an_object(client: KubeClient, namespace: str) -> None:
    key, uid = await create_task(client, namespace)
    before = await client.get(*key)
    assert before is not None
    await raw(client, "DELETE", path(key))
    with pytest.raises(NotFound):
        await client.apply_status(key, uid, {"observedGeneration": 1}, before["metadata"]["resourceVersion"])
    assert await client.get(*key) is None


async def test_a_stale_version_costs_one_read_and_no_error(client: KubeClient, namespace: str) -> None:
    key, uid = await create_task(client, namespace)
    stale = await client.get(*key)
    assert stale is not None
    annotation = {"metadata": {"annotations": {"who": "somebody"}}}
    await raw(client, "PATCH", path(key), annotation, content="application/merge-patch+json")
    before = client.requests
    version = stale["metadata"]["resourceVersion"]
    written = await client.apply_status(key, uid, {"observedGeneration": 1}, version)
    assert written["status"] == {"observedGeneration": 1}
    assert client.requests - before == 3


async def test_finalizer_and_status_after_one_another_take_one_request_each(client: KubeClient, namespace: str) -> None:
    """The watch may not have brought the finalizer's version when the status is written."""
    key, uid = await create_task(client, namespace)
    body = await client.get(*key)
    assert body is not None
    version = body["metadata"]["resourceVersion"]
    before = client.requests
    await client.set_finalizers(key, uid, version, ["influxops.dev/cleanup"])
    await client.apply_status(key, uid, {"observedGeneration": 1}, version)
    assert client.requests - before == 2
    await _release(client, key)


async def test_two_writers_of_one_status_both_succeed(client: KubeClient, namespace: str) -> None:
    key, uid = await create_task(client, namespace)
    version = (await client.get(*key) or {})["metadata"]["resourceVersion"]
    await asyncio.gather(*(client.apply_status(key, uid, {"observedGeneration": n}, version) for n in range(3)))


CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "Synced",
    "message": "as the spec says",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize("status", [{"observedGeneration": "one"}, {"nonsense": 1}])
async def test_a_status_that_breaks_the_schema_is_refused_for_good(
    client: KubeClient, namespace: str, status: dict[str, object]
) -> None:
    """The API answers 500, which else would be repeated for ever."""
    key, uid = await create_task(client, namespace)
    with pytest.raises(Unprocessable):
        await client.apply_status(key, uid, status)


async def test_a_status_is_exactly_what_was_said_whoever_wrote_before(client: KubeClient, namespace: str) -> None:
    """A field and a condition that another writer owns too are gone, as server-side apply alone would not have it."""
    key, uid = await create_task(client, namespace)
    late = {**CONDITION, "type": "Late"}
    body = {"status": {"taskID": "other", "conditions": [CONDITION, late]}}
    path = f"/apis/influxops.dev/v1alpha1/namespaces/{namespace}/influxtasks/{key.name}/status"
    await client._api.write("PATCH", path, body, {"fieldManager": "somebody"}, content=MERGE_PATCH)
    answer = await client.apply_status(key, uid, {"observedGeneration": 1, "conditions": [CONDITION]})
    assert answer["status"] == {"observedGeneration": 1, "conditions": [CONDITION]}


async def test_finalizers_are_set_on_exactly_the_object_that_was_read(client: KubeClient, namespace: str) -> None:
    key, uid = await create_task(client, namespace)
    body = await client.get(*key)
    assert body is not None
    version = body["metadata"]["resourceVersion"]
    changed = await client.set_finalizers(key, uid, version, ["influxops.dev/cleanup"])
    assert changed["metadata"]["finalizers"] == ["influxops.dev/cleanup"]
    with pytest.raises(Conflict):
        await client.set_finalizers(key, uid, version, [])
    with pytest.raises(Conflict):
        await client.set_finalizers(key, "other", changed["metadata"]["resourceVersion"], [])
    with pytest.raises(Unprocessable):
        await client.set_finalizers(key, uid, changed["metadata"]["resourceVersion"], ["no finalizer"])
    await raw(client, "DELETE", path(key))
    dying = await client.get(*key)
    assert dying is not None
    assert dying["metadata"]["deletionTimestamp"]
    await client.set_finalizers(key, uid, dying["metadata"]["resourceVersion"], [])
    assert await client.get(*key) is None
    with pytest.raises(NotFound):
        await client.set_finalizers(key, uid, version, [])


async def test_the_api_knows_whether_an_object_is_there_and_whether_it_is_being_deleted(
    client: KubeClient, namespace: str
) -> None:
    """Of this uid, whatever a watch has told."""
    key, uid = await create_task(client, namespace)
    body = await client.get(*key)
    assert body is not None
    await client.set_finalizers(key, uid, body["metadata"]["resourceVersion"], ["influxops.dev/cleanup"])
    assert [await client.exists(key, uid), await client.exists(key, "other")] == [True, False]
    assert not await client.exists(key, uid, deleting=True)
    await raw(client, "DELETE", path(key))
    assert await client.exists(key, uid, deleting=True)
    assert not await client.exists(key, "other", deleting=True)
    dying = await client.get(*key)
    assert dying is not None
    await client.set_finalizers(key, uid, dying["metadata"]["resourceVersion"], [])
    assert [await client.exists(key, uid), await client.exists(key, uid, deleting=True)] == [False, False]


async def test_a_list_names_every_object_over_all_pages(
    client: KubeClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("influxops.kube.client.PAGE", 2)
    made = {await create_task(client, namespace, f"t{n}") for n in range(5)}
    assert {(line.key, line.uid) for line in await client.list_keys(Kind.TASK, [namespace])} == made
    everywhere = {(line.key, line.uid) for line in await client.list_keys(Kind.TASK)}
    assert made <= everywhere
    assert await client.list_keys(Kind.POLICY, [namespace, "no-such-namespace"]) == []


async def test_secrets_configmaps_and_namespaces_are_read_by_name(client: KubeClient, namespace: str) -> None:
    secret = {"metadata": {"name": "token"}, "data": {"token": base64.b64encode(b"s3cret\n").decode()}}
    await raw(client, "POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
    config = {"metadata": {"name": "scripts"}, "data": {"a": "x"}}
    await raw(client, "POST", f"/api/v1/namespaces/{namespace}/configmaps", config)
    resolver = SecretResolver(client)
    assert await resolver.resolve(namespace, {"name": "token", "key": "token"}) == "s3cret"
    with pytest.raises(MissingReference, match="does not exist"):
        await resolver.resolve(namespace, {"name": "nope", "key": "token"})
    found = await client.get_configmap(namespace, "scripts")
    assert found is not None
    assert found["data"] == {"a": "x"}
    assert await client.get_configmap(namespace, "nope") is None
    labels = await client.namespace_labels(namespace)
    assert labels == {"kubernetes.io/metadata.name": namespace}
    assert await client.namespace_labels("nope") is None
    assert await client.namespace_uid("kube-system")


async def test_our_kinds_are_served(client: KubeClient) -> None:
    assert await client.served()


async def test_nothing_is_written_once_the_fence_is_closed(client: KubeClient, namespace: str) -> None:
    key, uid = await create_task(client, namespace)

    def closed() -> float:
        raise NotLeader("lost")

    client.fence = closed
    with pytest.raises(NotLeader):
        await client.apply_status(key, uid, {"observedGeneration": 1}, "1")
    with pytest.raises(NotLeader):
        await client.set_finalizers(key, uid, "1", [])
    assert await client.get(*key) is not None  # reads go on
    made = await client.create_lease(_lease(namespace))
    await client.replace_lease(made)  # and so does the lease itself


async def test_a_write_gets_no_more_time_than_the_lease_has(
    control_plane: Stack, client: KubeClient, namespace: str
) -> None:
    key, uid = await create_task(client, namespace)
    version = (await client.get(*key) or {})["metadata"]["resourceVersion"]
    client.fence = lambda: 0.3
    loop = asyncio.get_running_loop()
    control_plane.apiserver.pause()
    try:
        began = loop.time()
        with pytest.raises(Unavailable, match=r"within 0\.3 s"):
            await client.apply_status(key, uid, {"observedGeneration": 1}, version)
        assert loop.time() - began < 5
    finally:
        control_plane.apiserver.resume()


async def test_a_lease_is_created_once_and_replaced_only_in_its_newest_version(
    client: KubeClient, namespace: str
) -> None:
    made = await client.create_lease(_lease(namespace))
    with pytest.raises(AlreadyExists):
        await client.create_lease(_lease(namespace))
    await client.replace_lease(made | {"spec": {"holderIdentity": "b"}})
    with pytest.raises(Conflict):
        await client.replace_lease(made)
    assert await client.get_lease(namespace, "none") is None


async def test_missing_rights_and_wrong_tokens_have_their_own_errors(
    control_plane: Stack, namespace: str, tmp_path: Path
) -> None:
    control_plane.kubectl("create", "serviceaccount", "poor", "--namespace", namespace)
    poor = await KubeClient.connect(str(control_plane.service_account_kubeconfig(namespace, "poor")))
    with pytest.raises(Forbidden, match="secrets"):
        await poor.get_secret(namespace, "token")
    await poor.close()
    text = control_plane.kubeconfig.read_text(encoding="utf-8")
    wrong = tmp_path / "wrong"
    wrong.write_text(text.replace(control_plane.kube.token, "not-a-token"), encoding="utf-8")
    stranger = await KubeClient.connect(str(wrong))
    with pytest.raises(Unauthorized):
        await stranger.get_secret(namespace, "token")
    wrong.write_text(text, encoding="utf-8")
    stranger.access._reloaded = float("-inf")
    # The mended file is read again after the 401, once for all requests that met it.
    assert await asyncio.gather(*(stranger.get_secret(namespace, "token") for _ in range(5))) == [None] * 5
    await stranger.close()


async def test_in_a_pod_the_service_account_is_used_and_its_token_read_again(
    control_plane: Stack, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files and variables that a kubelet provides, with a token that is replaced on disk."""
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("expired", encoding="utf-8")
    authority.write_text(control_plane.kube.ca, encoding="utf-8")
    address = urlsplit(control_plane.kube.host)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(address.hostname))
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(address.port))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority))
    pod = await KubeClient.connect()
    with pytest.raises(Unauthorized):
        await pod.get_secret(namespace, "token")
    token.write_text(control_plane.kube.token, encoding="utf-8")
    pod.access._reloaded = float("-inf")  # as if 10 s had passed
    assert await pod.get_secret(namespace, "token") is None
    await pod.close()


@pytest.mark.parametrize("text", ["", "{}", "no: [yaml", "just text", "contexts: 7"])
async def test_a_broken_kubeconfig_is_one_clear_error(tmp_path: Path, text: str) -> None:
    broken = tmp_path / "kubeconfig"
    broken.write_text(text, encoding="utf-8")
    with pytest.raises(AccessError, match="kubectl"):
        await Access(str(broken)).load()
    with pytest.raises(AccessError, match="kubectl"):
        await Access(str(tmp_path / "absent")).load()


async def test_a_status_is_replaced_only_if_nothing_has_changed(client: KubeClient, namespace: str) -> None:
    """Not after another status, a label, or a new object of the name."""
    key, uid = await create_task(client, namespace)
    body = await client.get(*key)
    assert body is not None
    first = body["metadata"]["resourceVersion"]
    written = await client.replace_status(key, uid, first, {"observedGeneration": 1})
    assert written["status"] == {"observedGeneration": 1}
    second = written["metadata"]["resourceVersion"]
    with pytest.raises(Conflict):
        await client.replace_status(key, uid, first, {"observedGeneration": 2})
    await client.merge(key, {"metadata": {"labels": {"influxops.dev/shard": "a"}}}, uid)
    with pytest.raises(Conflict):
        await client.replace_status(key, uid, second, {"observedGeneration": 2})
    await client.delete(key, uid)
    await create_task(client, namespace)
    with pytest.raises(Conflict):
        await client.replace_status(key, uid, second, {"observedGeneration": 2})
    found = await client.get(*key)
    assert found is not None
    assert found["status"] == {"observedGeneration": -1}


async def test_the_status_writer_writes_a_status_once(client: KubeClient, namespace: str) -> None:
    key, uid = await create_task(client, namespace)
    writer = StatusWriter(client)
    body = await client.get(*key)
    assert body is not None
    meta = body["metadata"]
    writer.seen(record(name=key.name, namespace=namespace, uid=uid, version=int(meta["resourceVersion"])))
    before = client.requests
    assert await writer.now(key, uid, {"observedGeneration": 1})
    assert not await writer.now(key, uid, {"observedGeneration": 1})
    assert client.requests - before == 1


async def _release(client: KubeClient, key: Key) -> None:
    body = await client.get(*key)
    assert body is not None
    meta = body["metadata"]
    await client.set_finalizers(key, meta["uid"], meta["resourceVersion"], [])


def _lease(namespace: str) -> dict[str, object]:
    return {"metadata": {"namespace": namespace, "name": "lease"}, "spec": {"holderIdentity": "a"}}
