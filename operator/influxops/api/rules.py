"""One declaration of a rule, two enforcers: the API server by CEL, the models by Python.

A :class:`Rule` holds the CEL expression, the message and the Python check side by side, so that the two verdicts and the
two messages cannot drift apart unseen; tests/crd judges every case with both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, ValidationError, core_schema

VALIDATIONS = "x-kubernetes-validations"
RULE_ERROR = "rule"
"""The error type under which pydantic reports a broken rule; its context tells the Kubernetes reason."""

_SELF = "{self}"


class Fault(StrEnum):
    """How the API server words a broken rule; its own names for ``reason``."""

    INVALID = "FieldValueInvalid"
    FORBIDDEN = "FieldValueForbidden"
    REQUIRED = "FieldValueRequired"


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that a value must hold.

    ``message`` may contain ``{self}``, the value in quotes, for short strings only. ``path`` names the field to blame, relative to
    the value, such as ``.cron``. A ``transition`` rule compares with the old value on updates: its check takes (new, old).
    """

    cel: str
    message: str
    check: Callable[..., bool]
    path: str = ""
    fault: Fault = Fault.INVALID
    transition: bool = False

    def schema(self) -> dict[str, Any]:
        """The rule as an entry of ``x-kubernetes-validations``."""
        entry: dict[str, Any] = {"rule": self.cel}
        if _SELF in self.message:
            entry["messageExpression"] = _cel_message(self.message)
        entry["message"] = self.message.replace(_SELF, "the value")
        if self.fault is not Fault.INVALID:
            entry["reason"] = self.fault.value
        if self.path:
            entry["fieldPath"] = self.path
        return entry

    def text(self, value: object) -> str:
        """The message for a value. The API server takes no message with line breaks, so such a value is not quoted."""
        text = str(value)
        return self.message.replace(_SELF, "the value" if "\n" in text else f'"{text}"')

    def loc(self) -> tuple[str, ...]:
        """Where the fault lies, relative to the value."""
        return tuple(part for part in self.path.split(".") if part)


def _cel_message(message: str) -> str:
    escaped = message.replace("\\", "\\\\").replace("'", "\\'")
    parts = escaped.replace(_SELF, f'"{_SELF}"').split(_SELF)
    return " + self + ".join(f"'{part}'" for part in parts)


def broken(rules: Iterable[Rule], value: object, shown: object) -> list[InitErrorDetails]:
    """What is wrong with a value, as errors for pydantic; transition rules are left to updates."""
    return [
        InitErrorDetails(
            type=PydanticCustomError(RULE_ERROR, "{text}", {"text": rule.text(shown), "fault": rule.fault.value}),
            loc=rule.loc(),
            input=shown,
        )
        for rule in rules
        if not rule.transition and not rule.check(value)
    ]


def refuse(rules: Iterable[Rule], value: object, shown: object) -> None:
    """Raise pydantic's ValidationError when a rule is broken."""
    errors = broken(rules, value, shown)
    if errors:
        raise ValidationError.from_exception_data("rules", errors)


@dataclass(frozen=True, slots=True)
class Checked:
    """Annotation: a string field that must keep these rules; ``parse`` turns the accepted text into a value.

    The JSON schema stays a string, with the rules beside it.
    """

    rules: tuple[Rule, ...]
    parse: Callable[[str], Any] | None = None
    min_length: int = 0
    max_length: int = 256

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Length first, then the rules, then the parsed value; it is written back as text."""
        text = core_schema.str_schema(min_length=self.min_length, max_length=self.max_length, strict=True)
        return core_schema.no_info_after_validator_function(
            self._judge, text, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A string with its length and rules."""
        shape: dict[str, Any] = {"type": "string", "maxLength": self.max_length}
        if self.min_length:
            shape["minLength"] = self.min_length
        if self.rules:
            shape[VALIDATIONS] = [rule.schema() for rule in self.rules]
        return shape

    def _judge(self, text: str) -> Any:
        refuse(self.rules, text, text)
        return self.parse(text) if self.parse else text


def distinct(values: list[str], word: str = '"{}"') -> list[str]:
    """Each value once, as the API server demands of ``x-kubernetes-list-type: set``; it tells each repeated value once. ``word``: how a value is shown."""
    errors = [
        InitErrorDetails(
            type=PydanticCustomError(RULE_ERROR, "{text}", {"text": f"Duplicate value: {word.format(value)}"}),
            loc=(place,),
            input=value,
        )
        for place, value in enumerate(values)
        if values[:place].count(value) == 1
    ]
    if errors:
        raise ValidationError.from_exception_data("set", errors)
    return values
