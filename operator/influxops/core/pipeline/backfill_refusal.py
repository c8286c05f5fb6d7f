"""Why a backfill would lose points or its own memory: retentions, judged before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from influxops.core.pipeline.backfill_types import Refused, Selection
from influxops.core.pipeline.plan import PipelinePlan


def refusal(plan: PipelinePlan, selection: Selection, retentions: Mapping[str, int], now: datetime) -> Refused | None:
    """Why these windows must not run now; None when they may.

    ``retentions`` are seconds by name of bucket, 0 for ever; a bucket that is not in it is not judged. Reasons:
    ``SourceExpired`` (a source of a stage without parents among what runs has begun to lose the window's points: the run
    would write less than there was), ``DestinationTooShort`` (the destination would drop what is written) and
    ``LedgerTooShort`` (the state of the window could not be kept). The message names the bucket, its retention, the first
    window that can run, and what to write instead.
    """
    raise NotImplementedError
