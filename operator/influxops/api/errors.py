"""What is wrong with a manifest, in the words and paths of the API server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from influxops.api.rules import RULE_ERROR

_TYPES = {
    "string_type": "string",
    "int_type": "integer",
    "int_from_float": "integer",
    "bool_type": "boolean",
    "list_type": "array",
    "dict_type": "object",
    "model_type": "object",
    "model_attributes_type": "object",
    "datetime_type": "date-time",
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault: where it is and what to write instead. The value is never quoted whole: it may be long or secret."""

    path: str
    """Such as ``spec.window.period`` or ``spec.allowedNamespaces.names[0]``."""
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class SpecInvalid(ValueError):
    """A manifest that breaks a rule. The API server refuses such a manifest, so it is older than the rule."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = errors


def field_errors(error: ValidationError, prefix: str = "") -> list[FieldError]:
    """What pydantic found, each with its path below ``prefix``, in the order of the fields."""
    return [FieldError(path_of(item["loc"], prefix), _message(item)) for item in error.errors(include_url=False)]


def path_of(loc: tuple[str | int, ...], prefix: str = "") -> str:
    """A location as a path of the API server."""
    path = prefix
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def _message(item: ErrorDetails) -> str:
    context: dict[str, Any] = item.get("ctx", {})
    match item["type"]:
        case type_ if type_ == RULE_ERROR:
            return str(context["text"])
        case "missing":
            return "Required value"
        case "enum":
            return f"Unsupported value: write one of {context['expected']}"
        case "string_too_long":
            return f"Too long: at most {context['max_length']} characters"
        case "string_too_short":
            return f"Too short: at least {context['min_length']} characters"
        case "too_long":
            return f"Too many: must have at most {context['max_length']} items"
        case "greater_than_equal":
            return f"should be greater than or equal to {context['ge']}"
        case "less_than_equal":
            return f"should be less than or equal to {context['le']}"
        case type_ if type_ in _TYPES:
            return f"must be of type {_TYPES[type_]}"
        case _:
            return item["msg"]
