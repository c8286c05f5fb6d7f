"""Tables as kubectl prints them: columns by spaces, nothing cut off, the same bytes whether on a terminal or not but for colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

GAP = "   "

_GOOD, _BAD, _WAIT, _DIM = "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[2m"
_RESET = "\x1b[0m"
_COLORS = {
    "success": _GOOD,
    "True": _GOOD,
    "failed": _BAD,
    "canceled": _BAD,
    "False": _BAD,
    "scheduled": _WAIT,
    "started": _WAIT,
    "Unknown": _WAIT,
}
"""Words that say whether all is well."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, color: bool) -> str:
    """Header and rows, aligned; ends with a newline. ``color`` paints the words that say whether all is well."""
    lines = [tuple(header), *(tuple(printable(cell) for cell in row) for row in rows)]
    widths = [max(width(line[column]) for line in lines) for column in range(len(header))]
    return "".join(_line(line, widths, color=color, head=number == 0) for number, line in enumerate(lines))


def printable(text: str) -> str:
    """A text on one line without control characters: names and errors are written by others, and must not steer a terminal."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in text)


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # here, so that plain tables do not wait for it

    return cell_len(text)


def _line(cells: Sequence[str], widths: Sequence[int], *, color: bool, head: bool) -> str:
    padded = []
    for cell, wanted in zip(cells, widths, strict=True):
        paint = _DIM if head else _COLORS.get(cell, "")
        text = f"{paint}{cell}{_RESET}" if color and paint else cell
        padded.append(text + " " * (wanted - width(cell)))
    return GAP.join(padded).rstrip() + "\n"
