"""``influxops windows``: a map of which window of which stage is in which state."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from influxops.cli.cluster import Context, Instance, Kubeconfig, Namespace, Url, existing, with_client
from influxops.cli.forms import Form, Output, dump
from influxops.cli.meant import home
from influxops.cli.names import stages
from influxops.cli.output import colored, write
from influxops.cli.pipelines import PipelineName, pipeline_key
from influxops.cli.runs import seconds
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.cli.window_view import Question
    from influxops.kube.client import KubeClient

UNBOUND = 100
"""Columns that are filled where there is no terminal, unless more is asked for."""
_CLEAR = "\x1b[H\x1b[2J"


def windows(
    name: PipelineName,
    namespace: Namespace = "",
    stage: Annotated[
        list[str] | None,
        typer.Option("--stage", help="Only this stage; may be given again.", autocompletion=stages, show_default=False),
    ] = None,
    start: Annotated[
        str, typer.Option("--from", metavar="TIME", help="From here on: by the pipeline's clock, or RFC 3339.")
    ] = "",
    stop: Annotated[
        str, typer.Option("--to", metavar="TIME", help="Up to here; default the window that is open.")
    ] = "",
    last: Annotated[
        int | None, typer.Option("--last", min=1, help="So many windows; default what fits beside each other.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again and again, until Ctrl-C.")] = False,
    interval: Annotated[str, typer.Option("--interval", help="With --watch: from one look to the next.")] = "5s",
    output: Output = Form.TABLE,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    instance_id: Instance = "",
    url: Url = "",
) -> None:
    """Draw the windows of a pipeline: a row for each stage, a column for each window, a sign and a colour for each state.

    A column is a window of the finest stage; a window of a coarser one spans several. Below the map are the windows that failed,
    ran again, or wait for a reason. Records come from the ledger in InfluxDB; where you may not read the connection's Secret,
    or do not reach InfluxDB, only what .status holds is shown, and a note says so. --from with --last goes on from there, --to
    with --last back from there.
    """
    from influxops.cli.window_view import Question

    if watch and output in {Form.JSON, Form.YAML}:
        raise ConfigError(f"--watch is for people: leave it out, or leave out -o {output.value}")
    pause = seconds(interval, "--interval")
    key = pipeline_key(name, home(namespace, kubeconfig, context))
    question = Question(key, stage or (), start, stop, last, instance_id, url)

    async def work(client: KubeClient) -> None:
        while True:
            await _once(client, question, output, again=watch)
            if not watch:
                return
            await asyncio.sleep(pause)

    try:
        with_client(kubeconfig, context, work)
    except KeyboardInterrupt:
        raise typer.Exit from None  # how --watch ends


async def _once(client: KubeClient, question: Question, output: Form, *, again: bool) -> None:
    from influxops.cli.window_rows import data, text
    from influxops.cli.window_view import look

    width = _width()
    found = await existing(client, question.key)
    view = await look(client, found, question, datetime.now(UTC), width or UNBOUND)
    if output in {Form.JSON, Form.YAML}:
        write(dump(data(view), output), None)
        return
    shown = text(view, width, color=colored(), wide=output is Form.WIDE)
    write((_CLEAR if again and sys.stdout.isatty() else "") + shown, None)
    for note in view.notes:
        typer.echo(f"Note: {note}", err=True)
    sys.stdout.flush()


def _width() -> int | None:
    """Columns of the terminal, or of the variable COLUMNS; None where there is neither."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return max(20, shutil.get_terminal_size().columns)
    return None
