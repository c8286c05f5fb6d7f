"""Which InfluxPipeline a user means. Light, for it is imported whatever command is run."""

from __future__ import annotations

from typing import Annotated

import typer

from influxops.cli.names import pipelines
from influxops.core.keys import Key, Kind
from influxops.settings import ConfigError

PipelineName = Annotated[
    str, typer.Argument(metavar="NAME", help="NAME of an InfluxPipeline.", autocompletion=pipelines)
]

_WORDS = frozenset({"influxpipeline", "influxpipelines", "pipeline", "pipelines", "ipl"})


def pipeline_key(name: str, namespace: str) -> Key:
    """The InfluxPipeline that a user means, also as ``KIND/NAME``. Raises ConfigError for another kind."""
    kind, slash, rest = name.partition("/")
    if slash and kind.lower().partition(".")[0] not in _WORDS:
        raise ConfigError(f"{name} is no InfluxPipeline: write its name alone")
    return Key(Kind.PIPELINE, namespace, rest if slash else name)
