"""What a start comes to, from records alone: the decisions of loading.py without its reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.due import due
from influxops.core.pipeline.agenda.recalled import Recalled
from influxops.core.pipeline.agenda.restore import restore
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import WindowRecord


def restored(
    plan: PipelinePlan, mark: datetime, recalled: Recalled, now: datetime, lost: Mapping[str, datetime] | None = None
) -> Agenda:
    """The agenda after a start at ``now`` with the watermark at ``mark``."""
    return restore(plan, mark, recalled, due(plan, mark, now, recalled.done, lost or {}).places, now)


def recall(plan: PipelinePlan, records: Iterable[WindowRecord]) -> Recalled:
    """What these records come to."""
    recalled = Recalled(plan)
    recalled.take(records)
    return recalled
