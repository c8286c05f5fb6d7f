"""kube.cache: what is known of an object, what an event changed, and who refers to whom."""

from __future__ import annotations

from typing import Any

from influxops.core.keys import Key, Kind
from influxops.kube.cache import TOMBSTONES, Cache, Change
from influxops.kube.references import connection_of
from tests.support.kubeobjects import record, task


def test_an_upsert_tells_what_changed() -> None:
    cache = Cache()
    assert cache.upsert(record(version=1)) == Change.CREATED
    assert cache.upsert(record(version=1)) == Change.NONE
    assert cache.upsert(record(version=2, status={"taskID": "1"})) == Change.STATUS
    assert cache.upsert(record(version=3, status={"taskID": "1"}, finalizers=["f"])) == Change.FINALIZERS
    annotated: dict[str, Any] = {
        "annotations": {"influxops.dev/x": "1"},
        "finalizers": ["f"],
        "status": {"taskID": "1"},
    }
    assert cache.upsert(record(version=4, **annotated)) == Change.ANNOTATIONS
    labelled = annotated | {"labels": {"influxops.dev/shard": "2"}}
    assert cache.upsert(record(version=5, **labelled)) == Change.LABELS
    spec = labelled | {"spec": {"connectionRef": {"name": "other"}}, "generation": 2}
    assert cache.upsert(record(version=6, **spec)) == Change.SPEC
    dying = spec | {"generation": 3, "deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert cache.upsert(record(version=7, **dying)) == Change.DELETING


def test_only_our_own_writes_are_echoes() -> None:
    assert Change.NONE.echo
    assert Change.STALE.echo
    assert (Change.STATUS | Change.FINALIZERS).echo
    for change in (Change.CREATED, Change.RECREATED, Change.SPEC, Change.ANNOTATIONS, Change.LABELS, Change.DELETING):
        assert not change.echo
        assert not (change | Change.STATUS).echo


def test_it_is_known_when_somebody_changed_an_object() -> None:
    """What the operator writes itself does not count, nor what was known already."""
    now = 1.0
    cache = Cache(lambda: now)
    key = record().key
    assert cache.changed(key) == float("-inf")
    cache.upsert(record(version=1))
    now = 2.0
    cache.upsert(record(version=2, status={"n": 1}, finalizers=["f"]))
    cache.upsert(record(version=2, status={"n": 1}, finalizers=["f"]))
    assert cache.changed(key) == 1.0
    cache.upsert(record(version=3, generation=2, spec={"connectionRef": {"name": "other"}}))
    assert cache.changed(key) == 2.0
    cache.remove(key, record().uid)
    assert cache.changed(key) == float("-inf")


def test_an_older_state_is_ignored() -> None:
    cache = Cache()
    cache.upsert(record(version=10, status={"n": 2}))
    assert cache.upsert(record(version=9, status={"n": 1})) == Change.STALE
    kept = cache.get(task())
    assert kept is not None
    assert kept.status() == {"n": 2}


def test_an_object_made_anew_replaces_the_old_one_and_late_news_of_the_old_one_are_ignored() -> None:
    cache = Cache()
    cache.upsert(record(uid="old", version=1))
    assert cache.upsert(record(uid="new", version=5, born=60)) == Change.RECREATED
    assert cache.upsert(record(uid="old", version=2)) == Change.STALE
    assert cache.remove(task(), "old") is None
    kept = cache.get(task())
    assert kept is not None
    assert kept.uid == "new"


def test_two_of_a_name_made_in_the_same_second_are_told_apart_by_their_versions() -> None:
    """Late news of the former one must neither replace the present one nor count it as gone."""
    cache = Cache()
    cache.upsert(record(uid="new", version=5))
    assert cache.upsert(record(uid="old", version=4)) == Change.STALE
    assert cache.upsert(record(uid="new", version=6, status={"n": 1})) == Change.STATUS


def test_what_is_certain_is_kept_however_old_it_looks() -> None:
    """Also an object that was gone, and one that another of its name had followed."""
    cache = Cache()
    cache.upsert(record(uid="old", version=3))
    cache.upsert(record(uid="new", version=9))
    assert not cache.takes(record(uid="old", version=4))
    assert cache.replace(record(uid="old", version=4)) == Change.RECREATED
    assert cache.upsert(record(uid="old", version=5, status={"n": 1})) == Change.STATUS
    cache.remove(task(), "old")
    assert cache.replace(record(uid="old", version=5)) == Change.CREATED
    assert cache.takes(record(uid="old", version=6))


def test_a_late_answer_does_not_bring_back_what_is_gone() -> None:
    cache = Cache()
    cache.upsert(record(version=1))
    assert cache.remove(task(), "u1") is not None
    assert cache.upsert(record(version=2)) == Change.STALE
    assert task() not in cache
    assert len(cache) == 0


def test_tombstones_are_bounded() -> None:
    cache = Cache()
    for n in range(TOMBSTONES + 10):
        cache.remove(task(), f"u{n}")
    assert cache.upsert(record(uid="u1")) == Change.CREATED


def test_reverse_indexes_follow_the_specs() -> None:
    cache = Cache()
    main = Key(Kind.CONNECTION, "team", "main")
    far = Key(Kind.CONNECTION, "infra", "main")
    cache.upsert(record(name="near", uid="1"))
    cache.upsert(
        record(
            name="far",
            uid="2",
            version=1,
            spec={
                "connectionRef": {"name": "main", "namespace": "infra"},
                "template": {"configMapKeyRef": {"name": "scripts", "key": "x"}},
            },
        )
    )
    cache.upsert(record(Kind.POLICY, "raw", uid="3", spec={"connectionRef": {"name": "main"}, "bucket": "raw"}))
    cache.upsert(
        record(
            Kind.CONNECTION,
            "main",
            uid="4",
            spec={
                "tokenSecretRef": {"name": "token", "key": "t"},
                "tls": {"caSecretRef": {"name": "ca", "key": "ca.crt"}, "clientCertSecretRef": {"name": "cert"}},
            },
        )
    )
    policy = Key(Kind.POLICY, "team", "raw")
    assert cache.tasks_by_connection(main) == {task("near")}
    assert cache.tasks_by_connection(far) == {task("far")}
    assert cache.policies_by_connection(main) == {policy}
    assert cache.policies_by_bucket("raw") == {policy}
    assert cache.by_configmap(("team", "scripts")) == {task("far")}
    for secret in ("token", "ca", "cert"):
        assert cache.by_secret(("team", secret)) == {main}
    assert cache.by_secret(("infra", "token")) == frozenset()

    cache.upsert(record(name="far", uid="2", version=2, generation=2))
    assert cache.tasks_by_connection(far) == frozenset()
    assert cache.by_configmap(("team", "scripts")) == frozenset()
    assert cache.tasks_by_connection(main) == {task("near"), task("far")}
    cache.remove(task("near"), "1")
    assert cache.tasks_by_connection(main) == {task("far")}


def test_a_spec_with_faults_refers_to_what_can_be_read() -> None:
    cache = Cache()
    cache.upsert(record(spec={"connectionRef": "main", "template": {"configMapKeyRef": {"name": "scripts"}}}))
    assert cache.by_configmap(("team", "scripts")) == {task()}
    assert connection_of(task(), {"connectionRef": {"name": ""}}) is None


def test_records_of_a_kind_may_be_walked_while_the_cache_changes() -> None:
    cache = Cache()
    for n in range(3):
        cache.upsert(record(name=f"t{n}", uid=str(n)))
    seen = []
    for kept in cache.records(Kind.TASK):
        seen.append(kept.key.name)
        cache.remove(task("t1"), "1")
    assert seen == ["t0", "t2"]
    assert cache.count(Kind.TASK) == 2
    assert cache.count(Kind.POLICY) == 0
