"""``influxops plan``: what would be done, and not one write."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from influxops.cli.cluster import with_client
from influxops.cli.output import TOKEN, colored, write
from influxops.core.keys import Key, Kind
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.kube.client import KubeClient
    from influxops.preview.item import Preview

CHANGES = 2
ERRORS = 1


class Output(StrEnum):
    """The forms of a plan."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    MARKDOWN = "markdown"


def plan(
    files: Annotated[
        list[str] | None,
        typer.Option("-f", "--filename", help="File or folder with manifests, or - for standard input; repeatable."),
    ] = None,
    cluster: Annotated[bool, typer.Option("--cluster", help="Plan the objects of the cluster.")] = False,
    namespace: Annotated[
        str,
        typer.Option(
            "-n", "--namespace", help="With --cluster: this namespace only; else that of objects which name none."
        ),
    ] = "",
    connection: Annotated[
        str,
        typer.Option("--connection", help="Only what uses this InfluxConnection, NAME or NAMESPACE/NAME."),
    ] = "",
    url: Annotated[
        str, typer.Option("--url", help="InfluxDB to plan against, in place of that of every InfluxConnection.")
    ] = "",
    org: Annotated[str, typer.Option("--org", help="Its organization.")] = "",
    instance_id: Annotated[
        str,
        typer.Option(
            "--instance-id", envvar="INFLUXOPS_INSTANCE_ID", help="Id of the installation that manages the objects."
        ),
    ] = "",
    output: Annotated[Output, typer.Option("-o", "--output", help="Form of the plan.")] = Output.TEXT,
    out: Annotated[Path | None, typer.Option("--out", help="Write the plan into this file.")] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when there are changes.")
    ] = False,
    kubeconfig: Annotated[str, typer.Option("--kubeconfig", envvar="KUBECONFIG", help="With --cluster.")] = "",
    context: Annotated[str, typer.Option("--context", help="With --cluster: context of the kubeconfig.")] = "",
) -> None:
    """Show what would be done in InfluxDB: for manifests (-f) or for the objects of a cluster (--cluster).

    Nothing is written, neither to InfluxDB nor to Kubernetes. A token that no manifest holds is taken from INFLUX_TOKEN.
    Exit status: 0, or 1 when something is wrong with a manifest; with --detailed-exitcode 2 when there are changes, and 1
    for everything else that is no plan.
    """
    with _told_apart(detailed_exitcode):
        if bool(files) == cluster:
            raise ConfigError("give manifests with -f, or --cluster for the objects of a cluster")
        if cluster and (url or org):
            raise ConfigError("--url and --org go with -f; the objects of a cluster have their own InfluxConnection")
        gc.disable()  # a process of a second or two, most of which are imports
        from influxops.preview.show import as_data, as_json, as_markdown, as_text  # here, so that --help starts fast
        from influxops.preview.yamltext import document

        if cluster:
            preview = _of_cluster(kubeconfig, context, instance_id, namespace, connection)
        else:
            preview = asyncio.run(_of_files(files or [], namespace, url, org, instance_id, connection))
        color = output is Output.TEXT and out is None and colored()
        match output:
            case Output.TEXT:
                text = as_text(preview, color=color)
            case Output.JSON:
                text = as_json(preview)
            case Output.YAML:
                text = document(as_data(preview))
            case Output.MARKDOWN:
                text = as_markdown(preview)
        write(text, out)
        if out is not None:
            typer.echo(preview.summary)
        if preview.errors:
            raise typer.Exit(ERRORS)
        raise typer.Exit(CHANGES if detailed_exitcode and preview.changes else 0)


@contextmanager
def _told_apart(detailed_exitcode: bool) -> Iterator[None]:
    """With ``--detailed-exitcode`` a mistake must not end with the status that means changes."""
    try:
        yield
    except ConfigError as error:
        if not detailed_exitcode:
            raise
        typer.echo(f"influxops: {error}", err=True)
        raise typer.Exit(ERRORS) from None


async def _of_files(files: list[str], namespace: str, url: str, org: str, instance: str, connection: str) -> Preview:
    from influxops.preview.manifests import read_manifests
    from influxops.preview.planner import plan as work_out
    from influxops.preview.sources import from_manifests, of_connection

    manifests = read_manifests(files, namespace or "default")
    override = {"url": url, "allowInsecure": True} if url else {}
    if org:
        override["org"] = org
    source = from_manifests(manifests, instance, os.environ.get(TOKEN, ""), override)
    if connection:
        source = of_connection(source, _connection(connection, namespace))
    preview = await work_out(source)
    preview.faults[:0] = manifests.faults
    return preview


def _of_cluster(kubeconfig: str, context: str, instance: str, namespace: str, connection: str) -> Preview:
    from influxops.preview.planner import plan as work_out
    from influxops.preview.sources import from_cluster, of_connection

    async def work(client: KubeClient) -> Preview:
        source = await from_cluster(client, instance, namespace or None)
        return await work_out(of_connection(source, _connection(connection, namespace)) if connection else source)

    return with_client(kubeconfig, context, work)


def _connection(name: str, namespace: str) -> Key:
    before, slash, after = name.partition("/")
    return Key(Kind.CONNECTION, before if slash else namespace or "default", after if slash else name)
