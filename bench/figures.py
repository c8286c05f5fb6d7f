"""A measured figure, the figure of the bare loop beside it, and what was to be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result. ``baseline`` is the bare loop's, None where it has no such figure."""

    name: str
    objects: int
    value: float
    unit: str
    baseline: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the bare loop's."""
        return self.value / self.baseline if self.baseline else None

    def to_json(self) -> dict[str, Any]:
        """The form of build/bench.json."""
        return {
            "name": self.name,
            "objects": self.objects,
            "value": round(self.value, 4),
            "unit": self.unit,
            "baseline": None if self.baseline is None else round(self.baseline, 4),
            "ratio": None if self.ratio is None else round(self.ratio, 3),
        }


@dataclass(frozen=True, slots=True)
class Target:
    """The most that a figure, or its ratio to the bare loop's, may be."""

    most: float
    text: str
    of_ratio: bool = False

    def met(self, figure: Figure) -> bool:
        """Whether a figure reaches it."""
        value = figure.ratio if self.of_ratio else figure.value
        return value is not None and value <= self.most


TARGETS = {
    "converge": Target(1.5, "at most 1.5 times the bare loop", of_ratio=True),
    "restart_writes": Target(0, "none"),
    "sweep": Target(2.0, "under 2 s"),
    "sweep_requests": Target(29, "under 30"),
    "one_more": Target(2.0, "under 2 s (95th percentile)"),
    "memory_peak": Target(256, "at most 256 MiB"),
    "idle_cpu": Target(2.0, "under 2 % of one core"),
    "plan": Target(2.0, "under 2 s: five times faster than the Terraform provider's 10.2 s"),
    "validate": Target(10.0, "under 10 s"),
    "busy_lag": Target(30.0, "one sync interval (95th percentile)"),
    "backfill_1": Target(1 / 0.9, "at least 0.9 of the bare loop's rate", of_ratio=True),
    "backfill_16": Target(1 / 0.9, "at least 0.9 of the bare loop's rate", of_ratio=True),
    "scale_converge": Target(1.2, "at most 1.2 times the bare loop", of_ratio=True),
    "scale_change": Target(3.0, "under 3 s (99th percentile)"),
    "scale_isolation": Target(1.2, "at most 1.2 times that with all ten well", of_ratio=True),
    "scale_restart": Target(15.0, "under 15 s"),
    "scale_restart_writes": Target(0, "none"),
    "scale_memory": Target(256, "at most 256 MiB"),
    "late_queries": Target(2.0, "the ledger, and one query a source"),
}


def verdict(figure: Figure) -> str:
    """What was to be reached, and whether it was; empty where nothing was set."""
    target = TARGETS.get(figure.name)
    return "" if target is None else f"{'ok' if target.met(figure) else 'MISSED'}: {target.text}"


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print the table."""
    table = Table(title="influxops beside a bare loop", title_justify="left")
    for heading, justify in (("figure", "left"), ("objects", "right"), ("value", "right"), ("bare loop", "right")):
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("ratio", justify="right", no_wrap=True)
    table.add_column("target")
    table.add_column("note")
    for figure in figures:
        bare = "" if figure.baseline is None else f"{figure.baseline:,.2f}"
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        value = f"{figure.value:,.2f} {figure.unit}"
        table.add_row(figure.name, f"{figure.objects:,}", value, bare, ratio, verdict(figure), figure.note)
    console.print(table)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, -(-len(ranked) * share // 100).__int__() - 1))]
