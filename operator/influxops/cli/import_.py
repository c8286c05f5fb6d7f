"""``influxops import``: manifests for what is in InfluxDB already."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from influxops.cli.output import TOKEN, write
from influxops.settings import ConfigError


def import_(
    url: Annotated[str, typer.Option("--url", envvar="INFLUX_HOST", help="Address of InfluxDB.")] = "",
    org: Annotated[str, typer.Option("--org", envvar="INFLUX_ORG", help="Organization to read.")] = "",
    namespace: Annotated[str, typer.Option("-n", "--namespace", help="Namespace of the objects.")] = "default",
    connection: Annotated[str, typer.Option("--connection", help="Name of their InfluxConnection.")] = "main",
    selector: Annotated[
        str, typer.Option("-l", "--selector", help="Only tasks and buckets of such names, for example 'telemetry/*'.")
    ] = "*",
    tasks: Annotated[bool, typer.Option("--tasks/--no-tasks", help="Import tasks.")] = True,
    buckets: Annotated[bool, typer.Option("--buckets/--no-buckets", help="Import buckets.")] = True,
    schedule_as_fields: Annotated[
        bool,
        typer.Option(
            "--schedule-as-fields", help="Take `option task` out of the scripts, into the fields of the spec."
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write the manifests into this file.")] = None,
) -> None:
    """Write manifests for the tasks and buckets of an organization. The token is taken from INFLUX_TOKEN.

    Nothing is changed in InfluxDB. Scripts are written byte for byte, with their own `option task`, so that applying the
    manifests adds the ownership line and nothing else. What influxops would refuse is written as a comment that says why.
    """
    token = os.environ.get(TOKEN, "")
    if not url or not org or not token:
        missing = [name for name, given in (("--url", url), ("--org", org), (TOKEN, token)) if not given]
        raise ConfigError(f"{', '.join(missing)} missing: say which InfluxDB to read, and put a token into {TOKEN}")
    from influxops.api.errors import SpecInvalid  # here, so that --help starts fast
    from influxops.influx.errors import InfluxError
    from influxops.preview.importing import Wanted, count, import_org
    from influxops.preview.yamltext import as_yaml

    wanted = Wanted(url, org, token, namespace, connection, selector, tasks, buckets, schedule_as_fields)
    try:
        imported = asyncio.run(import_org(wanted))
    except (InfluxError, SpecInvalid) as error:
        raise ConfigError(str(error)) from error
    text = as_yaml(imported)
    write(text, out)
    taken, refused = count(imported.objects)
    managed = f", {imported.managed} are managed already" if imported.managed else ""
    typer.echo(f"{taken} objects written, {refused} only as comments that say why{managed}.", err=True)
