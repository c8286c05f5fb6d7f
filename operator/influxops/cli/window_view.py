"""What ``influxops windows`` shows, gathered: the object from the cluster, the records from the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from influxops.cli.native import NoAnswer, Object, connected, connection_key, org_id_of
from influxops.cli.pipeline_shape import PipelineFaulty, Shape, owner_of, shape_of
from influxops.core.conditions import parse_rfc3339
from influxops.core.keys import Key
from influxops.core.pipeline.drawing.cells import At, Cell, Known, Problem, cells_of
from influxops.core.pipeline.drawing.heatmap import room
from influxops.core.pipeline.drawing.timespan import Asked, SpanFault, columns, finest, moment
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window
from influxops.influx.errors import NotFound
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.kube.client import KubeClient


@dataclass(frozen=True, slots=True)
class Question:
    """What a user wants to see of which pipeline."""

    key: Key
    stages: Sequence[str] = ()
    """Nothing: all."""
    start: str = ""
    stop: str = ""
    last: int | None = None
    instance: str = ""
    url: str = ""


@dataclass(slots=True)
class View:
    """The windows of a stretch of time."""

    key: Key
    zone: str
    every: str
    """Of the columns."""
    bounds: list[datetime]
    rows: dict[str, list[Cell]]
    """Stages in the order of the graph."""
    watermark: datetime | None
    notes: list[str] = field(default_factory=list)

    @property
    def cells(self) -> list[Cell]:
        """Of all stages."""
        return [cell for row in self.rows.values() for cell in row]


async def look(client: KubeClient, found: Object, question: Question, now: datetime, width: int) -> View:
    """Gather. ``width``: columns of the terminal, for what fits is shown unless more is asked for. Raises ConfigError."""
    key = question.key
    try:
        shape = shape_of(found)
    except PipelineFaulty as error:
        raise ConfigError(f"{key}: {error}; influxops validate and graph tell more") from error
    names = _chosen(key, shape, question.stages)
    zone = shape.spec.window.timezone
    grid = finest([shape.cadences[name] for name in names], now)
    try:
        asked = Asked(
            moment(question.start, zone) if question.start else None,
            moment(question.stop, zone) if question.stop else None,
            question.last,
        )
        bounds = columns(grid, asked, now, shape.begin, room(names, width))
    except SpanFault as error:
        raise ConfigError(str(error)) from error
    status = found.get("status") or {}
    view = View(key, zone, str(grid.every), bounds, {}, _watermark(status))
    nothing = Known(now, datetime.min.replace(tzinfo=UTC))  # also what a backfill may have run before begin
    empty = [cell for name in names for cell in cells_of(name, shape.cadences[name], bounds[0], bounds[-1], nothing)]
    starts = [cell.window.start for cell in empty] or bounds[:1]
    records = await _ledger(client, found, shape, question, (min(starts), max(*starts, bounds[-1])), view)
    known = Known(
        now,
        shape.begin,
        timedelta(seconds=shape.spec.watermark.delay.seconds),
        view.watermark,
        {(record.stage, record.window): record for record in records},
        problems_of(status),
    )
    view.rows = {name: cells_of(name, shape.cadences[name], bounds[0], bounds[-1], known) for name in names}
    return view


async def _ledger(
    client: KubeClient,
    found: Object,
    shape: Shape,
    question: Question,
    reach: tuple[datetime, datetime],
    view: View,
) -> list[WindowRecord]:
    """The records whose windows begin in ``reach``, and the watermark into the view; a note where they cannot be read."""
    bucket = shape.spec.ledger.bucket
    try:
        owner = await owner_of(client, question.key, question.instance)
        connection = connection_key(question.key, found)
        async with connected(client, connection, question.url, read_only=True) as (port, org):
            org_id = await org_id_of(port, org)
            try:
                records = await port.ledger_records(org_id, bucket, owner, *reach)
                # A day, for this clock and the operator's may differ.
                marks = await port.ledger_watermark(org_id, bucket, owner, datetime.now(UTC) + timedelta(days=1))
                view.watermark = marks.last.stop if marks.last else view.watermark
            except NotFound:
                view.notes.append(
                    f"bucket {bucket} for the ledger does not exist: make it with a RetentionPolicy; "
                    "only what .status holds is shown"
                )
                return []
            return records
    except NoAnswer as error:
        view.notes.append(f"only what .status holds is shown, without the ledger: {error}")
        return []


def problems_of(status: Mapping[str, Any]) -> dict[At, Problem]:
    """What ``status.exceptions`` says, by stage and window."""
    problems: dict[At, Problem] = {}
    for one in status.get("exceptions") or ():
        window = Window(parse_rfc3339(one["window"]["start"]), parse_rfc3339(one["window"]["stop"]))
        problems[one["stage"], window] = Problem(
            WindowState(one["state"]), one["reason"], one.get("message", ""), one.get("attempt", 0)
        )
    return problems


def _watermark(status: Mapping[str, Any]) -> datetime | None:
    text = status.get("watermark")
    return parse_rfc3339(text) if text else None


def _chosen(key: Key, shape: Shape, wanted: Sequence[str]) -> list[str]:
    for name in wanted:
        if name not in shape.graph.order:
            raise ConfigError(f"{key} has no stage {name!r}; it has {', '.join(shape.graph.order)}")
    return [name for name in shape.graph.order if not wanted or name in wanted]
