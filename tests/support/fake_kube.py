"""An API server in memory, at the level of its requests: as much of it as influxops and its users meet.

tests/contract/test_kube_requests.py runs the same requests on this and on a real kube-apiserver. It checks no schema and
fills in no defaults but ``status.observedGeneration``: who uses it sends specs that are right and whole.

What is stored is never changed, only replaced, and answers are what is stored: nobody may write into them.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from influxops.core.keys import GROUP, VERSION, Kind

Answer = tuple[int, dict[str, Any]]
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"

_PATH = re.compile(r"/apis?/(?:[^/]+/)?v[^/]+/namespaces/([^/]+)/([^/]+)(?:/([^/]+))?(?:/(status))?")
_ALL = re.compile(r"/apis?/(?:[^/]+/)?v[^/]+/([a-z]+)")
_NAMESPACE = re.compile(r"/api/v1/namespaces/([^/]+)")
_OURS = {kind.plural: kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class News:
    """One event of a watch over our kinds."""

    version: int
    type: str
    kind: Kind
    body: Mapping[str, Any]


@dataclass
class FakeKube:
    """Objects by (plural, namespace, name). ``now`` gives the server's time of day."""

    now: Callable[[], datetime]
    objects: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)
    """All events since the beginning, oldest first."""
    on_news: Callable[[], None] = lambda: None
    version: int = 1
    _uids: int = 0

    def request(
        self, method: str, path: str, body: Any = None, content: str = "application/json", query: Any = None
    ) -> Answer:
        """Carry out a request: the HTTP status and the answer."""
        body = copy.deepcopy(body) if body is not None else None
        whole = _ALL.fullmatch(path)
        namespace = _NAMESPACE.fullmatch(path)
        match = _PATH.fullmatch(path)
        if namespace is not None:
            meta = {"name": namespace[1], "uid": f"uid-of-{namespace[1]}", "labels": {}}
            return 200, {"kind": "Namespace", "metadata": meta}
        if whole is not None and method == "GET":
            return self._list(whole[1], None)
        if match is None:
            return _refuse(404, "NotFound", f"there is no {path} here")
        space, plural, name, part = match.groups()
        if name is None:
            return self._list(plural, space) if method == "GET" else self._create(plural, space, body)
        found = self.objects.get((plural, space, name))
        if found is None:
            return _refuse(404, "NotFound", f'{plural} "{name}" not found')
        if method == "GET":
            return 200, found
        if method == "DELETE":
            return self._delete(plural, found, (body or {}).get("preconditions") or {})
        if method == "PUT":
            return self._store(plural, found, {**body, "metadata": {**found["metadata"], **body["metadata"]}})
        return self._patch(plural, found, body, content, part == "status")

    # Inside

    def _list(self, plural: str, namespace: str | None) -> Answer:
        items = [
            item
            for (kind, space, _), item in sorted(self.objects.items())
            if kind == plural and namespace in {None, space}
        ]
        return 200, {"metadata": {"resourceVersion": str(self.version)}, "items": items}

    def _create(self, plural: str, namespace: str, body: dict[str, Any]) -> Answer:
        meta = body.get("metadata") or {}
        name = meta.get("name") or f"{meta.get('generateName', '')}{self._uids}"
        if (plural, namespace, name) in self.objects:
            return _refuse(409, "AlreadyExists", f'{plural} "{name}" already exists')
        self._uids += 1
        body["metadata"] = {
            **meta,
            "name": name,
            "namespace": namespace,
            "uid": f"00000000-0000-4000-8000-{self._uids:012x}",
            "creationTimestamp": _seconds(self.now()),
            "generation": 1,
        }
        body.pop("status", None)
        if plural in _OURS:
            body["status"] = {"observedGeneration": -1}
        if "stringData" in body:
            _encode(body)
        self.objects[plural, namespace, name] = body
        self._tell("ADDED", plural, body)
        return 201, body

    def _delete(self, plural: str, found: dict[str, Any], wanted: Mapping[str, str]) -> Answer:
        meta = found["metadata"]
        if wanted.get("uid", meta["uid"]) != meta["uid"]:
            return _refuse(409, "Conflict", f"the UID in the precondition ({wanted['uid']}) does not match")
        if not meta.get("finalizers"):
            self._drop(plural, found)
        elif "deletionTimestamp" not in meta:
            changed = copy.deepcopy(found)
            changed["metadata"] |= {
                "deletionTimestamp": _seconds(self.now()),
                "deletionGracePeriodSeconds": 0,
                "generation": meta["generation"] + 1,
            }
            return self._store(plural, found, changed)
        return 200, found

    def _patch(self, plural: str, found: dict[str, Any], body: Any, content: str, status: bool) -> Answer:
        changed = copy.deepcopy(found)
        if content == JSON_PATCH:
            for step in body:
                if step["op"] == "test" and _at(changed, step["path"]) != step["value"]:
                    return _refuse(422, "Invalid", "the server rejected our request due to an error in our request")
                if step["op"] == "add":
                    _set(changed, step["path"], step["value"])
        elif content == APPLY:
            changed["status"] = {"observedGeneration": -1, **body.get("status", {})}
        else:
            _merge(changed, body)
        sent = body.get("metadata") or {} if isinstance(body, dict) else {}
        if content == MERGE and sent.get("uid", found["metadata"]["uid"]) != found["metadata"]["uid"]:
            return _refuse(422, "Invalid", "metadata.uid: Invalid value: field is immutable")
        for name in ("uid", "resourceVersion"):
            if sent.get(name, found["metadata"][name]) != found["metadata"][name]:
                return _refuse(409, "Conflict", f"the object has been modified: {name} is {found['metadata'][name]}")
        if status:
            changed = {**found, "status": changed.get("status") or {}}
        elif "status" in found:
            changed["status"] = found["status"]
        return self._store(plural, found, changed)

    def _store(self, plural: str, found: dict[str, Any], changed: dict[str, Any]) -> Answer:
        meta, old = changed["metadata"], found["metadata"]
        added = set(meta.get("finalizers") or ()) - set(old.get("finalizers") or ())
        if "deletionTimestamp" in old and added:
            return _refuse(422, "Invalid", "Forbidden: no new finalizers can be added if the object is being deleted")
        if "stringData" in changed:
            _encode(changed)
        if changed.get("spec") != found.get("spec"):
            meta["generation"] = old["generation"] + 1
        if changed == found:
            return 200, found
        self.objects[plural, meta["namespace"], meta["name"]] = changed
        if "deletionTimestamp" in meta and not meta.get("finalizers"):
            self._drop(plural, changed)
        else:
            self._tell("MODIFIED", plural, changed)
        return 200, changed

    def _drop(self, plural: str, found: dict[str, Any]) -> None:
        del self.objects[plural, found["metadata"]["namespace"], found["metadata"]["name"]]
        self._tell("DELETED", plural, {**found, "metadata": {**found["metadata"]}})

    def _tell(self, type_: str, plural: str, body: dict[str, Any]) -> None:
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        if plural in _OURS:
            self.news.append(News(self.version, type_, _OURS[plural], body))
            self.on_news()


