"""``influxops orphans``: what carries our mark in InfluxDB and has no object in the cluster any more, or one with another bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from influxops.cli.cluster import Context, Instance, Kubeconfig, Yes, with_client
from influxops.cli.forms import Column, Form, Listing, Output, show
from influxops.core.conditions import rfc3339
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.kube.client import KubeClient
    from influxops.preview.item import Fault
    from influxops.preview.orphans import Orphan, Orphans
    from influxops.preview.planner import Source

COLUMNS = (
    Column("WHAT"),
    Column("ID"),
    Column("NAME"),
    Column("ITS OBJECT"),
    Column("CONNECTION"),
    Column("LAST CHANGED"),
    Column("BY HAND"),
    Column("INSTANCE", wide=True),
)

app = typer.Typer(
    name="orphans",
    help="Tasks and buckets in InfluxDB whose object in the cluster is gone, or has another bucket.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_(
    output: Output = Form.TABLE, kubeconfig: Kubeconfig = "", context: Context = "", instance_id: Instance = ""
) -> None:
    """List them. Nothing is changed. Exit status 1 when a connection could not be asked."""

    async def work(client: KubeClient) -> Orphans:
        return (await _look(client, instance_id))[1]

    orphans = with_client(kubeconfig, context, work)
    show(_listing(orphans.found, orphans.faults), output)
    if orphans.faults:
        raise typer.Exit(1)


@app.command("delete")
def delete(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of those meant, as list shows them.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    instance_id: Instance = "",
    yes: Yes = False,
) -> None:
    """Delete such tasks that nobody has changed; take the mark off the others, and off buckets, which keep their points.

    An orphan may be wanted: one that was let go of while InfluxDB was away still carries the mark. So name those meant.
    """
    if bool(ids) == all_:
        raise ConfigError("name the ids of the orphans to delete, or give --all; influxops orphans list shows them")

    async def work(client: KubeClient) -> bool:
        from influxops.influx.errors import InfluxError  # here, so that --help starts fast
        from influxops.kube.errors import MissingReference
        from influxops.preview.orphans import clear

        source, orphans = await _look(client, instance_id)
        sound = not orphans.faults
        wrong = sorted(set(ids or []) - {orphan.id for orphan in orphans.found})
        if wrong:
            raise ConfigError(f"no orphan has the id {', '.join(wrong)}: nothing is deleted")
        found = [orphan for orphan in orphans.found if all_ or orphan.id in (ids or [])]
        show(_listing(found, orphans.faults), Form.TABLE)
        if found and not yes:
            typer.confirm(f"\nDelete the tasks among these {len(found)}?", abort=True)
        for orphan in found:
            try:
                done = await clear(client, source, orphan)
            except (InfluxError, MissingReference) as error:
                done, sound = f"failed: {error}", False
            typer.echo(f"{orphan.what} {orphan.id} {orphan.name!r}: {done}")
        return sound

    if not with_client(kubeconfig, context, work):
        raise typer.Exit(1)


async def _look(client: KubeClient, instance: str) -> tuple[Source, Orphans]:
    from influxops.preview.orphans import find_orphans
    from influxops.preview.sources import from_cluster

    source = await from_cluster(client, instance, None)
    if not source.instance:
        raise ConfigError("namespace kube-system does not exist; set --instance-id")
    return source, await find_orphans(source)


def _listing(found: list[Orphan], faults: list[Fault]) -> Listing:
    listing = Listing(COLUMNS, empty="no orphans")
    for orphan in found:
        owner = f"{orphan.owner.kind} {orphan.owner.namespace}/{orphan.owner.name}"
        connection = f"{orphan.connection.namespace}/{orphan.connection.name}"
        changed = "yes" if orphan.changed else ""
        moment = rfc3339(orphan.updated_at) if orphan.updated_at else ""
        row = (orphan.what, orphan.id, orphan.name, owner, connection, moment, changed, orphan.owner.instance)
        listing.rows.append(row)
        told = {
            "what": orphan.what,
            "id": orphan.id,
            "name": orphan.name,
            "connection": connection,
            "lastChanged": moment,
        }
        listing.items.append({**told, "owner": dict(orphan.owner._asdict()), "changedByHand": orphan.changed})
    listing.notes = [f"{place}: {message}" for place, message in faults]
    return listing
