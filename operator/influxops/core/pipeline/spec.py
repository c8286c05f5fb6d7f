"""The part of a pipeline's spec that ``core`` reads; ``InfluxPipelineSpec`` fulfils it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from influxops.core.durations import Duration


class WindowLike(Protocol):
    """How windows follow each other. An absent ``period`` is ``every``."""

    @property
    def every(self) -> Duration: ...
    @property
    def period(self) -> Duration | None: ...


class PipelineWindowLike(WindowLike, Protocol):
    """The same with its calendar."""

    @property
    def timezone(self) -> str: ...
    @property
    def origin(self) -> datetime | None: ...


class SourceLike(Protocol):
    """Where a stage reads."""

    @property
    def bucket(self) -> str: ...
    @property
    def measurement(self) -> str | None: ...
    @property
    def field(self) -> str | None: ...


class DestinationLike(Protocol):
    """Where a stage writes."""

    @property
    def bucket(self) -> str: ...
    @property
    def measurement(self) -> str | None: ...


class CheckLike(Protocol):
    """A proof."""

    @property
    def type(self) -> str: ...


class StageLike(Protocol):
    """One stage."""

    @property
    def name(self) -> str: ...
    @property
    def depends_on(self) -> Sequence[str]: ...
    @property
    def window(self) -> WindowLike | None: ...
    @property
    def source(self) -> SourceLike | None: ...
    @property
    def destination(self) -> DestinationLike | None: ...
    @property
    def write_disposition(self) -> str: ...
    @property
    def checks(self) -> Sequence[CheckLike]: ...


class PipelineLike(Protocol):
    """A pipeline."""

    @property
    def window(self) -> PipelineWindowLike: ...
    @property
    def stages(self) -> Sequence[StageLike]: ...
