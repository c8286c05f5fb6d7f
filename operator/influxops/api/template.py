"""The template of a Flux script: inline, in a ConfigMap, or one that comes with influxops."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from influxops.api.base import ApiModel
from influxops.api.common import ConfigMapKeyRef
from influxops.api.rules import Checked, Fault, Rule

MAX_SCRIPT = 262144
"""Longest script, in characters."""

_own_marker = Rule(
    "!self.contains('// influxops/v1 ')",
    "the script has the line // influxops/v1 that influxops puts before the scripts it manages; remove that line",
    lambda text: "// influxops/v1 " not in text,
)
_not_blank = Rule(
    "self.matches('[^ \\\\t\\\\r\\\\n]')",
    "the script is blank; write a Flux script",
    lambda text: text.strip(" \t\r\n") != "",
)
Script = Annotated[str, Checked((_not_blank, _own_marker), max_length=MAX_SCRIPT)]
"""A Flux script, or a template of one."""


class Library(StrEnum):
    """The templates that come with influxops."""

    VALIDATE = "validate"
    DEDUPLICATE = "deduplicate"
    DOWNSAMPLE = "downsample"
    REAGGREGATE = "reaggregate"
    ENRICH = "enrich"
    ALERT = "alert"


class Template(ApiModel):
    """A Jinja2 template that renders to a Flux script."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.inline) || has(self.configMapKeyRef) || has(self.library)",
            "write the template's text in inline, name a ConfigMap in configMapKeyRef, or one of influxops' own templates in "
            "library",
            lambda m: m.inline is not None or m.config_map_key_ref is not None or m.library is not None,
            path=".inline",
            fault=Fault.REQUIRED,
        ),
        Rule(
            "!(has(self.inline) && has(self.configMapKeyRef))",
            "inline and configMapKeyRef exclude each other; remove one of them",
            lambda m: m.inline is None or m.config_map_key_ref is None,
            path=".configMapKeyRef",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "!(has(self.library) && (has(self.inline) || has(self.configMapKeyRef)))",
            "library excludes inline and configMapKeyRef; keep one of the three",
            lambda m: m.library is None or (m.inline is None and m.config_map_key_ref is None),
            path=".library",
            fault=Fault.FORBIDDEN,
        ),
    )

    inline: Script | None = None
    """Text of the template. Exactly one of `inline`, `configMapKeyRef` and `library`."""
    config_map_key_ref: ConfigMapKeyRef | None = None
    """Key of a ConfigMap in the same namespace that holds the text of the template; a change is picked up."""
    library: Annotated[Library | None, Field(strict=False)] = None
    """One of the templates that come with influxops, with `values` as its page in docs/reference/templates.md tells:
    `validate`, `deduplicate`, `downsample`, `reaggregate`, `enrich` or `alert`."""
    values: Annotated[
        dict[str, Any], Field(max_length=64, json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})
    ] = Field(default_factory=dict)
    """Values for the template by name: strings, numbers, booleans, lists and objects. A name that the template uses and
    that is not here is an error. The filters `flux_string`, `flux_duration`, `flux_time`
    and `flux_ident` write a value as Flux."""
