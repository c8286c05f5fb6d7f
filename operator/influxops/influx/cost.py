"""What a query cost, from the rows of InfluxDB's profiler."""

from __future__ import annotations

import re
from collections.abc import Mapping

from influxops.core.pipeline.proofs.result import QueryCost

_NODE = re.compile(r'^\s*"([^"]+)"\s*$', re.MULTILINE)
_SECOND = 1e9


class CostReader:
    """Adds up the rows; there is one for each query that a script makes, ``tableFind`` among them."""

    def __init__(self) -> None:
        self.cost: QueryCost | None = None

    def add(self, row: Mapping[str, str]) -> None:
        """One row of the result ``_profiler``. Rows of other profilers (``operator``) are passed over."""
        if row.get("_measurement") != "profiler/query":
            return
        plan = ", ".join(_NODE.findall(row.get("flux/query-plan", "")))
        one = QueryCost(
            total=_number(row, "TotalDuration") / _SECOND,
            queued=_number(row, "QueueDuration") / _SECOND,
            executed=_number(row, "ExecuteDuration") / _SECOND,
            scanned_values=_number(row, "influxdb/scanned-values"),
            scanned_bytes=_number(row, "influxdb/scanned-bytes"),
            max_allocated=_number(row, "MaxAllocated"),
            plan=plan,
            graph=row.get("flux/query-plan", "").replace("\r", "").strip(),
        )
        self.cost = one if self.cost is None else _sum(self.cost, one)


def _sum(first: QueryCost, second: QueryCost) -> QueryCost:
    return QueryCost(
        total=first.total + second.total,
        queued=first.queued + second.queued,
        executed=first.executed + second.executed,
        scanned_values=first.scanned_values + second.scanned_values,
        scanned_bytes=first.scanned_bytes + second.scanned_bytes,
        max_allocated=max(first.max_allocated, second.max_allocated),
        plan=f"{first.plan}; {second.plan}",
        graph=f"{first.graph}\n{second.graph}",
    )


def _number(row: Mapping[str, str], name: str) -> int:
    text = row.get(name, "")
    return int(text) if text.lstrip("-").isdigit() else 0
