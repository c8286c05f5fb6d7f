"""When a failed run is tried again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from influxops.api.base import ApiModel
from influxops.api.lengths import Interval
from influxops.core.durations import parse_duration


class Backoff(ApiModel):
    """How long to wait before the next attempt."""

    initial: Interval = parse_duration("10s")
    """Time before the second attempt."""
    factor: Annotated[float, Field(ge=1, le=10)] = 2.0
    """By how much each wait is longer than the one before."""
    max: Interval = parse_duration("10m")
    """Longest wait."""
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of each wait that is left to chance, from 0 to 1, so that many retries do not come at once."""


class Retry(ApiModel):
    """How often and when a failed run is tried again."""

    limit: Annotated[int, Field(ge=0, le=10)] = 3
    """Attempts after the first; 0 for none."""
    backoff: Backoff = Backoff()
    """How long to wait before the next attempt."""
