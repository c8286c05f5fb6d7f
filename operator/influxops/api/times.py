"""Times in manifests: what each may hold, and what a user reads when it does not."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from influxops.api.patterns import pattern_rule
from influxops.api.rules import Checked, Rule
from influxops.core.conditions import rfc3339

FIRST_YEAR, LAST_YEAR = 1678, 2261
"""The whole years of InfluxDB's times."""

_DATE = (
    "[12][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9]))"
)
_GRAMMAR = f"^{_DATE}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$"


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


_grammar = pattern_rule(
    _GRAMMAR, "{self} is not a time; write it in UTC, with whole seconds and Z, such as 2026-11-01T00:00:00Z"
)
_leap_day = Rule(
    f"!({_grammar.cel}) || !self.contains('-02-29T')"
    " || [int(self.substring(0, 4))].exists(y, y % 4 == 0 && (y % 100 != 0 || y % 400 == 0))",
    "{self} is a day that this year does not have; write 28 February, or 1 March",
    lambda text: not _grammar.check(text) or "-02-29T" not in text or _leap(int(text[:4])),
)
_in_reach = Rule(
    f"!({_grammar.cel}) || (self >= '{FIRST_YEAR}-' && self < '{LAST_YEAR + 1}-')",
    f"{{self}} is out of reach, for InfluxDB counts nanoseconds in 64 bits; write a year from {FIRST_YEAR} to {LAST_YEAR}",
    lambda text: not _grammar.check(text) or FIRST_YEAR <= int(text[:4]) <= LAST_YEAR,
)


class _Shown(Checked):
    """A checked text that is written back as the time that it was read as."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(max_length=self.max_length, strict=True)
        return core_schema.no_info_after_validator_function(
            self._judge, text, serialization=core_schema.plain_serializer_function_ser_schema(_written)
        )


def _written(moment: Any) -> str:
    return rfc3339(moment) if isinstance(moment, datetime) else str(moment)


SpecTime = Annotated[datetime, _Shown((_grammar, _leap_day, _in_reach), datetime.fromisoformat, max_length=32)]
"""A moment in UTC, whole seconds, as RFC 3339 with Z: texts in this form are in the order of the times."""
