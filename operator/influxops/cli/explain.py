"""``influxops explain``: what a task would read and write in a window, how, and at what cost; nothing is written."""

from __future__ import annotations

import asyncio
import gc
import os
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influxops.cli.cluster import Context, Kubeconfig, Namespace, Url, existing, task_key, with_client
from influxops.cli.meant import home
from influxops.cli.names import names
from influxops.cli.output import TOKEN, write
from influxops.core.keys import Key, Kind
from influxops.core.slots import parse_at
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.kube.client import KubeClient
    from influxops.preview.explaining import Explanation
    from influxops.preview.planner import Source

FAILED = 1


class Output(StrEnum):
    """The forms of an explanation."""

    TEXT = "text"
    JSON = "json"


def explain(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help="Name of an InfluxTask, or pipeline/NAME or pipeline/NAME/STAGE; with -f only that one of the file.",
            autocompletion=names,
        ),
    ] = "",
    files: Annotated[
        list[str] | None,
        typer.Option("-f", "--filename", help="File or folder with manifests, or - for standard input; repeatable."),
    ] = None,
    namespace: Namespace = "",
    at: Annotated[
        str,
        typer.Option(
            "--at", help="The slot at or before this time, RFC 3339 or now; default the last one that is over."
        ),
    ] = "",
    timeout: Annotated[int, typer.Option("--timeout", min=1, max=3600, help="Seconds that the script may run.")] = 60,
    output: Annotated[Output, typer.Option("-o", "--output", help="Form of the answer.")] = Output.TEXT,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    url: Url = "",
    org: Annotated[str, typer.Option("--org", help="With -f: its organization.")] = "",
) -> None:
    """Run the script of a task, or of a pipeline's stages, over one window without its writes, and tell what it would do.

    Shown are the script as it runs, the window, the rows that it would write, its cost, and for every read of the query
    plan whether InfluxDB aggregates it in its storage; if not, why, and what to change. Not one point is written: to() only
    gives its input out. A script that can write or reach other systems in another way is shown and not run. With -f
    nothing needs to be in the cluster; the token is taken from INFLUX_TOKEN unless a manifest holds it. Exit status: 0, or 1
    when a script fails.
    """
    if not name and not files:
        raise ConfigError("name an InfluxTask of the cluster, or give manifests with -f")
    if org and not files:
        raise ConfigError("--org goes with -f; the tasks of a cluster have their own InfluxConnection")
    try:
        moment = parse_at(at, datetime.now(UTC)) if at else None
    except ValueError as error:
        raise ConfigError(f"--at: {error}") from None
    gc.disable()  # a process of a second or two, most of which are imports
    if files:
        found = asyncio.run(_of_files(files, name, namespace or "default", url, org, moment, timeout))
    else:
        key, stage = _subject(name, home(namespace, kubeconfig, context))

        async def work(client: KubeClient) -> list[Explanation]:
            return await _explained(await _of_cluster(client, key, url), key, stage, moment, timeout)

        found = with_client(kubeconfig, context, work)
    from influxops.preview.show_explained import as_json, as_text

    write(as_json(found) if output is Output.JSON else "\n".join(as_text(one) for one in found), None)
    if any(one.error for one in found):
        raise typer.Exit(FAILED)


def _subject(name: str, namespace: str) -> tuple[Key, str]:
    """The object that a user means, and the stage of it; empty for all. Raises ConfigError for another kind."""
    kind, _, rest = name.partition("/")
    if not kind.lower().rstrip("s").endswith(("pipeline", "ipl")):
        return task_key(name, namespace), ""
    pipeline, _, stage = rest.partition("/")
    return Key(Kind.PIPELINE, namespace, pipeline), stage


async def _of_cluster(client: KubeClient, key: Key, url: str) -> Source:
    """The object and its connection, and the cluster for what they refer to."""
    from influxops.cli.native import connection_key
    from influxops.kube.cache import Cache
    from influxops.kube.secrets import SecretResolver
    from influxops.preview.planner import Source
    from influxops.preview.world import ClusterView
    from influxops.watch.projection import project

    found: dict[str, Any] = await existing(client, key)
    where = connection_key(key, found)
    connection = await existing(client, where)
    if url:
        connection = {**connection, "spec": {**connection["spec"], "url": url}}
    cache = Cache()
    cache.upsert(project(key.kind, found))
    for stage in found["spec"].get("stages") or ():
        if stage.get("taskRef"):
            task = Key(Kind.TASK, key.namespace, stage["taskRef"]["name"])
            cache.upsert(project(Kind.TASK, await existing(client, task)))
    cache.upsert(project(Kind.CONNECTION, connection))
    return Source(cache, {}, ClusterView(client), SecretResolver(client), "", live=True)


async def _of_files(
    files: list[str], name: str, namespace: str, url: str, org: str, at: datetime | None, timeout: int
) -> list[Explanation]:
    from influxops.preview.manifests import read_manifests
    from influxops.preview.sources import from_manifests

    manifests = read_manifests(files, namespace)
    if manifests.faults:
        raise ConfigError("; ".join(f"{place}: {message}" for place, message in manifests.faults))
    override: dict[str, Any] = {"url": url, "allowInsecure": True} if url else {}
    if org:
        override["org"] = org
    source = from_manifests(manifests, "", os.environ.get(TOKEN, ""), override)
    everything = [record.key for kind in (Kind.TASK, Kind.PIPELINE) for record in source.cache.records(kind)]
    wanted, stage = everything, ""
    if name:
        key, stage = _subject(name, namespace)
        wanted = [one for one in everything if (one.kind, one.name) == (key.kind, key.name)]
    if not wanted:
        there = ", ".join(key.name for key in everything)
        raise ConfigError(
            f"there is no {'InfluxTask' if not name else key.kind.value} {name} in the files"
            + (f": they have {there}" if there else "")
        )
    return [one for key in wanted for one in await _explained(source, key, stage, at, timeout)]


async def _explained(source: Source, key: Key, stage: str, at: datetime | None, timeout: int) -> list[Explanation]:
    from influxops.api.errors import SpecInvalid
    from influxops.core.desired import SpecFault
    from influxops.influx.errors import InfluxError
    from influxops.kube.errors import MissingReference
    from influxops.preview.explaining import explain_task
    from influxops.preview.explaining_stages import explain_stages
    from influxops.reconcile.references import NotUsable

    try:
        if key.kind is Kind.PIPELINE:
            return await explain_stages(source, key, stage, at, float(timeout))
        return [await explain_task(source, key, at, float(timeout))]
    except KeyError as error:
        raise ConfigError(f"{key}: {error.args[0]} is not among the manifests") from error
    except (SpecFault, SpecInvalid, InfluxError, MissingReference) as error:
        raise ConfigError(f"{key}: {error}") from error
    except NotUsable as error:
        message = getattr(error.outcome, "message", "") or str(error)
        raise ConfigError(f"{key}: {message}") from error
