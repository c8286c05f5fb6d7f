"""A view of windows as text for people and as data for programs. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from influxops.cli.run_rows import length
from influxops.cli.table import printable, table
from influxops.cli.window_view import View
from influxops.core.conditions import rfc3339
from influxops.core.pipeline.drawing.cells import Cell, Mark
from influxops.core.pipeline.drawing.heatmap import Line, counted, heat_map, legend
from influxops.core.pipeline.windows.zones import zone_of

MOST = 30
"""Windows that the table below the map has at most, unless it is the wide one."""
_BESIDE = 40
"""Columns that a message needs to stand beside its window."""

_COLORS = {
    Mark.SUCCESS: "\x1b[32m",
    Mark.RETRIED: "\x1b[1;93m",
    Mark.RERUN: "\x1b[36m",
    Mark.RUNNING: "\x1b[1;34m",
    Mark.READY: "\x1b[33m",
    Mark.PENDING: "\x1b[33m",
    Mark.FAILED: "\x1b[1;31m",
    Mark.SETTLED: "\x1b[2;32m",
    Mark.NOT_DUE: "\x1b[2m",
}
_DIM, _RESET = "\x1b[2m", "\x1b[0m"
_HEADER = ("STAGE", "START", "STATE", "REASON", "ATTEMPT", "MESSAGE")
_WIDE = ("STAGE", "START", "STOP", "STATE", "REASON", "REVISION", "ATTEMPT", "ROWS", "DURATION", "FINISHED", "MESSAGE")


def text(view: View, width: int | None, *, color: bool, wide: bool) -> str:
    """Title, map, legend, and the windows that are not as they should be.

    ``width`` of the terminal; None: none, nothing is cut off or put below each other. ``wide``: every exception, all columns.
    """
    columns = width or 10_000
    parts = [textwrap.fill(title(view), columns) + "\n"]
    parts.append(painted(heat_map(view.rows, view.bounds, view.zone, columns), color=color, dim=1))
    nothing = "no window of this time is the pipeline's: see spec.begin, and --from and --to for others"
    parts.append(painted(legend(view.cells, columns), color=color) if view.cells else f"{nothing}\n")
    found = exceptions(view.cells)
    if found:
        parts.append(_table(view, found, width, color=color, wide=wide))
    return "\n".join(parts)


def title(view: View) -> str:
    """What the map shows."""
    count = len(view.bounds) - 1
    mark = f"watermark {_clock(view.watermark, view.zone)}" if view.watermark else "no watermark yet"
    return (
        f"{view.key}: {count} window{'s' * (count != 1)} of {view.every}, {_clock(view.bounds[0], view.zone)} to "
        f"{_clock(view.bounds[-1], view.zone)} {view.zone}, {mark}"
    )


def painted(lines: Sequence[Line], *, color: bool, dim: int = 0) -> str:
    """Lines of a map, in colour if wanted; ``dim``: with axes, which begin without a state."""
    made = []
    for line in lines:
        pieces = [(printable(piece), _COLORS[mark] if mark else "") for piece, mark in line]
        if dim and len(pieces) == 1:
            pieces = [(pieces[0][0], _DIM)]
        made.append("".join(f"{on}{piece}{_RESET}" if color and on else piece for piece, on in pieces).rstrip() + "\n")
    return "".join(made)


def exceptions(cells: Sequence[Cell]) -> list[Cell]:
    """The windows of which more is to be told, oldest first."""
    return sorted((cell for cell in cells if cell.exceptional), key=lambda cell: cell.window.stop)


def item(cell: Cell) -> dict[str, Any]:
    """A window for programs."""
    record = cell.record
    given: dict[str, Any] = {
        "stage": cell.stage,
        "start": rfc3339(cell.window.start),
        "stop": rfc3339(cell.window.stop),
        "state": cell.mark.value,
        "attempt": cell.attempt or None,
        "revision": cell.revision if record else None,
        "reason": cell.reason,
        "message": cell.message,
    }
    if record is not None:
        given |= {
            "cause": record.cause.value,
            "rows": record.rows,
            "series": record.series,
            "durationSeconds": record.duration,
            "checksum": record.checksum,
            "finishedAt": rfc3339(record.finished_at) if record.finished_at else None,
            "backfill": record.backfill,
            "runID": record.run_id,
        }
    return {name: value for name, value in given.items() if value not in {None, ""}}


def data(view: View) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "namespace": view.key.namespace,
        "name": view.key.name,
        "timezone": view.zone,
        "every": view.every,
        "start": rfc3339(view.bounds[0]),
        "stop": rfc3339(view.bounds[-1]),
        "watermark": rfc3339(view.watermark) if view.watermark else None,
        "counts": {mark.value: count for mark, count in sorted(counted(view.cells).items())},
        "items": [item(cell) for cell in view.cells],
        "notes": view.notes,
    }


def _table(view: View, found: Sequence[Cell], width: int | None, *, color: bool, wide: bool) -> str:
    if wide:
        return table(_WIDE, [_wide_row(cell, view.zone) for cell in found], color=color)
    shown = found[-MOST:]
    made = _fitted([_row(cell, view.zone) for cell in shown], width, color=color)
    return made if len(shown) == len(found) else f"{made}{len(found) - len(shown)} earlier ones: -o wide has all\n"


def _fitted(rows: Sequence[tuple[str, ...]], width: int | None, *, color: bool) -> str:
    """The table within the width: messages are cut off, and stand below their rows where they have no room beside them."""
    if width is None:
        return table(_HEADER, rows, color=color)
    beside = width - sum(max(len(row[at]) for row in [_HEADER, *rows]) + 3 for at in range(len(_HEADER) - 1))
    if beside >= _BESIDE:
        return table(_HEADER, [(*row[:-1], _clipped(row[-1], beside)) for row in rows], color=color)
    head, *lines = table(_HEADER[:-1], [row[:-1] for row in rows], color=color).splitlines()
    for at in reversed(range(len(rows))):
        if rows[at][-1]:
            lines.insert(at + 1, f"  {_clipped(rows[at][-1], width - 2)}")
    return "\n".join([head, *lines]) + "\n"


def _row(cell: Cell, zone: str) -> tuple[str, ...]:
    return (cell.stage, _iso(cell.window.start, zone), _state(cell), cell.reason, _number(cell.attempt), cell.message)


def _wide_row(cell: Cell, zone: str) -> tuple[str, ...]:
    record = cell.record
    return (
        cell.stage,
        _iso(cell.window.start, zone),
        _iso(cell.window.stop, zone),
        _state(cell),
        cell.reason,
        str(cell.revision),
        _number(cell.attempt),
        "-" if record is None or record.rows is None else str(record.rows),
        length(record.duration if record else None),
        rfc3339(record.finished_at) if record and record.finished_at else "-",
        cell.message,
    )


def _state(cell: Cell) -> str:
    """The word of the ledger; green and red as in other tables."""
    word = cell.record.state.value if cell.mark is Mark.RERUN and cell.record else cell.mark.value
    return word.lower()


def _number(count: int) -> str:
    return str(count) if count else "-"


def _clipped(message: str, width: int) -> str:
    line = printable(message)
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _iso(moment: datetime, zone: str) -> str:
    """The zone's clock with its distance from UTC, so that a day of 25 hours has no hour twice."""
    return moment.astimezone(zone_of(zone)).isoformat().replace("+00:00", "Z")


def _clock(moment: datetime, zone: str) -> str:
    local = moment.astimezone(zone_of(zone))
    return f"{local:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
