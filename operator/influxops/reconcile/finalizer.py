"""Our finalizer: set before the first write to InfluxDB, taken off when nothing of the object is left there."""

from __future__ import annotations

from dataclasses import replace

from influxops.api.common import FINALIZER
from influxops.core.outcome import Gone, Reason
from influxops.core.record import Record
from influxops.kube.errors import NotFound
from influxops.reconcile.context import Context


def is_marked(record: Record) -> bool:
    """Whether our finalizer is on."""
    return FINALIZER in record.finalizers


async def ensure_finalizer(context: Context, record: Record) -> Record:
    """Set the finalizer unless it is there. Returns the record as it is then."""
    if FINALIZER in record.finalizers:
        return record
    return await _set(context, record, (*record.finalizers, FINALIZER))


async def confirm(context: Context, record: Record) -> None:
    """Ask Kubernetes whether the object is there at all, and is being deleted where that is what we act upon, before something is done that
    cannot be undone, or that the next one of its name would suffer from.

    A watch may be behind, or have lost an event: the object may be gone, and another one of the same name, with the same
    owner key, may own what is to be deleted, taken over or made. And a cluster may have been set back to before the deletion.
    Raises NotFound.
    """
    if not await context.kube.exists(record.key, record.uid, deleting=record.deleting):
        what = "is not there, or not being deleted, any more" if record.deleting else "does not exist any more"
        raise NotFound(f"{record.key} of uid {record.uid} {what}", status=404, reason="NotFound")


async def remove_finalizer(context: Context, record: Record) -> None:
    """Take the finalizer off; Kubernetes then deletes the object."""
    if FINALIZER in record.finalizers:
        await _set(context, record, tuple(name for name in record.finalizers if name != FINALIZER))


async def let_go(context: Context, record: Record) -> Gone:
    """Nothing of a deleted object is left to do: take the finalizer off, and forget since when it was being deleted."""
    await remove_finalizer(context, record)
    context.deleting_since.end(record.key)
    return Gone()


async def let_go_marked(context: Context, record: Record, what: str) -> Gone:
    """The same where our mark stays on, because InfluxDB could not be asked; ``what`` is, for example, a task and its id."""
    message = f"{what} stays in InfluxDB with the mark of influxops, which could not be taken off: influxops orphans list shows it"
    context.recorder.event(record, Reason.ORPHANED_TASK, message, warning=True)
    return await let_go(context, record)


async def _set(context: Context, record: Record, finalizers: tuple[str, ...]) -> Record:
    answer = await context.kube.set_finalizers(record.key, record.uid, record.resource_version, finalizers)
    version = str((answer.get("metadata") or {}).get("resourceVersion") or record.resource_version)
    updated = replace(record, finalizers=finalizers, resource_version=version)
    if not record.deleting:
        context.objects.upsert(updated)
    return updated
