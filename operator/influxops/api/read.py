"""Manifests to models, and the judgement of a change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError

from influxops.api.base import ApiModel
from influxops.api.common import Resource
from influxops.api.errors import FieldError, SpecInvalid, field_errors
from influxops.api.kinds import kind_of
from influxops.api.schema import structural

M = TypeVar("M", bound=ApiModel)


def read(model: type[M], data: Mapping[str, Any] | None, path: str = "") -> M:
    """Read a part of a manifest, such as its spec, with ``path`` before the paths of faults. Raises SpecInvalid."""
    try:
        return model.model_validate(dict(data) if data is not None else {})
    except ValidationError as error:
        raise SpecInvalid(field_errors(error, path)) from None


def read_object(manifest: Mapping[str, Any]) -> Resource:
    """Read a whole manifest by its kind. Raises SpecInvalid, and KeyError for a kind that is not ours."""
    return read(kind_of(str(manifest.get("kind"))).model, manifest)


def refused_changes(new: ApiModel, old: ApiModel, path: str = "spec") -> list[FieldError]:
    """What an update from ``old`` to ``new`` may not change."""
    return [
        FieldError(".".join((path, *rule.loc())), rule.message)
        for rule in type(new).rules
        if rule.transition and not rule.check(new, old)
    ]


def unknown_fields(manifest: Mapping[str, Any]) -> list[FieldError]:
    """Fields that the kind does not have, as ``kubectl`` finds them (the models ignore them). Raises KeyError for a kind
    that is not ours.
    """
    schema = _without_metadata(str(manifest.get("kind")))
    return list(_unknown({key: value for key, value in manifest.items() if key != "metadata"}, schema, ""))


@cache
def _without_metadata(kind: str) -> dict[str, Any]:
    schema = structural(kind_of(kind).model)
    schema["properties"].pop("metadata")
    return schema


def _unknown(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    if isinstance(value, list) and "items" in schema:
        for place, item in enumerate(value):
            yield from _unknown(item, schema["items"], f"{path}[{place}]")
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    properties = schema.get("properties", {})
    for name, item in value.items():
        below = f"{path}.{name}".removeprefix(".")
        if name in properties:
            yield from _unknown(item, properties[name], below)
        elif "additionalProperties" in schema:
            yield from _unknown(item, schema["additionalProperties"], below)
        else:
            yield FieldError(below, "unknown field")
