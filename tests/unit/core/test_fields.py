"""Field differences: every field that differs, none that does not, in the order in which they are named."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.core.fields import field_changes
from influxops.core.plan import Change

SETTINGS = st.dictionaries(st.text(max_size=5), st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=6)


@given(SETTINGS)
def test_what_differs_is_told_and_nothing_else(pairs: dict[str, tuple[str, str]]) -> None:
    """Whatever the names and the values are, quotes, dots and brackets included."""
    old, new = ({name: pair[side] for name, pair in pairs.items()} for side in (0, 1))
    assert field_changes(old, new) == tuple(Change(name, *pair) for name, pair in pairs.items() if pair[0] != pair[1])


def test_settings_of_which_all_differ_are_told_one_by_one() -> None:
    """And not as one change of the whole."""
    found = field_changes({"a": "1", "b": "2", "c": "3"}, {"a": "x", "b": "y", "c": "z"})
    assert [change.field for change in found] == ["a", "b", "c"]


def test_equal_settings_load_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate is before the difference."""
    monkeypatch.setitem(sys.modules, "deepdiff", None)
    assert field_changes({"a": "1"}, {"a": "1"}) == ()
