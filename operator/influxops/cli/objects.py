"""Commands on one object of a cluster: approve, reconcile, recreate, suspend, resume, release."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influxops.api.common import APPROVE, RECONCILE_AT, RECREATE
from influxops.cli.cluster import Context, Kubeconfig, Name, Namespace, Yes, existing, with_client
from influxops.cli.meant import home, key_of
from influxops.core.keys import Key, Kind
from influxops.core.pipeline.backfill.status import terminal
from influxops.kube.references import connection_of
from influxops.preview.item import Item
from influxops.preview.show import item_lines
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.kube.client import KubeClient

_WITHOUT_MARK = frozenset({Kind.PIPELINE, Kind.BACKFILL})
"""Kinds that keep no task and no bucket in InfluxDB."""


def approve(
    name: Name, namespace: Namespace = "", kubeconfig: Kubeconfig = "", context: Context = "", yes: Yes = False
) -> None:
    """Show the plan that waits in an object's status, and approve exactly that plan."""
    key = key_of(name, home(namespace, kubeconfig, context))
    if key.kind in _WITHOUT_MARK:
        raise ConfigError(f"{key} never waits for an approval: it holds nothing in InfluxDB that a plan could change")

    async def work(client: KubeClient) -> None:
        found: dict[str, Any] = await existing(client, key)
        plan = (found.get("status") or {}).get("plan")
        if not plan:
            raise ConfigError(f"{key} has no plan that waits: there is nothing to approve")
        item = Item(key.kind.value, key.namespace, key.name, "", tuple(plan["actions"]))
        typer.echo("\n".join(item_lines(item)))
        if not yes:
            typer.confirm(f"\nApprove plan {plan['hash']}?", abort=True)
        await _annotate(client, key, found, APPROVE, str(plan["hash"]))
        typer.echo(f"plan {plan['hash']} of {key} is approved")

    with_client(kubeconfig, context, work)


def reconcile(name: Name, namespace: Namespace = "", kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """Have an object looked at now."""
    key = key_of(name, home(namespace, kubeconfig, context))

    async def work(client: KubeClient) -> None:
        found = await existing(client, key)
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        await _annotate(client, key, found, RECONCILE_AT, now)
        typer.echo(f"{key} is looked at; status.lastHandledReconcileAt will be {now}")

    with_client(kubeconfig, context, work)


def recreate(
    name: Name, namespace: Namespace = "", kubeconfig: Kubeconfig = "", context: Context = "", yes: Yes = False
) -> None:
    """Have a task made anew in InfluxDB by the token's user, whose rights it then runs with; the old one is deleted."""
    key = key_of(name, home(namespace, kubeconfig, context))
    if key.kind is not Kind.TASK:
        raise ConfigError(f"{key} is no InfluxTask: only tasks have the rights of an InfluxDB user")

    async def work(client: KubeClient) -> None:
        found: dict[str, Any] = await existing(client, key)
        task_id = str((found.get("status") or {}).get("taskID") or "")
        if not task_id:
            raise ConfigError(f"{key} has no task in InfluxDB")
        if not yes:
            typer.confirm(
                f"Replace task {task_id} of {key} by a new one? InfluxDB's list of its runs goes with it", abort=True
            )
        await _annotate(client, key, found, RECREATE, task_id)
        typer.echo(f"task {task_id} of {key} is replaced; status.taskID will be that of the new one")

    with_client(kubeconfig, context, work)


def suspend(name: Name, namespace: Namespace = "", kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """Set spec.suspend to true: a task does not run, a bucket is left alone, a connection is neither read nor written, a
    pipeline and a backfill start no run.

    Git should say so too.
    """
    _set_suspend(name, namespace, kubeconfig, context, value=True)


def resume(name: Name, namespace: Namespace = "", kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """Set spec.suspend to false."""
    _set_suspend(name, namespace, kubeconfig, context, value=False)


def release(
    name: Name,
    namespace: Namespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    yes: Yes = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also while InfluxDB cannot be asked to take the mark off.")
    ] = False,
) -> None:
    """Delete an object and leave its task or bucket in InfluxDB as it is, without the mark of influxops.

    Refused while its InfluxConnection is not ready: what keeps the mark counts as an orphan.
    """
    key = key_of(name, home(namespace, kubeconfig, context))
    if key.kind is Kind.CONNECTION or key.kind in _WITHOUT_MARK:
        raise ConfigError(f"an {key.kind.value} has nothing in InfluxDB to release: delete it with kubectl")

    async def work(client: KubeClient) -> None:
        found: dict[str, Any] = await existing(client, key)
        what = "task" if key.kind is Kind.TASK else "bucket"
        if not force:
            await _refuse_unless_ready(client, key, found)
        if not yes:
            typer.confirm(f"Delete {key} and leave its {what} in InfluxDB?", abort=True)
        uid = str(found["metadata"]["uid"])
        await client.merge(key, {"spec": {"deletion": "Orphan"}}, uid)
        await client.delete(key, uid)
        typer.echo(f"{key} is being deleted; its {what} stays in InfluxDB")

    with_client(kubeconfig, context, work)


def _set_suspend(name: str, namespace: str, kubeconfig: str, context: str, *, value: bool) -> None:
    key = key_of(name, home(namespace, kubeconfig, context))

    async def work(client: KubeClient) -> None:
        found: dict[str, Any] = await existing(client, key)
        await client.merge(key, {"spec": {"suspend": value}}, str(found["metadata"]["uid"]))
        typer.echo(f"spec.suspend of {key} is {str(value).lower()}{_of_backfill(key, found, value=value)}")

    with_client(kubeconfig, context, work)


def _of_backfill(key: Key, found: dict[str, Any], *, value: bool) -> str:
    """What that means for the windows of a backfill; empty for other kinds."""
    if key.kind is not Kind.BACKFILL:
        return ""
    status = found.get("status") or {}
    if terminal(status):
        return f"; it is over ({status['phase']}), so that changes nothing"
    return "; what is running goes on to its end" if value else "; it goes on where it stopped"


async def _refuse_unless_ready(client: KubeClient, key: Key, found: dict[str, Any]) -> None:
    """Raise ConfigError unless the connection can take our mark off what the object has in InfluxDB, if it has anything."""
    status = found.get("status") or {}
    where = connection_of(key, found.get("spec") or {})
    if where is None or not (status.get("taskID") or status.get("bucketID")):
        return
    connection: dict[str, Any] | None = await client.get(where.kind, where.namespace, where.name)
    conditions = ((connection or {}).get("status") or {}).get("conditions") or []
    ready: dict[str, Any] = next((one for one in conditions if one["type"] == "Ready"), {})
    if ready.get("status") != "True":
        why = (
            f"is not ready ({ready.get('message', 'it has not said how it stands')})"
            if connection
            else "does not exist"
        )
        raise ConfigError(
            f"{where} {why}, so the mark of influxops cannot be taken off now: try again later, or leave it on with --force"
        )


async def _annotate(client: KubeClient, key: Key, found: dict[str, Any], name: str, text: str) -> None:
    await client.merge(key, {"metadata": {"annotations": {name: text}}}, str(found["metadata"]["uid"]))
