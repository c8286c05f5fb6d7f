"""From an object of the cluster to what it stands for in InfluxDB, with the access of whoever types the command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from influxops.api.connection import InfluxConnectionSpec
from influxops.api.errors import SpecInvalid
from influxops.api.read import read
from influxops.cli.cluster import existing
from influxops.core.keys import Key
from influxops.core.marker import Owner, read_script
from influxops.core.observed import Task, TaskRecord
from influxops.core.ownership import Claim, match
from influxops.core.schedule import Schedule, of_texts
from influxops.engine.connect import credentials
from influxops.influx.client import InfluxClient
from influxops.influx.errors import InfluxError, NotFound, Unauthorized, Unavailable
from influxops.kube.errors import Forbidden, MissingReference
from influxops.kube.references import connection_of
from influxops.kube.secrets import SecretResolver
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.influx.port import InfluxPort
    from influxops.kube.client import KubeClient

Object = dict[str, Any]


class NoAnswer(ConfigError):
    """InfluxDB cannot be asked: the user may not read the token or it is not there, or the server is out of reach."""


@dataclass(frozen=True, slots=True)
class Native:
    """A task in InfluxDB that carries the mark of its object."""

    port: InfluxPort
    task: Task

    @property
    def schedule(self) -> Schedule | None:
        """Its schedule; None when it cannot be understood."""
        return of_texts(self.task.every, self.task.cron, self.task.offset)


@asynccontextmanager
async def connected(
    client: KubeClient, connection: Key, url: str = "", *, read_only: bool
) -> AsyncIterator[tuple[InfluxPort, str]]:
    """A client of InfluxDB for a connection, and the name of its organization; ``url`` in place of the connection's.

    Raises NoAnswer, and ConfigError for a connection that does not exist or is not valid, and for what InfluxDB refuses
    within the block.
    """
    try:
        found = await existing(client, connection)
        spec = spec_of(found, url)
        known = await credentials(SecretResolver(client), connection.namespace, spec)
    except SpecInvalid as error:
        raise ConfigError(f"{connection} is not valid: {error}") from error
    except MissingReference as error:
        raise NoAnswer(f"{connection}: {error}") from error
    except Forbidden as error:
        raise NoAnswer(
            f"{connection}: you may not read it or a Secret that it names ({error}). These commands use your own access: "
            f"ask for the right to get both in namespace {connection.namespace}"
        ) from error
    try:
        port = InfluxClient(replace(known.settings, read_only=read_only))
        try:
            yield port, spec.org
        finally:
            await port.close()
    except Unavailable as error:
        raise NoAnswer(
            f"{connection}: {error}. This address is where the operator finds InfluxDB; from elsewhere forward a port and "
            "name it with --url"
        ) from error
    except Unauthorized as error:
        ref = spec.token_secret_ref
        raise ConfigError(
            f"{connection}: {error}. InfluxDB refuses the token in Secret {connection.namespace}/{ref.name}, key {ref.key}: "
            "put a valid one there"
        ) from error
    except InfluxError as error:
        raise ConfigError(f"{connection}: {error}") from error


def check_url(url: str, connections: Collection[Key]) -> None:
    """Refuse one address for several connections. Raises ConfigError."""
    if url and len(connections) > 1:
        raise ConfigError(
            f"--url stands for one connection, and here are {len(connections)}: name one object, or a namespace"
        )


def spec_of(found: Object, url: str) -> InfluxConnectionSpec:
    """The spec of a connection, with another address if one is given. Raises SpecInvalid."""
    spec = read(InfluxConnectionSpec, found.get("spec") or {}, "spec")
    return spec.model_copy(update={"url": url}) if url else spec


async def org_id_of(port: InfluxPort, org: str) -> str:
    """The id of an organization. Raises NotFound."""
    found = await port.org_id(org)
    if found is None:
        raise NotFound(f"organization {org!r} does not exist there, or the token may not see it: see spec.org")
    return found


def connection_key(key: Key, found: Object) -> Key:
    """The connection of a task. Raises ConfigError when its spec names none."""
    connection = connection_of(key, found.get("spec") or {})
    if connection is None:
        raise ConfigError(f"{key} names no connection: see spec.connectionRef")
    return connection


@asynccontextmanager
async def native_task(
    client: KubeClient, key: Key, found: Object, instance: str, url: str = "", *, read_only: bool
) -> AsyncIterator[Native]:
    """The task of an InfluxTask, if it carries the mark of that very object.

    ``instance`` is the id of the installation; empty: that of the cluster. ``url`` as for ``connected``. Raises NoAnswer and ConfigError.
    """
    async with connected(client, connection_key(key, found), url, read_only=read_only) as (port, _):
        task_id = str((found.get("status") or {}).get("taskID") or "")
        if not task_id:
            raise ConfigError(f"{key} has no task in InfluxDB yet. {_why(found)}")
        try:
            task = await port.get_task(task_id)
        except NotFound:
            raise ConfigError(
                f"{key}: task {task_id} is gone from InfluxDB; influxops makes another one at its next sweep"
            ) from None
        await _check_owner(client, key, found, task, instance)
        yield Native(port, task)


async def _check_owner(client: KubeClient, key: Key, found: Object, task: Task, instance: str) -> None:
    """Refuse a task that is not this object's. Raises ConfigError."""
    marker = read_script(task.flux)[0]
    uid = str(found["metadata"]["uid"])
    if marker is None:
        raise ConfigError(
            f"{key}: task {task.id} has lost the mark of influxops, so that nobody can tell whose it is; the operator "
            f"puts it back: influxops reconcile {key.name} -n {key.namespace}"
        )
    if not instance:
        # The uid of an object is unique in the world, so there is no need to ask for the name of the cluster as well.
        same = marker.uid == uid
        instance = marker.owner.instance if same else await client.namespace_uid("kube-system") or ""
    claim = Claim(Owner.of(instance, key), uid, task.id, task.name, frozenset())
    record = TaskRecord.of(task)
    if match(claim, [record], record, []).ours is None:
        raise ConfigError(
            f"{key}: task {task.id} belongs to {marker.owner.kind} {marker.owner.namespace}/{marker.owner.name} of "
            f"influxops instance {marker.owner.instance}. If that is this installation, say so with --instance-id"
        )


def _why(found: Object) -> str:
    """What its Ready condition says."""
    conditions = (found.get("status") or {}).get("conditions") or []
    ready = next((one for one in conditions if one.get("type") == "Ready"), None)
    if ready is None:
        return "influxops has not looked at it: does the operator run?"
    return f"{ready.get('reason')}: {ready.get('message')}"
