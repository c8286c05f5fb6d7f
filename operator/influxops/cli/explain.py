"""``influxops explain``: what a task would read and write in a window, how, and at what cost; nothing is written."""

from __future__ import annotations

import asyncio
import gc
import os
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influxops.cli.cluster import Context, Kubeconfig, Namespace, Url, existing, home, task_key, with_client
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
            metavar="[NAME]", help="Name of an InfluxTask; with -f only that one of the file.", autocompletion=names
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
    """Run a task's script over one window without its writes, and tell what it would do.

    Shown are the script as it is stored, the window, the rows that it would write, its cost, and for every read of the query
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
        key = task_key(name, home(namespace, kubeconfig, context))

        async def work(client: KubeClient) -> list[Explanation]:
            return [await _explained(await _of_cluster(client, key, url), key, moment, timeout)]

        found = with_client(kubeconfig, context, work)
    from influxops.preview.show_explained import as_json, as_text

    write(as_json(found) if output is Output.JSON else "\n".join(as_text(one) for one in found), None)
    if any(one.error for one in found):
        raise typer.Exit(FAILED)


async def _of_cluster(client: KubeClient, key: Key, url: str) -> Source:
    """The task and its connection, and the cluster for what they refer to."""
    from influxops.cli.native import connection_key
    from influxops.kube.cache import Cache
    from influxops.kube.secrets import SecretResolver
    from influxops.preview.planner import Source
    from influxops.preview.world import ClusterView
    from influxops.watch.projection import project

    task: dict[str, Any] = await existing(client, key)
    where = connection_key(key, task)
    connection = await existing(client, where)
    if url:
        connection = {**connection, "spec": {**connection["spec"], "url": url}}
    cache = Cache()
    cache.upsert(project(Kind.TASK, task))
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
    keys = [record.key for record in source.cache.records(Kind.TASK)]
    wanted = [key for key in keys if not name or key.name == name.rpartition("/")[2]]
    if not wanted:
        there = ", ".join(key.name for key in keys)
        raise ConfigError(f"there is no InfluxTask {name} in the files" + (f": they have {there}" if there else ""))
    return [await _explained(source, key, at, timeout) for key in wanted]


async def _explained(source: Source, key: Key, at: datetime | None, timeout: int) -> Explanation:
    from influxops.api.errors import SpecInvalid
    from influxops.core.desired import SpecFault
    from influxops.influx.errors import InfluxError
    from influxops.kube.errors import MissingReference
    from influxops.preview.explaining import explain_task
    from influxops.reconcile.references import NotUsable

    try:
        return await explain_task(source, key, at, float(timeout))
    except KeyError as error:
        raise ConfigError(f"{key}: {error.args[0]} is not among the manifests") from error
    except (SpecFault, SpecInvalid, InfluxError, MissingReference) as error:
        raise ConfigError(f"{key}: {error}") from error
    except NotUsable as error:
        message = getattr(error.outcome, "message", "") or str(error)
        raise ConfigError(f"{key}: {message}") from error
