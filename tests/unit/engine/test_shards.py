"""Who works what: every object with its connection, what has none with the default shard, and nothing before it is confirmed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.core.keys import Key, Kind
from influxops.core.record import Record, pack
from influxops.core.shard import DEFAULT, SHARD, wanted_shard
from influxops.engine.shards import Shards
from influxops.kube.cache import Cache

REF = {"connectionRef": {"name": "main"}}
TASK, PIPELINE = Key(Kind.TASK, "ns", "t"), Key(Kind.PIPELINE, "ns", "p")
OBJECTS: dict[Key, dict[str, object]] = {
    TASK: REF,
    Key(Kind.POLICY, "ns", "r"): {**REF, "bucket": "b"},
    PIPELINE: {**REF, "stages": [{"name": "s", "taskRef": {"name": "elsewhere"}}]},
    Key(Kind.BACKFILL, "ns", "of-p"): {"pipelineRef": {"name": "p"}},
    Key(Kind.BACKFILL, "ns", "of-t"): {"taskRef": {"name": "t"}},
    Key(Kind.BACKFILL, "ns", "of-both"): {"taskRef": {"name": "elsewhere"}, "pipelineRef": {"name": "p"}},
}
MAIN = Key(Kind.CONNECTION, "ns", "main")


def record(key: Key, spec: dict[str, object], label: str = "", holder: str = "", uid: str = "u1") -> Record:
    labels = {SHARD: label} if label else {}
    status = pack({"shard": holder}) if holder else b""
    return Record(key, uid, 1, "1", datetime(2026, 1, 1, tzinfo=UTC), None, (), {}, labels, pack(spec), status)


def cache_of(*connections: Record) -> Cache:
    cache = Cache()
    for key, spec in OBJECTS.items():
        cache.upsert(record(key, spec))
    for one in connections:
        cache.upsert(one)
    return cache


@pytest.mark.parametrize("key", OBJECTS, ids=str)
def test_an_object_goes_with_its_connection(key: Key) -> None:
    """By whatever it names it; and only once it is confirmed that this shard holds it."""
    cache = cache_of(record(MAIN, {}, "a"))
    shards = Shards("a", cache)
    assert shards.connection_of(key) == MAIN
    assert not shards.works(key)
    shards.hold(MAIN, "u1")
    assert shards.works(key)
    assert not Shards(DEFAULT, cache).works(key)
    assert key in shards.objects_of(MAIN)


def test_nothing_new_begins_for_a_connection_that_leaves_and_its_status_is_still_told() -> None:
    """What was done for it until then has to be written down."""
    shards = Shards("a", cache_of(record(MAIN, {}, "a")))
    shards.hold(MAIN, "u1")
    assert shards.leave(MAIN)
    assert not shards.leave(MAIN)
    assert (shards.works(TASK), shards.holds(TASK)) == (False, True)
    assert shards.stay(MAIN)
    assert shards.works(TASK)
    shards.drop(MAIN)
    assert (shards.works(TASK), shards.holds(TASK)) == (False, False)


def test_a_new_lease_and_a_new_connection_of_the_name_are_confirmed_anew() -> None:
    cache = cache_of(record(MAIN, {}, "a"))
    shards = Shards("a", cache)
    shards.hold(MAIN, "u1")
    shards.begin()
    assert not shards.works(TASK)
    shards.hold(MAIN, "u1")
    cache.upsert(replace(record(MAIN, {}, "a", uid="u2"), created=datetime(2026, 1, 2, tzinfo=UTC)))
    assert not shards.works(TASK)


def test_what_has_no_connection_is_the_default_shards() -> None:
    """Of several shards exactly one tells of it; and what is missing is named, for the API to be asked."""
    cache = cache_of()
    assert Shards(DEFAULT, cache).works(TASK)
    assert not Shards("a", cache).works(TASK)
    assert Shards("a", cache).missing(TASK) == MAIN
    orphan = Key(Kind.BACKFILL, "ns", "orphan")
    cache.upsert(record(orphan, {"pipelineRef": {"name": "none"}}))
    assert Shards(DEFAULT, cache).missing(orphan) == Key(Kind.PIPELINE, "ns", "none")
    assert Shards(DEFAULT, cache).works(orphan)
    cache.upsert(record(MAIN, {}, "a"))
    assert Shards(DEFAULT, cache).missing(TASK) is None
    assert not Shards(DEFAULT, cache).works(TASK)


@given(st.dictionaries(st.sampled_from("xyz"), st.sampled_from(["", "a", "b", "default", "No_Name"])))
def test_every_object_has_exactly_one_shard(labels: dict[str, str]) -> None:
    """Whatever connections there are and whatever their labels say."""
    cache = Cache()
    for name, label in labels.items():
        cache.upsert(record(Key(Kind.CONNECTION, "ns", name), {}, label))
    keys = []
    for name in "xyz":
        keys.append(Key(Kind.TASK, "ns", name))
        cache.upsert(record(keys[-1], {"connectionRef": {"name": name}}))
    everyone = [Shards(name, cache) for name in (DEFAULT, "a", "b")]
    for shards in everyone:
        for one in cache.records(Kind.CONNECTION):
            if wanted_shard(one.labels) == shards.name:
                shards.hold(one.key, one.uid)
    for key in keys:
        assert [shards.works(key) for shards in everyone].count(True) == 1
    assert sum(everyone[0].counts().values()) == len(labels)


def test_a_status_that_names_another_holder_is_news() -> None:
    """It is the only change by an operator's own hand that brings a visit."""
    shards = Shards("a", cache_of())
    assert not shards.news(record(MAIN, {}, "a", "b"))
    assert shards.news(record(MAIN, {}, "a", "a"))
    shards.hold(MAIN, "u1")
    assert not shards.news(record(MAIN, {}, "a", "a"))
    assert shards.news(record(MAIN, {}, "a", "b"))
    assert shards.news(record(MAIN, {}, "b", "a"))


def test_visits_under_way_are_counted_by_connection() -> None:
    shards = Shards("a", cache_of(record(MAIN, {}, "a")))
    with shards.visiting(TASK), shards.visiting(PIPELINE):
        assert shards.visited(MAIN)
    assert not shards.visited(MAIN)
    with shards.visiting(MAIN):
        assert not shards.visited(MAIN)
