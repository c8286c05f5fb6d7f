"""The stages of a pipeline as commands read them, and whose its records are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from influxops.api.errors import FieldError, SpecInvalid
from influxops.api.influxpipeline import InfluxPipelineSpec
from influxops.api.read import read
from influxops.cli.native import NoAnswer
from influxops.core.conditions import parse_rfc3339
from influxops.core.keys import Key
from influxops.core.pipeline.faults import pipeline_faults
from influxops.core.pipeline.graph import Graph
from influxops.core.pipeline.stage_faults import Fault
from influxops.core.pipeline.windows.cadence import Cadence
from influxops.core.pipeline.windows.edges import SINCE

if TYPE_CHECKING:
    from influxops.kube.client import KubeClient


class PipelineFaulty(ValueError):
    """A spec that cannot run; ``faults`` has each with its path, at least one."""

    def __init__(self, faults: Sequence[FieldError | Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Shape:
    """The stages of a pipeline."""

    spec: InfluxPipelineSpec
    graph: Graph
    cadences: Mapping[str, Cadence]
    begin: datetime
    """Start of the first window."""


def shape_of(found: Mapping[str, Any]) -> Shape:
    """The stages of a manifest or an object. Raises PipelineFaulty."""
    try:
        spec = read(InfluxPipelineSpec, found.get("spec") or {}, "spec")
    except SpecInvalid as error:
        raise PipelineFaulty(error.errors) from error
    created = (found.get("metadata") or {}).get("creationTimestamp")
    begin = spec.begin or (parse_rfc3339(str(created)) if created else SINCE)
    graph, cadences, faults = pipeline_faults(spec, begin)
    if faults or graph is None:
        raise PipelineFaulty(faults)
    return Shape(spec, graph, cadences, begin)


async def owner_of(client: KubeClient, key: Key, instance: str) -> str:
    """The tag of a pipeline's records in the ledger. ``instance``: id of the installation; empty: that of the cluster.

    Raises NoAnswer where that cannot be read.
    """
    from influxops.kube.errors import Forbidden

    if not instance:
        try:
            instance = await client.namespace_uid("kube-system") or ""
        except Forbidden as error:
            raise NoAnswer(
                f"whose records these are is not known, for you may not read the namespace kube-system ({error}): give "
                "the id of the installation with --instance-id"
            ) from error
    return f"{instance}/{key.namespace}/{key.name}"
