"""What the status tells of a plan under way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from influxops.core.pipeline.pipeline_status import PipelineFacts, exceptions, overdue, stage_facts
from influxops.engine.pipeline.course import Course
from influxops.engine.pipeline.ledger_writer import FULL


def facts_of(course: Course, now: datetime, suspended: Mapping[str, str]) -> PipelineFacts:
    """Looks at the whole agenda, so not to be called all the time. ``suspended``: InfluxBackfills, name by uid."""
    agenda, circuits, writer = course.agenda, course.circuits, course.writer
    return PipelineFacts(
        watermark=course.kept,
        next_window=course.next,
        counts=agenda.counts(),
        succeeded=course.succeeded,
        late_windows=course.late_windows,
        stages=stage_facts(agenda, circuits, course.last),
        exceptions=exceptions(agenda, circuits, course.too_late, suspended),
        overdue=overdue(agenda, now),
        ledger_trouble=writer.trouble if writer.struggles or writer.waiting > FULL // 10 else course.unmarked,
    )
