"""``influxops orphans``: what carries our mark in InfluxDB and has no object in the cluster any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from influxops.cli.cluster import Context, Kubeconfig, Yes, with_client
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.kube.client import KubeClient
    from influxops.preview.orphans import Orphan
    from influxops.preview.planner import Source

Instance = Annotated[
    str,
    typer.Option(
        "--instance-id", envvar="INFLUXOPS_INSTANCE_ID", help="Id of the installation; default that of the cluster."
    ),
]

app = typer.Typer(
    name="orphans",
    help="Tasks and buckets in InfluxDB whose object in the cluster is gone.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_(kubeconfig: Kubeconfig = "", context: Context = "", instance_id: Instance = "") -> None:
    """List them. Nothing is changed."""

    async def work(client: KubeClient) -> bool:
        _, found, sound = await _look(client, instance_id)
        _show(found)
        return sound

    if not with_client(kubeconfig, context, work):
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

        source, found, sound = await _look(client, instance_id)
        wrong = sorted(set(ids or []) - {orphan.id for orphan in found})
        if wrong:
            raise ConfigError(f"no orphan has the id {', '.join(wrong)}: nothing is deleted")
        found = [orphan for orphan in found if all_ or orphan.id in (ids or [])]
        _show(found)
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


async def _look(client: KubeClient, instance: str) -> tuple[Source, list[Orphan], bool]:
    from influxops.preview.orphans import find_orphans
    from influxops.preview.sources import from_cluster

    source = await from_cluster(client, instance, None)
    if not source.instance:
        raise ConfigError("namespace kube-system does not exist; set --instance-id")
    orphans = await find_orphans(source)
    for place, message in orphans.faults:
        typer.echo(f"! {place}: {message}", err=True)
    return source, orphans.found, not orphans.faults


def _show(found: list[Orphan]) -> None:
    if not found:
        typer.echo("no orphans")
        return
    rows = [("WHAT", "ID", "NAME", "ITS OBJECT", "CONNECTION", "LAST CHANGED", "BY HAND")]
    for orphan in found:
        owner = f"{orphan.owner.kind} {orphan.owner.namespace}/{orphan.owner.name}"
        connection = f"{orphan.connection.namespace}/{orphan.connection.name}"
        moment = orphan.updated_at.strftime("%Y-%m-%d %H:%M:%SZ") if orphan.updated_at else ""
        rows.append((orphan.what, orphan.id, orphan.name, owner, connection, moment, "yes" if orphan.changed else ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
