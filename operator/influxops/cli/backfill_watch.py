"""Following an InfluxBackfill to its end."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import typer

from influxops.cli.output import colored
from influxops.cli.table import printable, table

if TYPE_CHECKING:
    from rich.progress import TaskID

    from influxops.core.keys import Key
    from influxops.kube.client import KubeClient

FAILED = 1
"""Exit status when windows failed, or the backfill was refused."""
LOOK_EVERY = 0.5
"""Seconds between two looks."""
TELL_EVERY = 10.0
"""Seconds between two lines where there is no terminal."""
FIRST_WINDOWS = 10
"""Windows of a dry run that are shown; the object has up to a hundred."""
_OVER = frozenset({"Succeeded", "Failed", "Refused"})
_BAD = frozenset({"Failed", "Refused"})

Status = dict[str, Any]


class _View(Protocol):
    """Shows how far it is."""

    def show(self, status: Status) -> None:
        """A new status."""


async def follow(client: KubeClient, key: Key, uid: str) -> int:
    """Show progress until the backfill is over, then how it ended; the exit status of the command."""
    with ExitStack() as stack:
        view = _bar(stack) if sys.stderr.isatty() else _Lines()
        while True:
            found = await client.get(*key)
            if found is None or found["metadata"]["uid"] != uid:
                typer.echo(f"{key} was deleted before its end", err=True)
                return FAILED
            status: Status = found.get("status") or {}
            view.show(status)
            if status.get("phase") in _OVER:
                break
            await asyncio.sleep(LOOK_EVERY)
    _tell_end(key, status, dry_run=bool(found["spec"].get("dryRun")))
    return FAILED if status["phase"] in _BAD else 0


def _tell_end(key: Key, status: Status, *, dry_run: bool) -> None:
    ready = _ready(status)
    if dry_run and status["phase"] == "Succeeded":
        typer.echo(_dry(status), nl=False)
    failures = status.get("failures") or []
    if failures:
        rows = [(one["stage"], _range(one), one.get("message") or "-") for one in failures]
        typer.echo(table(("STAGE", "WINDOW", "WHY"), rows, color=colored()), nl=False)
    typer.echo(f"{key}: {status['phase']}: {printable(str(ready.get('message') or ''))}", err=True)


def _dry(status: Status) -> str:
    """The first windows, and the estimate."""
    windows = status.get("windows") or []
    estimate = status.get("estimate") or {}
    number = int(estimate.get("windows") or 0)
    text = ""
    if windows:
        rows = [(one["stage"], _range(one)) for one in windows[:FIRST_WINDOWS]]
        text += table(("STAGE", "WINDOW"), rows, color=False)
        text += f"... and {number - len(rows):,} more\n" if number > len(rows) else ""
    lasts = estimate.get("duration") or "unknown, for the ledger has no run of one of its stages in this range"
    rows_ = f"{estimate['rows']:,}" if "rows" in estimate else "unknown"
    return f"{text}windows: {number:,}\nskipped: {status.get('skipped') or 0:,}\nduration: {lasts}\nrows: {rows_}\n"


def _range(one: dict[str, Any]) -> str:
    return f"{one['window']['start']}/{one['window']['stop']}"


def _ready(status: Status) -> dict[str, Any]:
    return next((one for one in status.get("conditions") or [] if one.get("type") == "Ready"), {})


def _done(status: Status) -> int:
    return int(status.get("succeeded") or 0) + int(status.get("failed") or 0)


def _pace(status: Status) -> str:
    """Rate, end and failures, as far as they are known."""
    parts = [str(status["rate"])] if status.get("rate") else []
    parts += [f"until {status['eta']}"] if status.get("eta") else []
    failed = int(status.get("failed") or 0)
    parts += [f"{failed:,} failed"] if failed else []
    return ", ".join(parts)


def _phase(status: Status) -> str:
    """The phase; of one that waits, with its reason."""
    phase = str(status.get("phase") or "Pending")
    message = str(_ready(status).get("message") or "")
    if phase != "Pending":
        return phase
    return f"Pending: {printable(message)}" if message else "Pending: the operator has not seen it yet"


class _Lines:
    """A line for each new phase, and one now and then while it runs: for logs."""

    def __init__(self) -> None:
        self._phase = ""
        self._progress = ""
        self._told = 0.0

    def show(self, status: Status) -> None:
        """A new status."""
        phase, progress = _phase(status), str(status.get("progress") or "")
        due = progress != self._progress and time.monotonic() >= self._told + TELL_EVERY
        if phase == self._phase and not due:
            return
        if status.get("phase") not in _OVER:
            pace = _pace(status)
            words = f"{phase} {progress}".rstrip()
            typer.echo(f"{words}, {pace}" if pace else words, err=True)
        self._phase, self._progress, self._told = phase, progress, time.monotonic()


class _Bar:
    """A bar of rich, whose task has the counts."""

    def __init__(self, progress: Any, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def show(self, status: Status) -> None:
        """A new status."""
        total = status.get("total")
        self._progress.update(
            self._task,
            completed=_done(status),
            total=int(total) if total is not None else None,
            description=_phase(status),
            count=f"{_done(status):,}/{int(total):,}" if total is not None else "",
            pace=_pace(status),
        )


def _bar(stack: ExitStack) -> _View:
    from rich.console import Console  # here, so that other commands do not wait for it
    from rich.progress import BarColumn, Progress, TextColumn

    plain = {"markup": False}
    progress = stack.enter_context(
        Progress(
            TextColumn("{task.description}", **plain),  # type: ignore[arg-type]
            BarColumn(bar_width=30),
            TextColumn("{task.fields[count]}", **plain),  # type: ignore[arg-type]
            TextColumn("{task.fields[pace]}", **plain),  # type: ignore[arg-type]
            console=Console(stderr=True),
        )
    )
    return _Bar(progress, progress.add_task("Pending", total=None, count="", pace=""))
