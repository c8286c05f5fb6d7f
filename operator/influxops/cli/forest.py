"""Grows the trees of ``influxops tree``: objects from the cluster, buckets from the scripts in InfluxDB."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from influxops.api.errors import SpecInvalid
from influxops.cli.native import Object, check_url, spec_of
from influxops.core.age import age
from influxops.core.conditions import parse_rfc3339
from influxops.core.durations import format_retention
from influxops.core.flux.facts import facts_of
from influxops.core.keys import Key, Kind
from influxops.core.tree import Node
from influxops.influx.errors import InfluxError
from influxops.kube.client import KubeClient
from influxops.kube.errors import Forbidden, KubeError, MissingReference
from influxops.kube.references import connection_of
from influxops.kube.secrets import SecretResolver
from influxops.preview.connections import PreviewLink, open_link
from influxops.settings import ConfigError

AT_ONCE = 8
"""Scripts whose syntax tree is asked for at a time."""


async def grow(client: KubeClient, namespace: str | None, root: Key | None, url: str) -> tuple[list[Node], list[str]]:
    """The trees of a namespace (None: of all), or of one object, and notes on what is missing.

    ``url`` stands for the address of the one connection that is shown. Raises ConfigError when there are several, or when
    ``root`` does not exist.
    """
    objects = await _objects(client, namespace)
    if root is not None and root not in objects:
        raise ConfigError(f"{root} does not exist; kubectl get {root.kind.plural} -n {root.namespace} lists what does")
    hung: dict[Key, list[Key]] = {}
    for key, found in objects.items():
        where = key if key.kind is Kind.CONNECTION else connection_of(key, found.get("spec") or {})
        if where is None or (root is not None and root not in (key, where)):
            continue
        branch = hung.setdefault(where, [])
        if key != where and (root is None or root.kind is Kind.CONNECTION or key == root):
            branch.append(key)
    check_url(url, hung)
    notes: list[str] = []
    nodes = []
    for where in sorted(hung, key=str):
        if where not in objects:
            await _fetch(client, where, objects, notes)
        nodes.append(await _connection(client, where, sorted(hung[where], key=_order), objects, notes, url))
    return nodes, notes


async def _objects(client: KubeClient, namespace: str | None) -> dict[Key, Object]:
    found: dict[Key, Object] = {}
    for kind in Kind:
        for body in await client.list_objects(kind, namespace):
            found[Key(kind, body["metadata"]["namespace"], body["metadata"]["name"])] = body
    return found


async def _fetch(client: KubeClient, where: Key, objects: dict[Key, Object], notes: list[str]) -> None:
    """A connection of another namespace, which the user may not be allowed to see."""
    try:
        found = await client.get(*where)
    except Forbidden:
        notes.append(f"{where}: you may not read it")
        return
    if found is not None:
        objects[where] = found
    else:
        notes.append(f"{where} does not exist, and objects refer to it")


async def _connection(
    client: KubeClient, where: Key, branch: list[Key], objects: Mapping[Key, Object], notes: list[str], url: str
) -> Node:
    node = object_node(where, objects.get(where))
    link = await _open(client, where, objects, notes, url) if any(key.kind is Kind.TASK for key in branch) else None
    try:
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(key: Key) -> Node:
            child = object_node(key, objects[key])
            if key.kind is Kind.TASK and link is not None:
                async with slots:
                    child.children = await _buckets(link, objects[key], notes)
            return child

        node.children = list(await asyncio.gather(*(one(key) for key in branch)))
    finally:
        if link is not None:
            await link.close()
    return node


async def _open(
    client: KubeClient, where: Key, objects: Mapping[Key, Object], notes: list[str], url: str
) -> PreviewLink | None:
    """The connection with its tasks and buckets; None, and a note, when it cannot be read."""
    if where not in objects:
        return None
    try:
        return await open_link(where, spec_of(objects[where], url), SecretResolver(client))
    except (SpecInvalid, InfluxError, MissingReference, KubeError) as error:
        notes.append(f"{where}: buckets are not shown: {error}")
        return None


async def _buckets(link: PreviewLink, found: Object, notes: list[str]) -> list[Node]:
    """The buckets that a task's script names, each with the policy that manages it."""
    task = link.native.get(str((found.get("status") or {}).get("taskID")))
    if task is None or link.port is None:
        return []
    try:
        facts = facts_of(task.flux, await link.port.ast(task.flux))
    except (InfluxError, ValueError) as error:
        notes.append(f"task {task.id} ({task.name}): its script cannot be read: {error}")
        return []
    nodes = [bucket_node("reads", name, link) for name in sorted(facts.reads)]
    nodes += [bucket_node("writes", name, link) for name in sorted(facts.writes)]
    if facts.opaque_targets:
        nodes.append(Node("and buckets that only the run knows", {"kind": "Bucket", "name": "", "opaque": True}))
    return nodes


def bucket_node(verb: str, name: str, link: PreviewLink) -> Node:
    """A bucket that a script names."""
    bucket = link.snapshot.buckets.get(name)
    facts: dict[str, Any] = {"kind": "Bucket", "name": name, "use": verb}
    if bucket is None:
        return Node(
            f"{verb} {name}", {**facts, "ready": "False", "reason": "DependencyNotReady", "message": "no such bucket"}
        )
    marker = bucket.marker
    kept = format_retention(bucket.retention)
    if marker is None:
        return Node(f"{verb} {name} ({kept}, no RetentionPolicy)", {**facts, "retention": kept})
    policy = f"{marker.owner.namespace}/{marker.owner.name}"
    return Node(f"{verb} {name} ({kept}, RetentionPolicy {policy})", {**facts, "retention": kept, "policy": policy})


def object_node(key: Key, found: Object | None) -> Node:
    """One of our objects, as its status tells."""
    facts: dict[str, Any] = {"kind": key.kind.value, "namespace": key.namespace, "name": key.name}
    if found is None:
        return Node(str(key), {**facts, "ready": "Unknown", "reason": "NotFound"})
    status = found.get("status") or {}
    ready: Mapping[str, Any] = next(
        (one for one in status.get("conditions") or () if one.get("type") == "Ready"), {"status": "Unknown"}
    )
    facts |= {"ready": ready.get("status", ""), "reason": ready.get("reason", ""), "message": ready.get("message", "")}
    if key.kind is Kind.TASK:
        facts["schedule"] = str(status.get("schedule", ""))
    elif key.kind is Kind.POLICY:
        facts["retention"] = str((found.get("spec") or {}).get("retention", ""))
    last = status.get("lastRun") or {}
    if last:
        began = last.get("startedAt") or last["scheduledFor"]
        facts |= {"lastRun": began, "age": age(parse_rfc3339(began), datetime.now(UTC)), "result": last["state"]}
    return Node(str(key), facts)


def _order(key: Key) -> tuple[bool, Iterable[str]]:
    """Policies before tasks, for data comes first."""
    return key.kind is Kind.TASK, (key.namespace, key.name)
