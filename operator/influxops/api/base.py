"""The base of every model: how manifests are read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator
from pydantic.alias_generators import to_camel

from influxops.api.rules import VALIDATIONS, Rule, refuse

GROUP = "influxops.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


def _alias(name: str) -> str:
    """camelCase, with ID in capitals as Kubernetes has it: ``task_id`` is ``taskID``."""
    camel = to_camel(name)
    return f"{camel[:-2]}ID" if name.endswith("_id") else camel


def _rules_into(schema: dict[str, Any], model: type[BaseModel]) -> None:
    rules: tuple[Rule, ...] = getattr(model, "rules", ())
    if rules:
        schema[VALIDATIONS] = [rule.schema() for rule in rules]


class ApiModel(BaseModel):
    """Part of a manifest. Frozen; camelCase outside; unknown fields are ignored, so that an older operator can read what
    a newer CRD has stored; nulls count as absent, as they do for the API server.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="ignore",
        alias_generator=_alias,
        populate_by_name=True,
        use_attribute_docstrings=True,
        json_schema_extra=_rules_into,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """Rules over several fields; those of one field stand at its type."""

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        if self.rules:
            refuse(self.rules, self, type(self).__name__)
        return self

    def to_json(self) -> dict[str, Any]:
        """The manifest form: camelCase, JSON values, nothing that is unset or None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[datetime, Field(strict=False), PlainSerializer(_rfc3339, return_type=str, when_used="json")]
"""A moment in UTC, written as RFC 3339 with whole seconds."""
