"""Where the objects of a plan come from: manifests, or a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from influxops.core.keys import Key, Kind
from influxops.core.record import Record, pack
from influxops.kube.cache import Cache
from influxops.kube.client import KubeClient
from influxops.kube.errors import NotLeader
from influxops.kube.references import connection_of
from influxops.kube.secrets import SecretResolver
from influxops.preview.manifests import Manifest, Manifests
from influxops.preview.planner import Source
from influxops.preview.world import ClusterView, ManifestCluster
from influxops.settings import ConfigError
from influxops.watch.projection import project

_CREATED = datetime(1970, 1, 1, tzinfo=UTC)


def from_manifests(
    manifests: Manifests, instance: str, token: str = "", override: Mapping[str, Any] | None = None
) -> Source:
    """The objects of files. ``override`` replaces fields of every connection's spec, such as ``url`` and ``org``."""
    cache = Cache()
    places: dict[Key, str] = {}
    for number, manifest in enumerate(manifests.objects):
        record = _record(manifest, number, override or {})
        cache.upsert(record)
        places[record.key] = manifest.place
    for key in _missing_connections(cache) if override else ():
        spec = {"tokenSecretRef": {"name": "token", "key": "token"}, **(override or {})}
        cache.upsert(_plain(key, spec, f"connection-{key.namespace}-{key.name}"))
    cluster = ManifestCluster(manifests.others, token, _token_secrets(cache, url=bool((override or {}).get("url"))))
    return Source(cache, places, cluster, SecretResolver(cluster), instance, live=False)


def _token_secrets(cache: Cache, *, url: bool) -> frozenset[tuple[str, str]]:
    """Secrets for which the token of the environment stands: one token is for one InfluxDB.

    It goes to no address but the given one, or the one that all manifests name.
    """
    connections = [(record.key.namespace, record.spec()) for record in cache.records(Kind.CONNECTION)]
    if not url and len({str(spec.get("url")) for _, spec in connections}) > 1:
        return frozenset()
    refs = ((namespace, spec.get("tokenSecretRef")) for namespace, spec in connections)
    return frozenset((namespace, str(ref.get("name"))) for namespace, ref in refs if isinstance(ref, dict))


async def from_cluster(client: KubeClient, instance: str, namespace: str | None) -> Source:
    """The objects of a cluster, or of one namespace of it, and the connections that they use."""

    def refuse() -> float:
        raise NotLeader("a plan writes nothing")

    client.fence = refuse
    cache = Cache()
    for kind in (Kind.TASK, Kind.POLICY, Kind.CONNECTION, Kind.PIPELINE):
        for body in await client.list_objects(kind, namespace):
            cache.upsert(project(kind, body))
    for key in _missing_connections(cache):
        found = await client.get(Kind.CONNECTION, key.namespace, key.name)
        if found is not None:
            cache.upsert(project(Kind.CONNECTION, found))
    instance = instance or await client.namespace_uid("kube-system") or ""
    view = ClusterView(client)
    return Source(cache, {}, view, SecretResolver(client), instance, live=True)


def of_connection(source: Source, connection: Key) -> Source:
    """The same without the objects of other connections. Raises ConfigError when none is left."""
    cache = Cache()
    for kind in (Kind.CONNECTION, Kind.POLICY, Kind.TASK, Kind.PIPELINE):
        for record in source.cache.records(kind):
            if connection in (record.key, connection_of(record.key, record.spec())):
                cache.upsert(record)
    if not cache.count(Kind.POLICY) + cache.count(Kind.TASK) + cache.count(Kind.PIPELINE):
        raise ConfigError(f"nothing uses {connection}: correct --connection, which is NAME or NAMESPACE/NAME")
    return replace(source, cache=cache)


def _missing_connections(cache: Cache) -> set[Key]:
    named = {
        connection_of(record.key, record.spec())
        for kind in (Kind.TASK, Kind.POLICY, Kind.PIPELINE)
        for record in cache.records(kind)
    }
    return {key for key in named if key is not None and cache.get(key) is None}


def _record(manifest: Manifest, number: int, override: Mapping[str, Any]) -> Record:
    kind = Kind(manifest.kind)
    spec = manifest.body.get("spec")
    spec = dict(spec) if isinstance(spec, dict) else {}
    if kind is Kind.CONNECTION:
        spec.update(override)
        if str(spec.get("url", "")).startswith("http://"):
            spec.pop("tls", None)
    annotations = (manifest.body.get("metadata") or {}).get("annotations") or {}
    annotations = {str(name): str(text) for name, text in annotations.items()} if isinstance(annotations, dict) else {}
    return _plain(Key(kind, manifest.namespace, manifest.name), spec, f"manifest-{number:06d}", annotations)


def _plain(key: Key, spec: Mapping[str, Any], uid: str, annotations: Mapping[str, str] | None = None) -> Record:
    return Record(
        key=key,
        uid=uid,
        generation=1,
        resource_version="1",
        created=_CREATED,
        deletion_timestamp=None,
        finalizers=(),
        annotations=dict(annotations or {}),
        labels={},
        packed_spec=pack(spec),
        packed_status=b"",
    )
