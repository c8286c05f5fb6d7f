"""``influxops runs`` and ``influxops logs``: what a task did, as InfluxDB remembers it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from influxops.cli.cluster import Context, Instance, Kubeconfig, Name, Namespace, Url, existing, task_key, with_client
from influxops.cli.forms import Form, Listing, Output, show
from influxops.cli.meant import home
from influxops.cli.names import run_ids
from influxops.cli.run_rows import COLUMNS, footer, item, row
from influxops.cli.table import printable
from influxops.core.durations import DurationError, parse_duration
from influxops.core.slots import since as not_before
from influxops.core.slots import started_last
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.core.observed import Run
    from influxops.influx.port import InfluxPort
    from influxops.kube.client import KubeClient

REMEMBERED = "InfluxDB keeps runs for three days; influxops runs {name} -n {namespace} lists them"
_RUN = re.compile(r"[0-9a-f]{16}")


def runs(
    name: Name,
    namespace: Namespace = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="Most runs to show.")] = 20,
    since: Annotated[str, typer.Option("--since", help="Only slots of this time, such as 6h or 2d.")] = "",
    output: Output = Form.TABLE,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    instance_id: Instance = "",
    url: Url = "",
) -> None:
    """List the runs of a task, newest slot first, and draw how long they took.

    Queued and running ones are among them. InfluxDB remembers three days. Where you may not read the connection's Secret, or
    do not reach InfluxDB, the runs of .status.history are shown, and a note says so.
    """
    key = task_key(name, home(namespace, kubeconfig, context))
    age = seconds(since, "--since") if since else None

    async def work(client: KubeClient) -> Listing:
        from influxops.cli.native import NoAnswer, native_task
        from influxops.core.runs import from_status

        found = await existing(client, key)
        listing = Listing(COLUMNS, empty=f"{key} has no runs that InfluxDB remembers")
        known: Sequence[Run]
        try:
            async with native_task(client, key, found, instance_id, url, read_only=True) as native:
                known = await native.port.list_runs(native.task.id, limit)
        except NoAnswer as error:
            known = from_status(found.get("status") or {}).recent[:limit]
            listing.notes.append(f"these are the runs of .status.history: {error}")
        if age is not None:
            known = not_before(known, datetime.now(UTC), age)
        listing.rows = [row(run) for run in known]
        listing.items = [item(run) for run in known]
        listing.footer = footer(known)
        return listing

    show(with_client(kubeconfig, context, work), output)


def logs(
    name: Name,
    run: Annotated[
        str,
        typer.Argument(
            metavar="[RUN]",
            help="Id of a run, as influxops runs shows it; default the run that began last.",
            autocompletion=run_ids,
        ),
    ] = "",
    namespace: Namespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    instance_id: Instance = "",
    url: Url = "",
) -> None:
    """Print the log of a run. The line with the whole script is left out: kubectl get influxtask -o yaml has the script."""
    key = task_key(name, home(namespace, kubeconfig, context))
    if run:
        check_run_id(run)

    async def work(client: KubeClient) -> None:
        from influxops.cli.native import native_task

        found = await existing(client, key)
        async with native_task(client, key, found, instance_id, url, read_only=True) as native:
            task_id = native.task.id
            if run:
                wanted = await run_of(native.port, task_id, run, name=key.name, namespace=key.namespace)
            else:
                latest = started_last(await native.port.list_runs(task_id, 20))
                if latest is None:
                    raise ConfigError(f"{key} has no runs that InfluxDB remembers")
                wanted = latest
            lines = await native.port.run_log(task_id, wanted.id)
        typer.echo(f"run {wanted.id} for {wanted.scheduled_for:%Y-%m-%dT%H:%M:%SZ}: {wanted.state.value}", err=True)
        for line in lines:
            typer.echo(f"{line.time}   {printable(line.message)}")

    with_client(kubeconfig, context, work)


def check_run_id(run: str) -> None:
    """Raises ConfigError for what is no id of a run."""
    if _RUN.fullmatch(run) is None:
        raise ConfigError(
            f"{run!r} is no id of a run: they have 16 digits of 0-9 and a-f, as influxops runs shows them"
        )


async def run_of(port: InfluxPort, task_id: str, run: str, *, name: str, namespace: str) -> Run:
    """A run of a task. Raises ConfigError when InfluxDB has none of that id."""
    from influxops.influx.errors import NotFound

    try:
        return await port.get_run(task_id, run)
    except NotFound:
        hint = REMEMBERED.format(name=name, namespace=namespace)
        raise ConfigError(f"task {task_id} of InfluxTask {namespace}/{name} has no run {run}. {hint}") from None


def seconds(text: str, flag: str) -> int:
    """A duration that a user gave with a flag, in seconds. Raises ConfigError."""
    try:
        found = parse_duration(text).seconds
    except DurationError as error:
        raise ConfigError(f"{flag}: {error}") from error
    if found <= 0:
        raise ConfigError(f"{flag}: {text!r} is not longer than nothing; write for example 30s, 15m or 2d")
    return found
