"""After a sweep: whose runs are new, whose task is no longer right, whose template has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from influxops.core.keys import Key
from influxops.core.marker import Owner, sha256
from influxops.core.record import pack, unpack
from influxops.core.task_status import outcome_changed
from influxops.engine import sweep
from influxops.engine.link import LiveLink
from influxops.engine.queue import Priority
from influxops.engine.tools import Tools
from influxops.kube.errors import KubeError
from influxops.reconcile.state import TaskState
from influxops.reconcile.visit import current_task_status, state_of
from influxops.telemetry.logs import get_logger

log = get_logger(__name__)


def states_of(tools: Tools, link: LiveLink) -> dict[Key, TaskState]:
    """The memory of every task of a connection, by key."""
    objects = tools.context.objects
    records = ((key, objects.get(key)) for key in objects.tasks_by_connection(link.key))
    return {key: state_of(tools.context, record) for key, record in records if record is not None}


def publish_runs(tools: Tools, changed: Iterable[Key], states: Mapping[Key, TaskState]) -> None:
    """Let the statuses of these tasks tell of their new runs."""
    for key in changed:
        record, state = tools.context.objects.get(key), states[key]
        if record is None or record.deleting or state.outcome is None:
            continue  # its first visit will say it all at once
        before = unpack(state.packed_status)
        status = current_task_status(tools.context, state)
        state.packed_status = pack(status)
        tools.later(key, record.uid, status, urgent=outcome_changed(before, status))


async def enqueue_changed(tools: Tools, link: LiveLink, states: Mapping[Key, TaskState]) -> None:
    """Ask for a visit to everything that may no longer be as it should."""
    instance = tools.context.instance
    for key, state in states.items():
        if sweep.differs(state, Owner.of(instance, key), link.snapshot):
            state.drifted = state.drifted or not state.parked_step  # a paused task is off because we have paused it
            tools.enqueue(key, Priority.RESYNC)
        elif state.plan is not None:
            tools.enqueue(key, Priority.RESYNC)  # what it was made for may be as it should be again
    for key in tools.context.objects.policies_by_connection(link.key):
        tools.enqueue(key, Priority.RESYNC)
    await _templates(tools, states)


async def _templates(tools: Tools, states: Mapping[Key, TaskState]) -> None:
    """Look at each ConfigMap that templates come from, once."""
    seen: dict[tuple[str, str], Mapping[str, Any] | None] = {}
    for key, state in states.items():
        name, config_key, digest = state.configmap
        if not name:
            continue
        where = (key.namespace, name)
        if where not in seen:
            seen[where] = await _data(tools, *where)
        data = seen[where]
        if data is None:
            continue
        text = data.get(config_key)
        if text is None or sha256(text) != digest:
            state.recheck = True
            tools.enqueue(key, Priority.CHANGE)


async def _data(tools: Tools, namespace: str, name: str) -> Mapping[str, Any] | None:
    """A ConfigMap's data, empty when it is gone; None when it cannot be read now."""
    try:
        found = await tools.context.kube.get_configmap(namespace, name)
    except KubeError as error:
        log.warning("a ConfigMap cannot be read", namespace=namespace, name=name, error=str(error))
        return None
    return (found or {}).get("data") or {}
