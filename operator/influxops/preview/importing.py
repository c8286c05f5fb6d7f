"""Manifests for what an InfluxDB organization holds already, each tried by a plan before it is shown."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from influxops.api.connection import InfluxConnectionSpec
from influxops.api.read import read
from influxops.core.bucket_plan import default_shard_group
from influxops.core.durations import format_retention, format_seconds
from influxops.core.flux.facts import facts_of
from influxops.core.flux.split import without_task_option
from influxops.core.keys import VERSION, Key, Kind
from influxops.core.marker import read_description, read_script
from influxops.core.observed import Bucket, Task, TaskStatus
from influxops.influx.errors import ScriptInvalid
from influxops.kube.secrets import SecretResolver
from influxops.preview.connections import PreviewLink, open_link
from influxops.preview.item import Item
from influxops.preview.manifests import Manifest, Manifests
from influxops.preview.places import Document
from influxops.preview.planner import plan
from influxops.preview.sources import from_manifests
from influxops.preview.world import ManifestCluster

LONGEST_NAME = 63
"""Characters of the name of an object, so that tools which put it into labels get on with it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is imported, and into what."""

    url: str
    org: str
    token: str
    namespace: str
    connection: str
    selector: str = "*"
    """A pattern of names, as the shell has them."""
    tasks: bool = True
    buckets: bool = True
    schedule_as_fields: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """One object as a manifest. ``refused``: why influxops would not take it over; empty when it would."""

    body: dict[str, Any]
    about: str
    refused: str = ""


@dataclass(slots=True)
class Imported:
    """Everything that was found."""

    connection: dict[str, Any]
    objects: list[Found] = field(default_factory=list)
    managed: int = 0
    """Objects that an influxops manages already; they are left out."""


async def import_org(wanted: Wanted) -> Imported:
    """Read an organization and try what is found. Raises the errors of InfluxDB, and ``SpecInvalid`` for a bad url."""
    spec = {
        "url": wanted.url,
        "org": wanted.org,
        "tokenSecretRef": {"name": "influx-token", "key": "token"},
        **({"allowInsecure": True} if wanted.url.startswith("http://") else {}),
    }
    imported = Imported(_object(Kind.CONNECTION, wanted.namespace, wanted.connection, spec))
    key = Key(Kind.CONNECTION, wanted.namespace, wanted.connection)
    own = frozenset({(wanted.namespace, "influx-token")})
    secrets = SecretResolver(ManifestCluster([], wanted.token, own))
    link = await open_link(key, read(InfluxConnectionSpec, spec, "spec"), secrets)
    names = _Names()
    found: list[Found] = []
    try:
        for bucket in sorted(link.snapshot.buckets.values(), key=lambda one: one.name) if wanted.buckets else ():
            if bucket.type == "system" or not fnmatch.fnmatchcase(bucket.name, wanted.selector):
                continue
            if bucket.marker is not None:
                imported.managed += 1
                continue
            found.append(_bucket(bucket, wanted, names))
        native = sorted(link.native.values(), key=lambda task: (task.name, task.id))
        for task in native if wanted.tasks else ():
            if not fnmatch.fnmatchcase(task.name, wanted.selector):
                continue
            if read_script(task.flux)[0] is not None:
                imported.managed += 1
                continue
            found.append(await _task(link, task, wanted, names))
    finally:
        await link.close()
    imported.objects = await _tried(imported.connection, found, wanted)
    return imported


async def _tried(connection: dict[str, Any], found: list[Found], wanted: Wanted) -> list[Found]:
    """Plan all of it, and note what would not be taken over as it is."""
    bodies = [connection, *(one.body for one in found)]
    objects = [
        Manifest(str(body["kind"]), wanted.namespace, str(body["metadata"]["name"]), body, Document("", [], None))
        for body in bodies
    ]
    preview = await plan(from_manifests(Manifests(objects=objects), "import", wanted.token))
    items = {(item.kind, item.name): item for item in preview.items}
    return [replace(one, refused=_why(items[one.body["kind"], one.body["metadata"]["name"]])) for one in found]


def _why(item: Item) -> str:
    if item.held:
        return f"{item.held}: {item.message}"
    return "" if item.verb == "adopt" else f"would be {item.verb or 'left alone'}, not taken over"


def _bucket(bucket: Bucket, wanted: Wanted, names: _Names) -> Found:
    spec: dict[str, Any] = {
        "connectionRef": {"name": wanted.connection},
        "bucket": bucket.name,
        "retention": format_retention(bucket.retention),
    }
    if bucket.shard_group != default_shard_group(bucket.retention):
        spec["shardGroupDuration"] = format_seconds(bucket.shard_group, "dhms")
    description = read_description(bucket.description)[1]
    if description:
        spec["description"] = description
    name = names.of(Kind.POLICY, bucket.name, bucket.id)
    return Found(_object(Kind.POLICY, wanted.namespace, name, spec), f"bucket {bucket.id}")


async def _task(link: PreviewLink, task: Task, wanted: Wanted, names: _Names) -> Found:
    spec: dict[str, Any] = {"connectionRef": {"name": wanted.connection}, "importID": task.id}
    script = task.flux
    if wanted.schedule_as_fields:
        fields, script = await _fields(link, task)
        spec.update(fields)
    if task.description:
        spec["description"] = task.description
    if task.status is TaskStatus.INACTIVE:
        spec["suspend"] = True
    spec["flux"] = script
    schedule = task.cron or task.every
    about = f"task {task.id}, {task.name!r}, {schedule}, made {task.created_at:%Y-%m-%d}"
    return Found(_object(Kind.TASK, wanted.namespace, names.of(Kind.TASK, task.name, task.id), spec), about)


async def _fields(link: PreviewLink, task: Task) -> tuple[dict[str, Any], str]:
    """The schedule as fields of the spec and the script without it, where that means the same."""
    try:
        ast = await link.send("ast", lambda port: port.ast(task.flux))
    except ScriptInvalid:
        return {}, task.flux
    own = facts_of(task.flux, ast).task
    if own is None or own.unknown or not own.literal or own.offset.startswith("-"):
        return {}, task.flux
    fields = {"name": own.name, "every": own.every, "cron": own.cron, "offset": own.offset}
    return {name: text for name, text in fields.items() if text}, without_task_option(task.flux, ast)


class _Names:
    """Names of objects, made from names in InfluxDB; each only once a kind."""

    def __init__(self) -> None:
        self._taken: set[tuple[Kind, str]] = set()

    def of(self, kind: Kind, name: str, object_id: str) -> str:
        """A name that Kubernetes takes."""
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST_NAME].strip("-") or object_id
        if (kind, slug) in self._taken:
            slug = f"{slug[: LONGEST_NAME - 17].strip('-')}-{object_id}"
        self._taken.add((kind, slug))
        return slug


def _object(kind: Kind, namespace: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": f"influxops.dev/{VERSION}",
        "kind": kind.value,
        "metadata": {"name": name, "namespace": namespace},
        "spec": dict(spec),
    }


def count(found: Iterable[Found]) -> tuple[int, int]:
    """How many would be taken over, and how many not."""
    refused = [bool(one.refused) for one in found]
    return len(refused) - sum(refused), sum(refused)
