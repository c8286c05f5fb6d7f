"""What a spec refers to: read from the raw spec, so that an object with faults elsewhere still counts as a referrer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from influxops.core.keys import Key, Kind

ObjectRef = tuple[str, str]
"""Namespace and name."""


class Reference(NamedTuple):
    """Something that a spec names. A bucket has no namespace."""

    kind: str
    namespace: str
    name: str

    @classmethod
    def to(cls, key: Key) -> Reference:
        """A reference to one of our own objects."""
        return cls(key.kind.value, key.namespace, key.name)

    @classmethod
    def to_bucket(cls, bucket: str) -> Reference:
        """A reference to a bucket in InfluxDB."""
        return cls("Bucket", "", bucket)


def references(key: Key, spec: Mapping[str, Any]) -> frozenset[Reference]:
    """Everything that the spec of ``key`` names; what is missing or of a wrong type is left out."""
    found: Iterator[Reference]
    match key.kind:
        case Kind.CONNECTION:
            found = _of_connection(key, spec)
        case Kind.TASK:
            found = _of_task(key, spec)
        case Kind.POLICY:
            found = _of_policy(key, spec)
        case Kind.PIPELINE:
            found = _of_pipeline(key, spec)
        case Kind.BACKFILL:
            found = _of_backfill(key, spec)
    return frozenset(found)


def connection_of(key: Key, spec: Mapping[str, Any]) -> Key | None:
    """The connection that a task, policy or pipeline names; without a namespace, the one beside it."""
    name = _text(spec, "connectionRef", "name")
    if not name:
        return None
    return Key(Kind.CONNECTION, _text(spec, "connectionRef", "namespace") or key.namespace, name)


def _of_connection(key: Key, spec: Mapping[str, Any]) -> Iterator[Reference]:
    paths = (("tokenSecretRef", "name"), ("tls", "caSecretRef", "name"), ("tls", "clientCertSecretRef", "name"))
    for path in paths:
        name = _text(spec, *path)
        if name:
            yield Reference("Secret", key.namespace, name)


def _of_task(key: Key, spec: Mapping[str, Any]) -> Iterator[Reference]:
    connection = connection_of(key, spec)
    if connection:
        yield Reference.to(connection)
    name = _text(spec, "template", "configMapKeyRef", "name")
    if name:
        yield Reference("ConfigMap", key.namespace, name)


def _of_policy(key: Key, spec: Mapping[str, Any]) -> Iterator[Reference]:
    connection = connection_of(key, spec)
    if connection:
        yield Reference.to(connection)
    bucket = _text(spec, "bucket")
    if bucket:
        yield Reference.to_bucket(bucket)


def _of_pipeline(key: Key, spec: Mapping[str, Any]) -> Iterator[Reference]:
    connection = connection_of(key, spec)
    if connection:
        yield Reference.to(connection)
    stages = spec.get("stages")
    for stage in stages if isinstance(stages, list) else []:
        task = _text(stage, "taskRef", "name")
        if task:
            yield Reference.to(Key(Kind.TASK, key.namespace, task))
        configmap = _text(stage, "template", "configMapKeyRef", "name")
        if configmap:
            yield Reference("ConfigMap", key.namespace, configmap)


def _of_backfill(key: Key, spec: Mapping[str, Any]) -> Iterator[Reference]:
    for field, kind in (("pipelineRef", Kind.PIPELINE), ("taskRef", Kind.TASK)):
        name = _text(spec, field, "name")
        if name:
            yield Reference.to(Key(kind, key.namespace, name))


def _text(value: object, *path: str) -> str:
    for step in path:
        if not isinstance(value, Mapping):
            return ""
        value = value.get(step)
    return value if isinstance(value, str) else ""
