"""Since when something has been so of an object."""

from __future__ import annotations

from influxops.reconcile.since import Since
from tests.support.kubeobjects import record


def test_it_begins_once() -> None:
    since = Since()
    assert [since.of(record(uid="u1"), now) for now in (5.0, 6.0, 9.0)] == [5.0, 5.0, 5.0]


def test_another_object_of_the_name_begins_anew() -> None:
    """Its five minutes are not over because those of the one before were."""
    since = Since()
    since.of(record(uid="u1"), 5.0)
    assert [since.of(record(uid="u2"), now) for now in (400.0, 500.0)] == [400.0, 400.0]


def test_what_has_ended_begins_anew() -> None:
    since = Since()
    since.of(record(uid="u1"), 5.0)
    since.end(record().key)
    assert since.of(record(uid="u1"), 7.0) == 7.0
    since.clear()
    assert since.of(record(uid="u1"), 9.0) == 9.0
