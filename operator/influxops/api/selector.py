"""Label selectors with the meaning that Kubernetes gives them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from influxops.api.base import ApiModel
from influxops.api.rules import Fault, Rule

ATOMIC = {"x-kubernetes-list-type": "atomic"}
LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[str, Field(max_length=63)]


class Operator(StrEnum):
    """How a label's value is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelRequirement(ApiModel):
    """One requirement on a label."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(self.operator in ['In', 'NotIn']) || (has(self.values) && self.values.size() > 0)",
            "the operators In and NotIn compare with values; write at least one",
            lambda m: m.operator not in {Operator.IN, Operator.NOT_IN} or bool(m.values),
            path=".values",
            fault=Fault.REQUIRED,
        ),
        Rule(
            "!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values) || self.values.size() == 0",
            "the operators Exists and DoesNotExist take no values; remove them",
            lambda m: m.operator not in {Operator.EXISTS, Operator.DOES_NOT_EXIST} or not m.values,
            path=".values",
            fault=Fault.FORBIDDEN,
        ),
    )

    key: LabelKey
    """Key of the label."""
    operator: Annotated[Operator, Field(strict=False)]
    """`In` and `NotIn` compare with `values`; `Exists` and `DoesNotExist` look for the key alone."""
    values: Annotated[list[LabelValue], Field(max_length=64, json_schema_extra=ATOMIC)] = Field(default_factory=list)
    """Values for `In` and `NotIn`."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels fits."""
        present = self.key in labels
        match self.operator:
            case Operator.IN:
                return present and labels[self.key] in self.values
            case Operator.NOT_IN:
                return not present or labels[self.key] not in self.values
            case Operator.EXISTS:
                return present
            case Operator.DOES_NOT_EXIST:
                return not present


class LabelSelector(ApiModel):
    """Objects by their labels; all requirements must hold, and an empty selector selects everything."""

    match_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=64)] = Field(default_factory=dict)
    """Labels that must have exactly these values."""
    match_expressions: Annotated[list[LabelRequirement], Field(max_length=64, json_schema_extra=ATOMIC)] = Field(
        default_factory=list
    )
    """Further requirements on labels."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        exact = all(labels.get(key) == value for key, value in self.match_labels.items())
        return exact and all(requirement.matches(labels) for requirement in self.match_expressions)
