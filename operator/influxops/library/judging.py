"""Values of the templates that put points beside something else: ``enrich`` (metadata) and ``alert`` (thresholds)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from influxops.api.names import BucketName
from influxops.api.rules import Fault, Rule
from influxops.core.durations import parse_duration
from influxops.library.values import Bound, Fields, Step, Text, Values, Word


class Metadata(Values):
    """Where the metadata are: points with the same tag, whose latest values become tags."""

    bucket: Text
    """Bucket of the metadata."""
    measurement: Text
    """Measurement of the metadata."""
    fields: Annotated[list[Word], Field(min_length=1, max_length=32)]
    """Fields of the metadata; each becomes a tag of that name."""
    lookback: Step = parse_duration("365d")
    """How far before the end of the window metadata are looked for."""


class EnrichValues(Fields):
    """Metadata are taken as of the end of the window, so that a window gives the same however late it is run."""

    by: Text
    """Tag that points and metadata share, such as `device`."""
    metadata: Metadata
    """Where the metadata are."""
    missing: Text = "unknown"
    """Value of the tags of points that have no metadata: every point gets the same set of tags."""


class Level(Values):
    """A threshold."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "true",
            "the level has no threshold; write above, below, or both",
            lambda m: m.above is not None or m.below is not None,
            path=".above",
            fault=Fault.REQUIRED,
        ),
    )

    level: Text
    """Value of the tag `level`, such as `crit`."""
    above: Bound | None = None
    """Values above this one cross it."""
    below: Bound | None = None
    """Values below this one cross it."""


class AlertValues(Values):
    """A point that crosses several levels gets the first of them. It keeps its own time, its tags and its field."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "true",
            "it is the measurement that is read, in the same bucket, so that the next run would read what this one wrote; "
            "give another name, or write to another bucket",
            lambda m: m.to_bucket != m.bucket or m.to_measurement != m.measurement,
            path=".toMeasurement",
        ),
    )

    bucket: Text
    """Bucket to read."""
    measurement: Text
    """Measurement to read."""
    field: Text
    """Field with numbers that is judged."""
    levels: Annotated[list[Level], Field(min_length=1, max_length=8)]
    """Thresholds, the worst first: a point gets the first level that it crosses."""
    to_bucket: BucketName
    """Bucket to write. It must exist; a RetentionPolicy makes one."""
    to_measurement: Text = "alerts"
    """Measurement to write."""
