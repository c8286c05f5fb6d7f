"""The operation walk knows every field: a new one without an example fails here."""

from __future__ import annotations

import pytest

from tests.support.fields.examples import EXAMPLES, example
from tests.support.fields.schema import fields, kinds
from tests.support.fields.specs import put


@pytest.mark.parametrize("kind", kinds())
def test_every_field_has_two_values(kind: str) -> None:
    """By its schema or by the table; and they differ."""
    missing = [path for path in fields(kind) if example(kind, path) is None]
    assert missing == [], f"write examples of these fields of {kind} into tests/support/fields/examples.py"
    for path in fields(kind):
        found = example(kind, path)
        assert found is not None
        assert found.first != found.second, path


@pytest.mark.parametrize("kind", kinds())
def test_the_table_has_no_field_that_is_gone(kind: str) -> None:
    """Also not among what stands beside a value."""
    named = set(EXAMPLES[kind]) | {path for one in EXAMPLES[kind].values() for path in one.beside}
    holders = {path.rpartition(".")[0] for path in fields(kind)}
    assert named - set(fields(kind)) - holders == set()


def test_a_field_is_put_by_its_path_and_taken_away_with_what_held_it() -> None:
    spec = {"stages": [{"name": "one"}]}
    put(spec, "stages.[].checks.[].min", 1)
    assert spec == {"stages": [{"name": "one", "checks": [{"min": 1}]}]}
    put(spec, "stages.[].checks.[].min", None)
    assert spec == {"stages": [{"name": "one"}]}
    put(spec, "a.b", None)
    assert spec == {"stages": [{"name": "one"}]}
