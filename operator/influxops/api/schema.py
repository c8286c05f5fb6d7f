"""From a model to a structural schema, the subset of JSON schema that a CRD may hold.

pydantic's own output has references, unions with null, titles and null defaults, all of which the API server refuses.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

Schema = dict[str, Any]

_KEPT_FIRST = ("description", "type", "format", "enum", "default", "required", "properties", "items")
_PRUNED = frozenset({"title", "$defs"})


class _Generator(GenerateJsonSchema):
    """Writes defaults in their manifest form."""

    def encode_default(self, dft: Any) -> Any:
        """Parsed values as the text they came from, models as what they set."""
        if isinstance(dft, BaseModel):
            return dft.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return str(dft) if type(dft).__module__.startswith("influxops.core") else super().encode_default(dft)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Without default None: a field that may be left out simply is not required."""
        shape = super().default_schema(schema)
        if shape.get("default", ...) is None:
            del shape["default"]
        return shape


def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of a model, with every reference put in place."""
    raw = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    return _clean(raw, raw.get("$defs", {}))


def _clean(node: Schema, definitions: Schema) -> Schema:
    merged = _merge(node, definitions)
    out: Schema = {}
    for name in (*_KEPT_FIRST, *sorted(merged)):
        if name not in merged or name in out or name in _PRUNED:
            continue
        value = merged[name]
        match name:
            case "description":
                out[name] = " ".join(str(value).split())
            case "properties":
                out[name] = {key: _clean(child, definitions) for key, child in value.items()}
            case "items":
                out[name] = _clean(value, definitions)
            case "additionalProperties":
                if isinstance(value, dict):
                    out[name] = _clean(value, definitions)
            case "propertyNames":
                pass  # no structural schema can say it; the rules of the model do
            case "default" if value in ([], {}) and not _filled(merged):
                pass  # absent and empty mean the same
            case _:
                out[name] = value
    return out


def _filled(node: Schema) -> bool:
    """True for an object whose properties have defaults: an empty default lets the API server fill them in."""
    return any("default" in child for child in node.get("properties", {}).values())


def _merge(node: Schema, definitions: Schema) -> Schema:
    """Follow the reference and drop the null of a union; what stands beside them wins."""
    merged = dict(node)
    while True:
        if "$ref" in merged:
            target = definitions[str(merged.pop("$ref")).rsplit("/", 1)[-1]]
            merged = {**target, **merged}
        elif "anyOf" in merged:
            options = [option for option in merged.pop("anyOf") if option != {"type": "null"}]
            if len(options) != 1:
                raise ValueError(f"a structural schema has no union: {options}")
            merged = {**options[0], **merged}
        elif "const" in merged:
            merged["enum"] = [merged.pop("const")]
        else:
            return merged
