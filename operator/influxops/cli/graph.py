"""``influxops graph``: a drawing of which stage of a pipeline waits for which."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from influxops.cli.cluster import Context, Kubeconfig, Namespace, existing, with_client
from influxops.cli.meant import home
from influxops.cli.names import pipelines
from influxops.cli.output import write
from influxops.cli.pipelines import pipeline_key
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from influxops.cli.pipeline_shape import Shape
    from influxops.kube.client import KubeClient
    from influxops.preview.manifests import Manifest

FAULTS = 1


class Format(StrEnum):
    """The forms of a drawing."""

    TEXT = "text"
    MERMAID = "mermaid"
    SVG = "svg"


def graph(
    name: Annotated[
        str,
        typer.Argument(metavar="[NAME]", help="NAME of an InfluxPipeline.", autocompletion=pipelines),
    ] = "",
    namespace: Namespace = "",
    form: Annotated[Format, typer.Option("--format", help="Form of the drawing.")] = Format.TEXT,
    file: Annotated[
        str,
        typer.Option(
            "-f", "--file", help="Draw the InfluxPipeline of this manifest, without a cluster; - for standard input."
        ),
    ] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Write the drawing into this file.")] = None,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Draw the stages of a pipeline with what they wait for, and how each stands: as text, as Mermaid or as SVG.

    Of a manifest, which has no state, only the stages and their windows. What is wrong with it is told with its place, and the
    exit status is 1.
    """
    if not name and not file:
        raise ConfigError("name what to draw: an InfluxPipeline, or a manifest with -f")
    from influxops.cli.pipeline_shape import PipelineFaulty

    status: dict[str, Any] = {}
    if file:
        manifest = _manifest(file, name, namespace)
        try:
            shape = _shape_of_file(manifest)
        except PipelineFaulty as error:
            _tell([_located(manifest, fault.path, fault.message) for fault in error.faults])
        title = f"{manifest.kind} {manifest.name}"
    else:
        key = pipeline_key(name, home(namespace, kubeconfig, context))

        async def work(client: KubeClient) -> dict[str, Any]:
            return await existing(client, key)

        found = with_client(kubeconfig, context, work)
        try:
            shape = _shape(found)
        except PipelineFaulty as error:
            _tell([f"{key}: {fault}" for fault in error.faults])
        title, status = str(key), found.get("status") or {}
    write(_drawn(shape, status, form, title), out)


def _shape(found: Mapping[str, Any]) -> Shape:
    from influxops.cli.pipeline_shape import shape_of

    return shape_of(found)


def _drawn(shape: Shape, status: Mapping[str, Any], form: Format, title: str) -> str:
    from influxops.core.pipeline.drawing import draw
    from influxops.core.pipeline.standing import shown_of, standings

    known = standings(status)
    states = {name: shown_of(known.get(name), shape.cadences[name]) for name in shape.graph.order}
    match form:
        case Format.TEXT:
            drawn = draw.text(shape.graph, states)
        case Format.MERMAID:
            drawn = draw.mermaid(shape.graph, states, title)
        case Format.SVG:
            drawn = draw.svg(shape.graph, states, title)
    return drawn if drawn.endswith("\n") else f"{drawn}\n"


def _manifest(file: str, name: str, namespace: str) -> Manifest:
    """The one InfluxPipeline of a file that is meant. Raises ConfigError, and Exit for a file that cannot be read."""
    from influxops.core.keys import Kind
    from influxops.preview.manifests import read_manifests

    found = read_manifests([file], namespace or "default")
    wanted = pipeline_key(name, "").name
    here = [one for one in found.objects if one.kind == Kind.PIPELINE]
    fitting = [one for one in here if not wanted or one.name == wanted]
    if found.faults and len(fitting) != 1:
        _tell([f"{fault.place}: {fault.message}" for fault in found.faults])
    if not fitting:
        raise ConfigError(f"{file} holds no InfluxPipeline{f' of the name {wanted}' if wanted else ''}")
    if len(fitting) > 1:
        raise ConfigError(f"{file} holds several InfluxPipelines: name one of {', '.join(one.name for one in here)}")
    return fitting[0]


def _shape_of_file(manifest: Manifest) -> Shape:
    """The stages of a manifest; what it writes and the kind does not have is a fault, for such a word says nothing."""
    from influxops.api.read import unknown_fields
    from influxops.cli.pipeline_shape import PipelineFaulty, shape_of

    unknown = unknown_fields(manifest.body)
    if unknown:
        raise PipelineFaulty(unknown)
    return shape_of(manifest.body)


def _located(manifest: Manifest, path: str, message: str) -> str:
    line, column = manifest.document.field(path)
    return f"{manifest.document.file}:{line}:{column}: {path}: {message}"


def _tell(faults: list[str]) -> NoReturn:
    """Print the faults and leave."""
    for fault in faults:
        typer.echo(fault, err=True)
    raise typer.Exit(FAULTS)
