"""Who reads Flux for ``influxops validate``: a Node.js process offline, or an InfluxDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from influxops.core.lint.flow import Node


class NoParser(Exception):
    """Flux cannot be read here; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class FluxFault:
    """What the compiler finds wrong. Line and column count characters from 1; 0 when it does not say."""

    line: int
    column: int
    message: str


class Parser(Protocol):
    """Reads and type-checks scripts, many at a time. Raises NoParser."""

    name: str

    async def trees(self, scripts: Sequence[str]) -> list[Node | list[FluxFault]]:
        """The tree of each script's one file, or what is wrong with its syntax."""

    async def check(self, scripts: Sequence[str]) -> list[list[FluxFault]]:
        """What the type checker finds in each whole script."""

    async def close(self) -> None:
        """End it."""
