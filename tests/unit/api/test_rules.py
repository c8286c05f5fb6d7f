"""A rule says the same in CEL and in Python."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, ValidationError

from influxops.api.patterns import cel_seconds, cel_text, length_rule, pattern_rule
from influxops.api.rules import VALIDATIONS, Checked, Fault, Rule, distinct

SHORT = Rule("self.size() < 4", "{self} is long; it's \\ better short", lambda text: len(text) < 4)


def test_a_message_with_the_value_becomes_an_expression() -> None:
    """Quotes and backslashes are escaped for CEL; the plain message stands by for values with line breaks."""
    entry = SHORT.schema()
    assert entry["messageExpression"] == "'\"' + self + '\" is long; it\\'s \\\\ better short'"
    assert entry["message"] == "the value is long; it's \\ better short"
    assert SHORT.text("abcd") == '"abcd" is long; it\'s \\ better short'
    assert SHORT.text("a\nbcd") == entry["message"]


def test_path_and_reason_are_written_only_where_they_say_something() -> None:
    """The API server's defaults stay out of the CRD."""
    assert set(SHORT.schema()) == {"rule", "message", "messageExpression"}
    rule = Rule("has(self.a)", "write a", lambda _: True, path=".a.b", fault=Fault.REQUIRED)
    assert rule.schema() == {
        "rule": "has(self.a)",
        "message": "write a",
        "reason": "FieldValueRequired",
        "fieldPath": ".a.b",
    }
    assert rule.loc() == ("a", "b")


def test_a_checked_field_carries_its_rules_into_the_schema_and_the_model() -> None:
    """One declaration, two uses."""

    class Model(BaseModel):
        field: Annotated[int, Checked((SHORT,), int, max_length=9)]

    shape = Model.model_json_schema()["properties"]["field"]
    assert shape["type"] == "string"
    assert shape["maxLength"] == 9
    assert shape[VALIDATIONS] == [SHORT.schema()]
    assert Model.model_validate({"field": "12"}).field == 12
    assert Model(field="12").model_dump(mode="json") == {"field": "12"}  # type: ignore[arg-type]
    for wrong in ("12345", "1234567890", 12):
        with pytest.raises(ValidationError):
            Model.model_validate({"field": wrong})


@pytest.mark.parametrize("text", ["a", "a\n", "\na", "", "b", "ä"])
def test_a_final_dollar_is_the_very_end(text: str) -> None:
    """RE2 has no line break before the end; Python has, so the pattern is read with its own anchor."""
    assert pattern_rule("^a$", "").check(text) is (text == "a")
    assert pattern_rule("^a$", "", negate=True).check(text) is (text != "a")


def test_patterns_are_written_as_literals_of_cel() -> None:
    """Backslashes and quotes survive."""
    assert cel_text("\\x00'") == "'\\\\x00\\''"
    assert pattern_rule("a", "", negate=True).cel == "!self.matches('a')"


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("59m59s", False),
        ("1h", True),
        ("60m", True),
        ("1d", True),
        ("1d1s", False),
        ("1mo", True),
        ("", True),
        ("x", True),
    ],
)
def test_a_length_is_judged_in_any_unit(text: str, holds: bool) -> None:
    """What is no fixed length is left to the rule that says so."""
    assert length_rule(3600, 86400, "").check(text) is holds


def test_seconds_in_cel_name_every_unit_once() -> None:
    """A sum over the units, from weeks to seconds."""
    assert cel_seconds("self.a").count("self.a.find(") == 5


def test_distinct_blames_each_repeated_value_once() -> None:
    """Where it is repeated first, as the API server does (tests/crd/test_agreement.py)."""
    assert distinct(["a", "b"]) == ["a", "b"]
    with pytest.raises(ValidationError) as caught:
        distinct(["a", "b", "a", "a"])
    assert [error["loc"] for error in caught.value.errors()] == [(2,)]
