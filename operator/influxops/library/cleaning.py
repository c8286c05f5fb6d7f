"""Values of the templates that clean points: ``validate`` and ``deduplicate``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from influxops.api.names import BucketName
from influxops.api.rules import Fault, Rule
from influxops.library.values import Bound, Copying, Fields, Step, Text, Values


class FieldRule(Values):
    """What the values of one field must be."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "true",
            "min and max are for numbers; remove them, or remove type",
            lambda m: m.type == "number" or (m.min is None and m.max is None),
            path=".type",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "true",
            "min is greater than max, so that no point would pass; correct one of them",
            lambda m: m.min is None or m.max is None or m.min <= m.max,
            path=".min",
        ),
    )

    type: Literal["number", "string", "boolean"] = "number"
    """Type of its values: `number` (float, integer or unsigned), `string` or `boolean`."""
    min: Bound | None = None
    """Least value that passes."""
    max: Bound | None = None
    """Greatest value that passes."""


class ValidateValues(Copying):
    """Each point is judged by itself and passes as it is, with its own time and tags."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *Copying.rules,
        Rule(
            "true",
            "it is one of the other buckets, where nobody could tell good points from rejected ones; name another bucket",
            lambda m: m.rejected_bucket not in {m.bucket, m.to_bucket},
            path=".rejectedBucket",
        ),
    )

    fields: Annotated[dict[Text, FieldRule], Field(min_length=1, max_length=64)]
    """Rule of each field, by its name; a field without a rule does not pass."""
    required_tags: Annotated[list[Text], Field(max_length=64)] = Field(default_factory=list)
    """Tags that every point must have."""
    rejected_bucket: BucketName | None = None
    """Bucket for the points that do not pass; by default they are left out."""


class DeduplicateValues(Fields):
    """What is kept has its own time. Windows do not depend on each other: with `dropUnchanged` the first point of each window is
    kept, whatever the window before it ended with.
    """

    rules: ClassVar[tuple[Rule, ...]] = (
        *Copying.rules,
        Rule(
            "true",
            "nothing says what a repeated point is; write within, such as 10s, or dropUnchanged: true",
            lambda m: m.within is not None or m.drop_unchanged,
            path=".within",
            fault=Fault.REQUIRED,
        ),
    )

    within: Step | None = None
    """Step, such as `10s`, of which one point of a series is kept. Steps begin at whole multiples of it in UTC."""
    keep: Literal["first", "last"] = "first"
    """Which point of a step is kept: `first` or `last`."""
    drop_unchanged: bool = False
    """True: a point whose value equals that of the point before it in the same window is left out. For fields with
    numbers."""
