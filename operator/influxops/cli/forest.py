"""Grows the trees of ``influxops tree``: objects from the cluster, buckets from the scripts in InfluxDB."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from influxops.api.errors import SpecInvalid
from influxops.cli.native import Object, check_url, spec_of
from influxops.cli.tree_nodes import backfill_node, bucket_node, object_node, pipeline_node
from influxops.core.flux.facts import facts_of
from influxops.core.keys import Key, Kind
from influxops.core.tree import Node
from influxops.influx.errors import InfluxError
from influxops.kube.client import KubeClient
from influxops.kube.errors import Forbidden, KubeError, MissingReference, NotFound
from influxops.kube.references import connection_of, references
from influxops.kube.secrets import SecretResolver
from influxops.preview.connections import PreviewLink, open_link
from influxops.settings import ConfigError

AT_ONCE = 8
"""Scripts whose syntax tree is asked for at a time."""

_NEWER = frozenset({Kind.PIPELINE, Kind.BACKFILL})
"""Kinds that an older installation lacks, or that a user may not be allowed to see."""
_PLACES = (Kind.POLICY, Kind.TASK, Kind.PIPELINE)
"""The order below a connection: data comes first."""


async def grow(client: KubeClient, namespace: str | None, root: Key | None, url: str) -> tuple[list[Node], list[str]]:
    """The trees of a namespace (None: of all), or of one object, and notes on what is missing.

    ``url`` stands for the address of the one connection that is shown. Raises ConfigError when there are several, or when
    ``root`` does not exist.
    """
    notes: list[str] = []
    objects = await _objects(client, namespace, notes)
    if root is not None and root not in objects:
        raise ConfigError(f"{root} does not exist; kubectl get {root.kind.plural} -n {root.namespace} lists what does")
    backfills: dict[Key, list[Key]] = {}
    for key in sorted((key for key in objects if key.kind is Kind.BACKFILL), key=str):
        backfills.setdefault(target_of(key, objects[key]), []).append(key)
    if root is not None and root.kind is Kind.BACKFILL:
        root = target_of(root, objects[root])
    hung: dict[Key, list[Key]] = {}
    for key, found in objects.items():
        where = key if key.kind is Kind.CONNECTION else connection_of(key, found.get("spec") or {})
        if where is None or (root is not None and root not in (key, where)):
            continue
        branch = hung.setdefault(where, [])
        if key != where and (root is None or root.kind is Kind.CONNECTION or key == root):
            branch.append(key)
    check_url(url, hung)
    nodes = []
    for where in sorted(hung, key=str):
        if where not in objects:
            await _fetch(client, where, objects, notes)
        branch = sorted(hung[where], key=_order)
        nodes.append(await _connection(client, where, branch, objects, backfills, notes, url))
    return nodes, notes


def target_of(key: Key, found: Object) -> Key:
    """The pipeline or the task whose windows a backfill runs; the backfill itself when its spec names neither."""
    for name in references(key, found.get("spec") or {}):
        return Key(Kind(name.kind), name.namespace, name.name)
    return key


async def _objects(client: KubeClient, namespace: str | None, notes: list[str]) -> dict[Key, Object]:
    found: dict[Key, Object] = {}
    for kind in Kind:
        try:
            bodies = await client.list_objects(kind, namespace)
        except (Forbidden, NotFound) as error:
            if kind not in _NEWER:
                raise
            notes.append(f"{kind.plural} are not shown: {error}")
            continue
        for body in bodies:
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
    client: KubeClient,
    where: Key,
    branch: list[Key],
    objects: Mapping[Key, Object],
    backfills: Mapping[Key, list[Key]],
    notes: list[str],
    url: str,
) -> Node:
    node = object_node(where, objects.get(where))
    runs = any(key.kind is not Kind.POLICY for key in branch)
    link = await _open(client, where, objects, notes, url) if runs else None
    try:
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(key: Key) -> Node:
            if key.kind is Kind.PIPELINE:
                child = pipeline_node(key, objects[key], objects, link)
            else:
                child = object_node(key, objects[key])
            if key.kind is Kind.TASK and link is not None:
                async with slots:
                    child.children = await _buckets(link, objects[key], notes)
            child.children += [backfill_node(one, objects[one]) for one in backfills.get(key, ())]
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


def _order(key: Key) -> tuple[int, str, str]:
    return _PLACES.index(key.kind), key.namespace, key.name
