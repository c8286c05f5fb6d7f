"""The templates of the library: what each is for, what values it takes, what it promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import ValidationError

from influxops.api.errors import SpecInvalid
from influxops.api.template import Library, Template
from influxops.library.cleaning import DeduplicateValues, ValidateValues
from influxops.library.judging import AlertValues, EnrichValues
from influxops.library.rollups import DownsampleValues, ReaggregateValues
from influxops.library.values import Values, faults

PATH = "spec.template.values"


@dataclass(frozen=True, slots=True)
class Entry:
    """One template."""

    name: Library
    summary: str
    """What it is for, in one sentence."""
    values: type[Values]
    """The model of its values."""
    pushed_down: str
    """How the plan's nodes begin that read points, with the values of ``example``: what InfluxDB computes in its storage.
    ``ReadRange`` means that filters are, and that the points themselves are read."""
    example: Mapping[str, Any]
    """Values as a user would write them."""

    @property
    def text(self) -> str:
        """The template itself."""
        return _text(self.name.value)

    def checked(self, values: Mapping[str, Any], path: str = PATH) -> dict[str, Any]:
        """The values with their defaults, as the template takes them. Raises SpecInvalid, with paths below ``path``."""
        try:
            return self.values.model_validate(dict(values)).model_dump(mode="json", by_alias=True)
        except ValidationError as error:
            raise SpecInvalid(faults(self.name.value, self.values, error, path)) from None


@cache
def _text(name: str) -> str:
    return (files("influxops.library") / f"{name}.flux.j2").read_text(encoding="utf-8")


_ENTRIES = (
    Entry(
        Library.VALIDATE,
        "Copies the points whose fields are of the right type and range and which have their tags; the others are left out, "
        "or go to a bucket of their own.",
        ValidateValues,
        "ReadRange",
        {
            "bucket": "raw",
            "measurement": "env",
            "fields": {"temp": {"min": -40, "max": 85}, "state": {"type": "string"}},
            "requiredTags": ["device"],
            "toBucket": "clean",
            "rejectedBucket": "rejected",
        },
    ),
    Entry(
        Library.DEDUPLICATE,
        "Copies one of the points of a series that repeat each other within a step, or have the same value.",
        DeduplicateValues,
        "ReadWindowAggregate",
        {"bucket": "raw", "measurement": "env", "fields": ["temp"], "within": "10s", "toBucket": "clean"},
    ),
    Entry(
        Library.DOWNSAMPLE,
        "Writes sum, count, minimum, maximum and mean of each series over each step.",
        DownsampleValues,
        "ReadWindowAggregate",
        {
            "bucket": "clean",
            "measurement": "env",
            "fields": ["temp", "humidity"],
            "every": "5m",
            "toBucket": "rollup-5m",
        },
    ),
    Entry(
        Library.REAGGREGATE,
        "Rolls up what downsample wrote, exactly: sums and counts are summed, and the mean is the sum by the count.",
        ReaggregateValues,
        "ReadWindowAggregate",
        {
            "bucket": "rollup-5m",
            "measurement": "env",
            "fields": ["temp", "humidity"],
            "every": "1h",
            "toBucket": "rollup-1h",
        },
    ),
    Entry(
        Library.ENRICH,
        "Copies points with tags from a measurement of metadata, found by a tag.",
        EnrichValues,
        "ReadRange",
        {
            "bucket": "clean",
            "measurement": "env",
            "fields": ["temp"],
            "by": "device",
            "metadata": {"bucket": "inventory", "measurement": "devices", "fields": ["site", "model"]},
            "toBucket": "enriched",
        },
    ),
    Entry(
        Library.ALERT,
        "Writes the points beyond a threshold into a measurement of alerts, with the tag level.",
        AlertValues,
        "ReadRange",
        {
            "bucket": "clean",
            "measurement": "env",
            "field": "temp",
            "levels": [{"level": "crit", "above": 80}, {"level": "warn", "above": 60, "below": 0}],
            "toBucket": "alerts",
        },
    ),
)
TEMPLATES: Mapping[Library, Entry] = {entry.name: entry for entry in _ENTRIES}
"""Every template, in the order in which data go through them."""


def at_hand(template: Template, path: str = "spec.template") -> tuple[str, dict[str, Any]] | None:
    """Text and values of a template for which nobody has to be asked: one of the library, or inline; None for a ConfigMap's.

    Raises SpecInvalid for values that a template of the library does not take, with paths below ``path``.
    """
    if template.library is not None:
        entry = TEMPLATES[template.library]
        return entry.text, entry.checked(template.values, f"{path}.values")
    return None if template.inline is None else (template.inline, template.values)
