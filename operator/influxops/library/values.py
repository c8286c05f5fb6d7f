"""What the values of library templates are made of, and the words for those that are wrong."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from influxops.api.base import ApiModel
from influxops.api.errors import FieldError, field_errors, path_of
from influxops.api.lengths import WindowLength
from influxops.api.names import BucketName
from influxops.api.patterns import pattern_rule
from influxops.api.rules import Checked, Rule, refuse

_control = pattern_rule(
    "[\\x00-\\x1f\\x7f]",
    "the name has a line break, a tab or another control character; write it on one line of plain text",
    negate=True,
)
_word = pattern_rule(
    "^[A-Za-z][A-Za-z0-9_]*$",
    "{self} cannot be the name of a tag here; write letters, digits and _, beginning with a letter",
)
_keyword = pattern_rule(
    "^(and|or|not|empty|in|import|package|return|option|builtin|test|testcase|if|then|else|exists|with)$",
    "{self} is a word of Flux itself and cannot be the name of a tag here; give the field another name",
    negate=True,
)

Text = Annotated[str, Checked((_control,), min_length=1)]
"""A name in InfluxDB: of a measurement, a field, a tag, or a bucket that is only read."""

Word = Annotated[str, Checked((_word, _keyword))]
"""A name that becomes a column of its own."""

Names = Annotated[list[Text], Field(min_length=1, max_length=64)]

_LARGEST, _SMALLEST = 1e15, 1e-4
"""Between these Python and Flux write numbers in the same way, without an exponent."""

_writable = Rule(
    "true",
    "the number is too large or too small to be a bound; write 0, or one between 0.0001 and 1000000000000000",
    lambda number: number == 0 or _SMALLEST <= abs(number) <= _LARGEST,
)


def _bound(number: float) -> float:
    refuse((_writable,), number, number)
    return number


Bound = Annotated[float, AfterValidator(_bound)]
"""A number that values are compared with."""


class Values(ApiModel):
    """The values of one template; a name that it does not know is an error."""

    model_config = ConfigDict(extra="forbid")


class Copying(Values):
    """What every template reads and writes."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "true",
            "it is the bucket that is read, and the measurement stays the same, so that the next run would read what this "
            "one wrote; write to another bucket, or give toMeasurement another name",
            lambda m: m.to_bucket != m.bucket or m.to_measurement not in {None, m.measurement},
            path=".toBucket",
        ),
    )

    bucket: Text
    """Bucket to read."""
    measurement: Text
    """Measurement to read."""
    to_bucket: BucketName
    """Bucket to write. It must exist; a RetentionPolicy makes one."""
    to_measurement: Text | None = None
    """Measurement to write; by default the one that is read."""


class Fields(Copying):
    """What a template reads that works on some fields."""

    fields: Names
    """Names of the fields to read."""


Step = WindowLength


def faults(template: str, model: type[Values], error: ValidationError, prefix: str) -> list[FieldError]:
    """What is wrong with values: each with its path, the fault, and what to write."""
    found = field_errors(error, prefix)
    for place, item in enumerate(error.errors(include_url=False)):
        path = path_of(item["loc"], prefix)
        if item["type"] == "extra_forbidden":
            found[place] = FieldError(path, _unknown(template, model, item))
        elif item["type"] == "missing" and len(item["loc"]) == 1:
            found[place] = FieldError(path, f"Required value: {_meaning(model, str(item['loc'][0]))}")
        elif item["type"] == "float_type":
            found[place] = FieldError(path, "must be a number, such as 40 or -12.5")
        elif item["type"] in {"too_short", "dict_too_short"}:
            found[place] = FieldError(path, "is empty: write at least one")
        elif item["type"] == "literal_error":
            found[place] = FieldError(path, f"Unsupported value: write {item['ctx']['expected']}")
    return found


def names(model: type[Values]) -> dict[str, str]:
    """The values of a template as manifests name them, each with its meaning."""
    return {field.alias or name: field.description or "" for name, field in model.model_fields.items()}


def _meaning(model: type[Values], alias: str) -> str:
    return names(model).get(alias, "").partition(".")[0].lower().replace("influxdb", "InfluxDB")


def _unknown(template: str, model: type[Values], item: ErrorDetails) -> str:
    see = f"influxops templates show {template} lists the values"
    if len(item["loc"]) > 1:
        return f"there is no such value; remove it or correct its name ({see})"
    known = names(model)
    near = get_close_matches(str(item["loc"][0]), known, 1)
    remedy = f"write {near[0]}" if near else "remove it"
    return f"template {template} has no such value; {remedy}. It takes {', '.join(known)}"
