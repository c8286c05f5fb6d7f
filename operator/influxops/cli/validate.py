"""``influxops validate``: manifests and scripts judged before anybody applies them, with no cluster."""

from __future__ import annotations

import asyncio
import gc
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from influxops import __version__
from influxops.cli.output import TOKEN, colored, write
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.validate.problem import Report

ERRORS = 1


class Output(StrEnum):
    """The forms of the findings."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def validate(
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Manifests, .flux files, folders with them, or - for standard input.", show_default=False),
    ] = None,
    namespace: Annotated[str, typer.Option("-n", "--namespace", help="Namespace of objects which name none.")] = "",
    url: Annotated[
        str, typer.Option("--url", help="InfluxDB that checks the scripts, in place of Node.js. Token: INFLUX_TOKEN.")
    ] = "",
    org: Annotated[str, typer.Option("--org", help="Its organization.")] = "",
    devstack: Annotated[
        bool, typer.Option("--devstack", help="Start an InfluxDB for the check; in a checkout of influxops.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings, too.")] = False,
    output: Annotated[Output, typer.Option("-o", "--output", help="Form of the findings.")] = Output.TEXT,
    out: Annotated[Path | None, typer.Option("--out", help="Write the findings into this file.")] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List the lints and exit.")] = False,
) -> None:
    """Judge manifests and Flux scripts without a cluster.

    The schema and the rules of the CRDs, as the API server would; templates; the Flux compiler; and lints of what compiles and
    is wrong all the same. Scripts are read by Node.js, or with --url by an InfluxDB, where nothing is written or run.
    A comment `// influxops:ignore[rule] reason` silences a lint on its line. Exit status: 0, or 1 when there are errors.
    """
    gc.disable()  # a process of a second or two, most of which are imports
    from influxops.validate.files import rules_text

    if rules:
        typer.echo(rules_text(), nl=False)
        return
    if not paths:
        raise ConfigError("name what to validate: files, folders, or - for standard input")
    if devstack and (url or org):
        raise ConfigError("--devstack starts its own InfluxDB: leave out --url and --org")
    if bool(url) != bool(org):
        raise ConfigError("--url and --org go together: give the organization's name with --org")
    if url and not os.environ.get(TOKEN):
        raise ConfigError(f"--url needs a token: set the variable {TOKEN}")
    report = _with_devstack(paths, namespace) if devstack else asyncio.run(_judged(paths, namespace, url, org))
    write(_text(report, output, color=out is None and colored()), out)
    if out is not None:
        typer.echo(report.summary)
    if any(strict or problem.severity == "error" for problem in report.problems):
        raise typer.Exit(ERRORS)


def _text(report: Report, output: Output, *, color: bool) -> str:
    from influxops.validate.show import as_github, as_json, as_sarif, as_text

    match output:
        case Output.TEXT:
            return as_text(report, color=color)
        case Output.JSON:
            return as_json(report)
        case Output.GITHUB:
            return as_github(report)
        case Output.SARIF:
            return as_sarif(report, __version__)


async def _judged(paths: list[str], namespace: str, url: str, org: str, token: str = "") -> Report:
    from influxops.validate.files import read_files
    from influxops.validate.judge import judge
    from influxops.validate.node import NodeParser
    from influxops.validate.parser import NoParser
    from influxops.validate.server import ServerParser

    manifests, scripts, files = read_files(paths, namespace or "default")
    parser = ServerParser(url, org, token or os.environ.get(TOKEN, "")) if url else NodeParser()
    try:
        retention = await parser.retention() if isinstance(parser, ServerParser) and not token else {}
        report = await judge(manifests, scripts, parser, retention)
    except NoParser as error:
        raise ConfigError(str(error)) from error
    finally:
        await parser.close()
    report.files = files
    return report


def _with_devstack(paths: list[str], namespace: str) -> Report:
    try:
        from devstack.errors import DevstackError
        from devstack.stack import Stack
    except ImportError as error:
        raise ConfigError(
            "--devstack needs a checkout of influxops with `make setup`; elsewhere leave it out, or give --url"
        ) from error
    try:
        with Stack.start(control_plane=False) as stack:
            influx = stack.influx
            return asyncio.run(_judged(paths, namespace, influx.url, influx.org, influx.token))
    except DevstackError as error:
        raise ConfigError(f"--devstack: {error}") from error
