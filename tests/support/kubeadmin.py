"""What a user with kubectl does, as requests: straight to the API server, with its certificate checked."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterable
from typing import Any, Self

import aiohttp

API = "/apis/influxops.dev/v1alpha1"
PLURALS = {"InfluxTask": "influxtasks", "RetentionPolicy": "retentionpolicies", "InfluxConnection": "influxconnections"}
WINDOWED = {"InfluxPipeline": "influxpipelines", "InfluxBackfill": "influxbackfills"}
MERGE = "application/merge-patch+json"


class KubeAdmin:
    """An administrator of one namespace. Use it with ``async with``."""

    def __init__(self, host: str, ca_pem: str, token: str, namespace: str) -> None:
        self.namespace = namespace
        self._host = host
        self._ssl = ssl.create_default_context(cadata=ca_pem)
        self._headers = {"Authorization": f"Bearer {token}"}
        self.deleted: dict[str, float] = {}
        """Uid of each object whose deletion was asked for here -> monotonic seconds when it was."""

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._ssl)
        self._session = aiohttp.ClientSession(self._host, headers=self._headers, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, body: Any = None, content: str = "application/json") -> Any:
        """One request; fails on any error status."""
        data = None if body is None else json.dumps(body)
        async with self._session.request(method, path, data=data, headers={"Content-Type": content}) as answer:
            found = await answer.json(content_type=None)
            assert answer.status < 300, f"{method} {path}: {answer.status} {found.get('message')}"
            return found

    async def make_namespace(self) -> None:
        """Create the namespace."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        await self.call("POST", "/api/v1/namespaces", body)

    async def make_secret(self, name: str, **texts: str) -> None:
        """Create a Secret."""
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": texts}
        await self.call("POST", f"/api/v1/namespaces/{self.namespace}/secrets", body)

    async def change_secret(self, name: str, **texts: str) -> None:
        """Merge into a Secret."""
        await self.call("PATCH", f"/api/v1/namespaces/{self.namespace}/secrets/{name}", {"stringData": texts}, MERGE)

    async def delete_namespace(self) -> None:
        """Delete the namespace, and then all that is in it, as the namespace controller does; what has finalizers goes later."""
        await self.call("DELETE", f"/api/v1/namespaces/{self.namespace}")
        for plural in (*WINDOWED.values(), *PLURALS.values()):
            await self.call("DELETE", f"{API}/namespaces/{self.namespace}/{plural}")
        await self.call("DELETE", f"/api/v1/namespaces/{self.namespace}/secrets")

    async def create(self, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Create an object of ours."""
        body = {"apiVersion": "influxops.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        made: dict[str, Any] = await self.call("POST", self._path(kind), body)
        return made

    async def patch(self, kind: str, name: str, /, **fields: Any) -> dict[str, Any]:
        """Merge into the spec; None takes a field away. The object as it is then."""
        changed: dict[str, Any] = await self.call("PATCH", self._path(kind, name), {"spec": fields}, MERGE)
        return changed

    async def annotate(self, kind: str, name: str, /, **annotations: str) -> None:
        """Set annotations; the names without their group."""
        named = {f"influxops.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
        await self.call("PATCH", self._path(kind, name), {"metadata": {"annotations": named}}, MERGE)

    async def get(self, kind: str, name: str) -> dict[str, Any]:
        """An object of ours."""
        found: dict[str, Any] = await self.call("GET", self._path(kind, name))
        return found

    async def delete(self, kind: str, name: str) -> None:
        """Delete an object of ours; its finalizer may keep it for a while."""
        asked = time.monotonic()
        answer = await self.call("DELETE", self._path(kind, name))
        uid = (answer.get("details") or {}).get("uid") or answer["metadata"]["uid"]
        self.deleted.setdefault(str(uid), asked)

    async def strip(self, kind: str, name: str) -> None:
        """Take all finalizers off by hand, as people do when an object will not go."""
        await self.call("PATCH", self._path(kind, name), {"metadata": {"finalizers": None}}, MERGE)

    async def objects(self, kinds: Iterable[str] = PLURALS) -> list[dict[str, Any]]:
        """Every object of these kinds in the namespace."""
        found = []
        for kind in kinds:
            listed = await self.call("GET", self._path(kind))
            found += [{**item, "kind": kind} for item in listed["items"]]
        return found

    async def clear(self) -> None:
        """Remove every object of ours, finalizers or not: nobody may work on them later."""
        for item in await self.objects((*WINDOWED, *PLURALS)):
            path = self._path(item["kind"], item["metadata"]["name"])
            if not item["metadata"].get("deletionTimestamp"):
                await self.call("DELETE", path)
            if item["metadata"].get("finalizers"):
                await self.call("PATCH", path, {"metadata": {"finalizers": None}}, MERGE)

    def _path(self, kind: str, name: str = "") -> str:
        path = f"{API}/namespaces/{self.namespace}/{(PLURALS | WINDOWED)[kind]}"
        return f"{path}/{name}" if name else path