class FakeTransport:
    """What ``KubeClient`` sends through, straight into a ``FakeKube``; ``pass_through`` decides what becomes of each request."""

    def __init__(self, pass_through: Callable[..., Any]) -> None:
        self.fence: Callable[[], float | None] = lambda: None
        self.requests = 0
        self.answers: dict[tuple[str, str], int] = {}
        self._pass = pass_through

    async def close(self) -> None:
        """Nothing is open."""

    async def read(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        accept: str = "",
        timeout: float | None = None,
    ) -> Any:
        """GET."""
        del accept, timeout
        return await self._pass("GET", path, None, "application/json", query)

    async def write(
        self,
        method: str,
        path: str,
        body: object,
        query: Mapping[str, str] | None = None,
        *,
        content: str = "application/json",
        timeout: float | None = None,
        fenced: bool = True,
    ) -> Any:
        """Any other method."""
        del timeout
        if fenced:
            self.fence()
        return await self._pass(method, path, json.loads(json.dumps(body)), content, query)


def base_path(plural: str, namespace: str, name: str = "") -> str:
    """Where objects of ours are."""
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{plural}"
    return f"{path}/{name}" if name else path


def _refuse(code: int, reason: str, message: str) -> Answer:
    return code, {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code}


def _seconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _encode(secret: dict[str, Any]) -> None:
    texts = secret.pop("stringData")
    data = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
    secret["data"] = {**(secret.get("data") or {}), **data}


def _at(body: Any, path: str) -> Any:
    for part in path.strip("/").split("/"):
        body = body.get(part) if isinstance(body, dict) else None
    return body


def _set(body: Any, path: str, value: Any) -> None:
    *parts, last = path.strip("/").split("/")
    for part in parts:
        body = body[part]
    body[last] = value


def _merge(target: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        elif isinstance(value, dict):
            target[name] = {}
            _merge(target[name], value)
        else:
            target[name] = value
