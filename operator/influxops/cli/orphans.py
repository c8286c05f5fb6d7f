"""``influxops orphans``: what carries our mark in InfluxDB and has no object in the cluster any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from influxops.cli.cluster import Context, Instance, Kubeconfig, Yes, with_client
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.kube.client import KubeClient
    from influxops.preview.orphans import Orphan
    from influxops.preview.planner import Source

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
def delete(kubeconfig: Kubeconfig = "", context: Context = "", instance_id: Instance = "", yes: Yes = False) -> None:
    """Delete such tasks that nobody has changed; take the mark off the others, and off buckets, which keep their points."""

    async def work(client: KubeClient) -> bool:
        from influxops.influx.errors import InfluxError  # here, so that --help starts fast
        from influxops.kube.errors import MissingReference
        from influxops.preview.orphans import clear

        source, found, sound = await _look(client, instance_id)
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
    rows = [("WHAT", "ID", "NAME", "ITS OBJECT", "CONNECTION", "CHANGED BY HAND")]
    for orphan in found:
        owner = f"{orphan.owner.kind} {orphan.owner.namespace}/{orphan.owner.name}"
        connection = f"{orphan.connection.namespace}/{orphan.connection.name}"
        rows.append((orphan.what, orphan.id, orphan.name, owner, connection, "yes" if orphan.changed else ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
