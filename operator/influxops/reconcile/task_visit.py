"""What one visit to an InfluxTask has at hand."""

from __future__ import annotations

from dataclasses import dataclass

from influxops.core.marker import Owner
from influxops.core.record import Record
from influxops.reconcile.context import Context, Link
from influxops.reconcile.references import owner_of
from influxops.reconcile.state import TaskState


@dataclass(frozen=True, slots=True)
class TaskVisit:
    """One visit, while the connection of the InfluxTask can be used."""

    context: Context
    record: Record
    """The InfluxTask as it was when the visit began, or as our last write to it has made it."""
    link: Link
    state: TaskState
    """What is remembered of it between visits."""

    @property
    def owner(self) -> Owner:
        """Whom the mark of its native task names."""
        return owner_of(self.context, self.record)
