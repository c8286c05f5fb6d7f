"""The few things that the operator asks of Kubernetes, as plain JSON: dicts in and out, no typed models."""

from __future__ import annotations

import base64
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from influxops.core.keys import GROUP, VERSION, Key, Kind
from influxops.kube.access import Access
from influxops.kube.errors import Conflict, Gone, KubeError, NotFound, Replaced, Unprocessable
from influxops.kube.transport import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH, Fence, Transport

T = TypeVar("T")

FIELD_MANAGER = "influxops"
"""The owner of ``status`` in ``managedFields``."""
USER_MANAGER = "influxops-cli"
"""The owner of what a user changes by our commands; the operator itself owns nothing but status."""

METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

PAGE = 500
"""Objects a page of a list."""

LISTS = 3
"""How often a list is begun anew when its page token expires."""


WRITES = 5
"""How often a status is tried while others keep changing the object."""

OWN_WRITES = 4096
"""Objects whose version after our own last write is remembered, until the watch brings it."""


class Listed(NamedTuple):
    """One line of a key-only list."""

    key: Key
    uid: str
    resource_version: str


class KubeClient:
    """Requests about our kinds, and about the Secrets, ConfigMaps, Leases and Events they need.

    Every method raises ``KubeError`` as drawn in ``kube.errors``; ``None`` is the answer of a read for what is not
    there. Writes first pass ``fence``, except those of a Lease.

    Args:
        access: where and as whom; loaded before the first request.
        timeout: seconds for each request.
        limit: connections at a time.

    """

    def __init__(self, access: Access, *, timeout: float = 10.0, limit: int = 64) -> None:
        self.access = access
        self._api = Transport(access, timeout=timeout, limit=limit)
        self._own: OrderedDict[str, str] = OrderedDict()

    @classmethod
    async def connect(
        cls, kubeconfig: str | None = None, context: str | None = None, *, timeout: float = 10.0, limit: int = 64
    ) -> KubeClient:
        """A client with its credentials read. Raises ``AccessError``."""
        access = Access(kubeconfig, context)
        await access.load()
        return cls(access, timeout=timeout, limit=limit)

    @property
    def fence(self) -> Fence:
        """Called before each write; raises ``NotLeader`` unless the lease is surely held."""
        return self._api.fence

    @fence.setter
    def fence(self, fence: Fence) -> None:
        self._api.fence = fence

    @property
    def requests(self) -> int:
        """Requests sent so far."""
        return self._api.requests

    @property
    def answers(self) -> dict[tuple[str, str], int]:
        """(method, HTTP status or ``error``) -> how many such answers came since the start."""
        return self._api.answers

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    # Our kinds

    async def served(self) -> bool:
        """Whether the API serves all our kinds, that is whether the CRDs are installed."""
        answer = await self._read_or_none(f"/apis/{GROUP}/{VERSION}")
        names = {item.get("name") for item in (answer or {}).get("resources", [])}
        return all(kind.plural in names for kind in Kind)

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        """The whole object."""
        return await self._read_or_none(_path(Key(kind, namespace, name)))

    async def list_keys(self, kind: Kind, namespaces: Sequence[str] | None = None) -> list[Listed]:
        """Key, uid and resource version of every object, metadata only. ``None``: of the whole cluster."""
        return (await self.list_keys_at(kind, namespaces))[0]

    async def list_keys_at(self, kind: Kind, namespaces: Sequence[str] | None = None) -> tuple[list[Listed], str]:
        """The same with the resource version of the list: the cluster's own at the time of asking (of the last namespace's)."""

        def line(item: dict[str, Any]) -> Listed:
            meta = item["metadata"]
            return Listed(Key(kind, meta["namespace"], meta["name"]), meta["uid"], meta["resourceVersion"])

        lines: list[Listed] = []
        version = ""
        for name in [None] if namespaces is None else namespaces:
            found, version = await self._list(_collection(kind, name), METADATA_ONLY, line)
            lines += found
        return lines, version

    async def list_objects(self, kind: Kind, namespace: str | None = None) -> list[dict[str, Any]]:
        """Whole objects of one namespace; ``None``: of the whole cluster."""
        return (await self._list(_collection(kind, namespace), JSON, lambda item: item))[0]

    async def apply_status(
        self, key: Key, uid: str, status: Mapping[str, Any], resource_version: str | None = None
    ) -> dict[str, Any]:
        """Make ``status`` exactly this, by server-side apply; the object as it then is.

        Never creates one (``NotFound``), and never writes to an object that was made anew under the same name
        (``Replaced``). What server-side apply leaves of other writers is replaced, and so is a status in an object that it
        cannot read, because an older CRD took what today's does not. The API checks no uid in a status, so the write is tied to a resource version of which the uid
        is known: ``resource_version`` is the newest that the caller has seen. A stale one costs a read and a second
        write; none costs a read.
        """
        version = self._newest(uid, resource_version)
        for _ in range(WRITES):
            if version is None:
                version = await self._version_of(key, uid)
            try:
                return await self.replace_status(key, uid, version, status)
            except Conflict:
                version = None
        raise Conflict(f"the status of {key} was not written: the object changed {WRITES} times meanwhile", status=409)

    async def replace_status(
        self, key: Key, uid: str, resource_version: str, status: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Make ``status`` exactly this if nothing of the object has changed since that resource version; the object as it then is.
        Raises ``Conflict`` when something has, and ``NotFound``.
        """
        body = {
            "apiVersion": key.kind.api_version,
            "kind": key.kind.value,
            "metadata": {"namespace": key.namespace, "name": key.name, "uid": uid, "resourceVersion": resource_version},
            "status": status,
        }
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        try:
            answer: dict[str, Any] = await self._api.write(
                "PATCH", _path(key) + "/status", body, query, content=APPLY_PATCH
            )
            if _has_more(answer.get("status"), status):
                answer = await self._put_status(key, uid, status, answer["metadata"]["resourceVersion"])
        except Unprocessable:
            answer = await self._put_status(key, uid, status, resource_version)
        return self._wrote(answer)

    async def exists(self, key: Key, uid: str, *, deleting: bool = False) -> bool:
        """Whether there is an object of this uid now, one that is being deleted if ``deleting``; asked of the API, not of what a watch has
        told.
        """
        path = _path(key)
        try:
            answer = await self._api.read(path, accept=METADATA)
        except NotFound:
            return False
        found = answer["metadata"]
        return bool(found["uid"] == uid and (not deleting or found.get("deletionTimestamp")))

    async def set_finalizers(
        self, key: Key, uid: str, resource_version: str, finalizers: Sequence[str]
    ) -> dict[str, Any]:
        """Replace the finalizers of exactly the object that was read; ``Conflict`` when it changed meanwhile.

        The list is the whole one: the caller keeps what belongs to others.
        """
        change = {"op": "add", "path": "/metadata/finalizers", "value": list(finalizers)}
        return self._wrote(await self._patch(key, _path(key), uid, resource_version, change))

    async def _put_status(self, key: Key, uid: str, status: Mapping[str, Any], resource_version: str) -> dict[str, Any]:
        change = {"op": "add", "path": "/status", "value": status}
        return await self._patch(key, _path(key) + "/status", uid, resource_version, change)

    async def _patch(
        self, key: Key, path: str, uid: str, resource_version: str, change: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Change one thing of exactly the object that was read; ``Conflict`` when it changed meanwhile."""
        body: list[Mapping[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": "/metadata/resourceVersion", "value": resource_version},
            change,
        ]
        try:
            query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
            answer: dict[str, Any] = await self._api.write("PATCH", path, body, query, content=JSON_PATCH)
        except Unprocessable as error:
            # A failed test and a broken schema are both 422 Invalid; only the sentence tells them apart.
            if "rejected our request" not in str(error):
                raise
            raise Conflict(f"{key} changed since it was read", status=409, reason="Conflict") from error
        return answer

    async def delete_object(self, key: Key, uid: str) -> None:
        """Delete the object of this uid; nothing happens when it is gone, or another one has its name."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        with contextlib.suppress(NotFound, Conflict):
            await self._api.write("DELETE", _path(key), body, {})

    async def merge(self, key: Key, patch: Mapping[str, Any], uid: str) -> dict[str, Any]:
        """Change an object as a user with kubectl does, if it is still the one of this uid."""
        body = {**patch, "metadata": {**(patch.get("metadata") or {}), "uid": uid}}
        query = {"fieldManager": USER_MANAGER}
        answer: dict[str, Any] = await self._api.write("PATCH", _path(key), body, query, content=MERGE_PATCH)
        return answer

    async def create(self, key: Key, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object as a user with kubectl does. Raises AlreadyExists, Unprocessable, Forbidden."""
        query = {"fieldManager": USER_MANAGER, "fieldValidation": "Strict"}
        made: dict[str, Any] = await self._api.write("POST", _collection(key.kind, key.namespace), body, query)
        return made

    async def delete(self, key: Key, uid: str) -> None:
        """Ask for an object's deletion, if it is still the one of this uid."""
        await self._api.write("DELETE", _path(key), {"preconditions": {"uid": uid}})

    # What specs refer to

    async def get_secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """The decoded data of a Secret."""
        answer = await self._read_or_none(f"/api/v1/namespaces/{quote(namespace)}/secrets/{quote(name)}")
        if answer is None:
            return None
        return {key: base64.b64decode(value) for key, value in (answer.get("data") or {}).items()}

    async def get_configmap(self, namespace: str, name: str) -> dict[str, Any] | None:
        """The whole ConfigMap; its texts are in ``data``."""
        return await self._read_or_none(f"/api/v1/namespaces/{quote(namespace)}/configmaps/{quote(name)}")

    async def namespace_labels(self, name: str) -> dict[str, str] | None:
        """The labels of a namespace."""
        answer = await self._read_or_none(f"/api/v1/namespaces/{quote(name)}")
        return None if answer is None else dict(answer["metadata"].get("labels") or {})

    async def namespace_uid(self, name: str) -> str | None:
        """The uid of a namespace; that of kube-system names the cluster."""
        answer = await self._read_or_none(f"/api/v1/namespaces/{quote(name)}")
        return None if answer is None else str(answer["metadata"]["uid"])

    # Leases: never fenced, they are what the fence stands on

    async def get_lease(self, namespace: str, name: str, *, timeout: float | None = None) -> dict[str, Any] | None:
        """A Lease of coordination.k8s.io/v1."""
        return await self._read_or_none(_lease(namespace, name), timeout=timeout)

    async def create_lease(self, lease: Mapping[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        """Create a Lease; ``AlreadyExists`` when another was quicker."""
        answer: dict[str, Any] = await self._api.write(
            "POST", _lease(lease["metadata"]["namespace"]), lease, timeout=timeout, fenced=False
        )
        return answer

    async def replace_lease(self, lease: Mapping[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        """Replace a Lease; ``Conflict`` when its resourceVersion is not the newest."""
        metadata = lease["metadata"]
        answer: dict[str, Any] = await self._api.write(
            "PUT", _lease(metadata["namespace"], metadata["name"]), lease, timeout=timeout, fenced=False
        )
        return answer

    # Events

    async def create_event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Create an Event of events.k8s.io/v1."""
        answer: dict[str, Any] = await self._api.write("POST", _event(event["metadata"]["namespace"]), event)
        return answer

    async def patch_event(self, namespace: str, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Merge into an Event: its ``series``."""
        answer: dict[str, Any] = await self._api.write("PATCH", _event(namespace, name), patch, content=MERGE_PATCH)
        return answer

    async def _read_or_none(self, path: str, *, timeout: float | None = None) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = await self._api.read(path, timeout=timeout)
        except NotFound:
            return None
        return answer

    async def _version_of(self, key: Key, uid: str) -> str:
        body = await self.get(*key)
        if body is None:
            raise NotFound(f"{key} does not exist", status=404, reason="NotFound")
        if body["metadata"]["uid"] != uid:
            raise Replaced(f"{key} was made anew: its uid is not {uid} any more", status=409, reason="Conflict")
        return str(body["metadata"]["resourceVersion"])

    def _wrote(self, body: dict[str, Any]) -> dict[str, Any]:
        uid = body["metadata"]["uid"]
        self._own[uid] = body["metadata"]["resourceVersion"]
        self._own.move_to_end(uid)
        if len(self._own) > OWN_WRITES:
            self._own.popitem(last=False)
        return body

    def _newest(self, uid: str, version: str | None) -> str | None:
        """The newer of a known version and that of our own last write, which the watch may not have brought yet."""
        own = self._own.get(uid)
        if own is None or version is None:
            return own or version
        return max(own, version, key=int) if own.isdigit() and version.isdigit() else own

    async def _list(self, path: str, accept: str, take: Callable[[dict[str, Any]], T]) -> tuple[list[T], str]:
        """What ``take`` makes of each item, page by page (the items themselves are not kept), and the list's version."""
        for _ in range(LISTS):
            try:
                return await self._pages(path, accept, take)
            except Gone:
                continue
        raise KubeError(f"GET {path}: the list expired {LISTS} times before its last page", status=410)

    async def _pages(self, path: str, accept: str, take: Callable[[dict[str, Any]], T]) -> tuple[list[T], str]:
        query = {"limit": str(PAGE)}
        found: list[T] = []
        while True:
            answer = await self._api.read(path, query, accept=accept)
            found += [take(item) for item in answer.get("items") or []]
            meta = answer.get("metadata") or {}
            more = meta.get("continue")
            if not more:
                return found, str(meta.get("resourceVersion") or "")
            query["continue"] = more


def _has_more(found: Any, wanted: Mapping[str, Any]) -> bool:
    """Whether a status has fields or conditions that were not asked for: another writer owns them, too."""
    if not isinstance(found, dict):
        return False
    conditions = {one.get("type") for one in wanted.get("conditions") or []}
    return not found.keys() <= wanted.keys() or any(
        one.get("type") not in conditions for one in found.get("conditions") or []
    )


def _collection(kind: Kind, namespace: str | None) -> str:
    base = f"/apis/{kind.group}/{kind.version}"
    return f"{base}/{kind.plural}" if namespace is None else f"{base}/namespaces/{quote(namespace)}/{kind.plural}"


def _path(key: Key) -> str:
    return f"{_collection(key.kind, key.namespace)}/{quote(key.name)}"


def _lease(namespace: str, name: str = "") -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases"
    return f"{path}/{quote(name)}" if name else path


def _event(namespace: str, name: str = "") -> str:
    path = f"/apis/events.k8s.io/v1/namespaces/{quote(namespace)}/events"
    return f"{path}/{quote(name)}" if name else path
