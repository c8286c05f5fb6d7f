"""The library without a server: every template's example is clean, and every wrong value is told with what to write."""

from __future__ import annotations

from typing import Any

import pytest

from influxops.api.errors import SpecInvalid
from influxops.api.template import Library, Template
from influxops.core.lint.aggregates import Rollup
from influxops.library.catalogue import TEMPLATES, at_hand
from tests.support.library import rendered
from tests.support.lints import hits, written

EXAMPLES = {name: dict(entry.example) for name, entry in TEMPLATES.items()}
VARIANTS: dict[str, tuple[Library, dict[str, Any]]] = {
    **{name.value: (name, values) for name, values in EXAMPLES.items()},
    "downsample a whole window": (Library.DOWNSAMPLE, {**EXAMPLES[Library.DOWNSAMPLE], "every": None}),
    "reaggregate a whole window": (Library.REAGGREGATE, {**EXAMPLES[Library.REAGGREGATE], "every": None}),
    "reaggregate in one bucket": (
        Library.REAGGREGATE,
        {**EXAMPLES[Library.REAGGREGATE], "toBucket": "rollup-5m", "toMeasurement": "env_1h"},
    ),
    "downsample in one bucket": (
        Library.DOWNSAMPLE,
        {**EXAMPLES[Library.DOWNSAMPLE], "toBucket": "clean", "toMeasurement": "env_5m"},
    ),
    "deduplicate by value": (
        Library.DEDUPLICATE,
        {**EXAMPLES[Library.DEDUPLICATE], "within": None, "dropUnchanged": True},
    ),
    "deduplicate by both": (Library.DEDUPLICATE, {**EXAMPLES[Library.DEDUPLICATE], "dropUnchanged": True}),
    "validate in one bucket": (
        Library.VALIDATE,
        {**EXAMPLES[Library.VALIDATE], "toBucket": "raw", "toMeasurement": "env_clean", "rejectedBucket": None},
    ),
    "enrich under another name": (Library.ENRICH, {**EXAMPLES[Library.ENRICH], "toMeasurement": "env_with_site"}),
    "alert in the bucket that it reads": (Library.ALERT, {**EXAMPLES[Library.ALERT], "toBucket": "clean"}),
}


def test_every_name_of_the_schema_has_a_template() -> None:
    """What the CRD lets through is there."""
    assert set(TEMPLATES) == set(Library)


@pytest.mark.parametrize("variant", VARIANTS)
def test_lints_are_silent(variant: str) -> None:
    """A script of the library parses, and none of influxops' own lints has anything against it."""
    name, values = VARIANTS[variant]
    assert hits(rendered(name, values)) == []


def test_rollups_of_rollups_are_clean_from_one_task_to_the_next() -> None:
    """reaggregate over what downsample wrote, and over what reaggregate wrote, is no mean of means."""
    upstream: list[Rollup] = []
    for name in (Library.DOWNSAMPLE, Library.REAGGREGATE):
        upstream += written(rendered(name, EXAMPLES[name]))
    assert {one.function for one in upstream} >= {"sum", "min", "max"}
    further = {**EXAMPLES[Library.REAGGREGATE], "bucket": "rollup-1h", "toBucket": "rollup-1d", "every": "1h"}
    for values in (EXAMPLES[Library.REAGGREGATE], further):
        assert hits(rendered(Library.REAGGREGATE, values), upstream=upstream) == []


HOSTILE = 'a"b${v}\\ |> drop()'


def test_values_cannot_become_program_text() -> None:
    """Names with quotes and interpolation stay names, in every template."""
    for name, values in EXAMPLES.items():
        script = rendered(name, {**values, "measurement": HOSTILE})
        assert "${" not in script
        assert hits(script) == []


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("downsample", {"bucket": None}, "values.bucket: Required value: bucket to read"),
        ("downsample", {"fields": []}, "values.fields: is empty: write at least one"),
        ("downsample", {"fields": "temp"}, "values.fields: must be of type array"),
        ("downsample", {"fields": [1]}, "values.fields[0]: must be of type string"),
        ("downsample", {"field": ["temp"]}, "values.field: template downsample has no such value; write fields."),
        ("downsample", {"every": "5 minutes"}, 'values.every: "5 minutes" is not a window length; write'),
        ("downsample", {"every": 5}, "values.every: must be of type string"),
        ("downsample", {"toBucket": "_tasks"}, 'values.toBucket: "_tasks" is a system bucket'),
        ("downsample", {"toBucket": "clean"}, "values.toBucket: it is the bucket that is read"),
        ("downsample", {"measurement": ""}, "values.measurement: Too short"),
        ("downsample", {"measurement": "a\nb"}, "values.measurement: the name has a line break"),
        ("validate", {"fields": {}}, "values.fields: is empty: write at least one"),
        ("validate", {"fields": {"t": {"min": 2, "max": 1}}}, "values.fields.t.min: min is greater than max"),
        ("validate", {"fields": {"t": {"min": "cold"}}}, "values.fields.t.min: must be a number"),
        ("validate", {"fields": {"t": {"min": 1e-9}}}, "values.fields.t.min: the number is too large or too small"),
        ("validate", {"fields": {"t": {"min": True}}}, "values.fields.t.min: must be a number"),
        ("validate", {"fields": {"t": {"mni": 1}}}, "values.fields.t.mni: there is no such value; remove it or correct"),
        ("validate", {"fields": {"t": {"type": "int"}}}, "values.fields.t.type: Unsupported value: write 'number', 'string' or"),
        ("validate", {"fields": {"t": {"type": "string", "max": 1}}}, "values.fields.t.type: min and max are for numbers"),
        ("validate", {"rejectedBucket": "clean"}, "values.rejectedBucket: it is one of the other buckets"),
        ("deduplicate", {"within": None}, "values.within: nothing says what a repeated point is; write within, such as 10s"),
        ("deduplicate", {"keep": "middle"}, "values.keep: Unsupported value: write 'first' or 'last'"),
        ("enrich", {"metadata": {"bucket": "b"}}, "values.metadata.measurement: Required value"),
        ("enrich", {"metadata": {"bucket": "b", "measurement": "m", "fields": ["a b"]}}, 'values.metadata.fields[0]: "a b" cannot be'),
        ("enrich", {"metadata": {"bucket": "b", "measurement": "m", "fields": ["in"]}}, 'values.metadata.fields[0]: "in" is a word of Flux'),
        ("alert", {"levels": [{"level": "crit"}]}, "values.levels[0].above: the level has no threshold"),
        ("alert", {"toBucket": "clean", "toMeasurement": "env"}, "values.toMeasurement: it is the measurement that is read"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_what_to_write(name: str, change: dict[str, Any], expected: str) -> None:
    """Path, fault, remedy."""
    with pytest.raises(SpecInvalid) as caught:
        rendered(Library(name), {**EXAMPLES[Library(name)], **change})
    assert f"spec.template.{expected}" in str(caught.value)


def test_each_source_of_a_template_gives_its_text_or_none() -> None:
    """The library and inline need nobody to be asked, a ConfigMap does."""
    library = Template.model_validate({"library": "downsample", "values": EXAMPLES[Library.DOWNSAMPLE]})
    text, values = at_hand(library) or ("", {})
    assert text == TEMPLATES[Library.DOWNSAMPLE].text
    assert values["toMeasurement"] is None
    assert at_hand(Template.model_validate({"inline": "x", "values": {"a": 1}})) == ("x", {"a": 1})
    assert at_hand(Template.model_validate({"configMapKeyRef": {"name": "a", "key": "b"}})) is None
