"""The cluster as manifests tell it, or as it is: what the operator's own code needs to work out a plan, and no write."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from influxops.core.keys import Key
from influxops.core.record import Record
from influxops.kube.client import KubeClient
from influxops.kube.errors import NotLeader
from influxops.preview.manifests import Manifest


class _ReadOnly:
    """A cluster in which finalizers are never set."""

    async def set_finalizers(
        self, key: Key, uid: str, resource_version: str, finalizers: tuple[str, ...]
    ) -> Mapping[str, Any]:
        """Nothing: a plan writes nothing."""
        return {}

    async def delete_object(self, key: Key, uid: str) -> None:
        """Nothing either."""

    async def exists(self, key: Key, uid: str, *, deleting: bool = False) -> bool:
        """What a plan is made for is taken as given."""
        return True


class ManifestCluster(_ReadOnly):
    """Secrets, ConfigMaps and Namespaces from manifests.

    ``token`` stands for those of ``token_secrets``, as (namespace, name), that no manifest holds.
    """

    def __init__(
        self, others: list[Manifest], token: str = "", token_secrets: frozenset[tuple[str, str]] = frozenset()
    ) -> None:
        self._token_secrets = token_secrets
        self._others = {(one.kind, one.namespace, one.name): one.body for one in others}
        self._namespaces = {one.name: one.body for one in others if one.kind == "Namespace"}
        self._token = token

    async def get_secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """A Secret's data; of a token's Secret that no manifest holds, every key is the token from the environment."""
        body = self._others.get(("Secret", namespace, name))
        if body is None:
            given = self._token and (namespace, name) in self._token_secrets
            return _AnyKey(self._token.encode()) if given else None
        data = {str(key): str(value).encode() for key, value in (body.get("stringData") or {}).items()}
        for key, value in (body.get("data") or {}).items():
            try:
                data.setdefault(str(key), base64.b64decode(str(value), validate=True))
            except (binascii.Error, ValueError):
                continue
        return data

    async def get_configmap(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """A ConfigMap."""
        return self._others.get(("ConfigMap", namespace, name))

    async def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        """Labels of a Namespace; ``kubernetes.io/metadata.name`` is always there."""
        labels = ((self._namespaces.get(name) or {}).get("metadata") or {}).get("labels") or {}
        return {**labels, "kubernetes.io/metadata.name": name}


class ClusterView(_ReadOnly):
    """A cluster that is only read."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self.get_configmap = client.get_configmap
        self.namespace_labels = client.namespace_labels


class _AnyKey(dict[str, bytes]):
    """The same value under every key."""

    def __init__(self, value: bytes) -> None:
        super().__init__({"token": value})
        self._value = value

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> bytes:
        return self._value


class Silent:
    """The recorder and the status writer of a plan: nothing is told to anybody."""

    def event(self, record: Record, reason: str, message: str, *, warning: bool = False) -> None:
        """No event."""

    def action(self, key: Key, action: str, reason: str, **fields: Any) -> None:
        """No log line."""

    def drift(self, key: Key, *, corrected: bool) -> None:
        """No metric."""

    async def now(self, key: Key, uid: str, status: Mapping[str, Any]) -> bool:
        """No status."""
        return False


class NoWrites:
    """The fence of a plan: every write is a bug."""

    def check(self) -> None:
        """Refuse."""
        raise NotLeader("a plan writes nothing")

    def remaining(self) -> float:
        """No time at all."""
        return 0.0


class Uncounted:
    """Counts no requests."""

    def request(self, connection: str, operation: str, code: str, seconds: float) -> None:
        """Nothing."""
