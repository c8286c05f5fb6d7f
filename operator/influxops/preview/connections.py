"""The connections of a plan: each read once, by a client that can only read."""

from __future__ import annotations

import time
from dataclasses import replace

from influxops.api.connection import InfluxConnectionSpec
from influxops.core.keys import Key
from influxops.core.observed import Task, TaskRecord
from influxops.core.snapshot import Snapshot
from influxops.engine.connect import Secrets, credentials
from influxops.engine.link import LiveLink
from influxops.influx.client import InfluxClient
from influxops.influx.errors import NotFound
from influxops.influx.port import InfluxPort
from influxops.preview.world import NoWrites, Uncounted


class PreviewLink(LiveLink):
    """A connection whose buckets include those that the same plan would create."""

    planned: frozenset[str] = frozenset()
    native: dict[str, Task]
    """Every task of the organization with its script, by id."""

    async def bucket_exists(self, name: str) -> bool:
        """Whether the bucket is there, or will be."""
        return name in self.planned or await super().bucket_exists(name)

    async def close(self) -> None:
        """Close the connections to the server."""
        if self.port is not None:
            await self.port.close()


async def open_link(key: Key, spec: InfluxConnectionSpec, secrets: Secrets) -> PreviewLink:
    """Connect and read the organization once.

    Raises ``InfluxError``, ``MissingReference`` and ``KubeError``; the caller closes the link.
    """
    link = await plain_link(key, spec, secrets)
    try:
        link.user = await link.send("me", lambda port: port.me())
        await _read(link)
    except BaseException:
        await link.close()
        raise
    return link


async def plain_link(key: Key, spec: InfluxConnectionSpec, secrets: Secrets) -> PreviewLink:
    """Connect, and read nothing but the organization's id. Raises as ``open_link``; the caller closes the link."""
    link = PreviewLink(key, spec, 1, NoWrites(), Uncounted(), time.monotonic)
    found = await credentials(secrets, key.namespace, spec)
    link.port = InfluxClient(replace(found.settings, read_only=True), link.pace)
    try:
        org_id = await link.send("org", lambda port: port.org_id(spec.org))
        if org_id is None:
            raise NotFound(f"organization {spec.org!r} does not exist there, or the token may not see it: see spec.org")
        link.org_id = org_id
    except BaseException:
        await link.close()
        raise
    return link


async def _read(link: PreviewLink) -> None:
    """Read every task and every bucket; as a sweep does, and with the scripts."""
    snapshot = Snapshot(time.monotonic(), link.org_id)
    link.native = {}

    async def read(port: InfluxPort) -> None:
        async for page in port.list_tasks(link.org_id):
            for task in page:
                if isinstance(task, Task):
                    link.native[task.id] = task
                    snapshot.put_task(TaskRecord.of(task))
        for bucket in await port.list_buckets(link.org_id):
            snapshot.put_bucket(bucket)

    await link.send("list", read)
    link.snapshot = snapshot
