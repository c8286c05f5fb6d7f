"""watch.source: what kopf is told, and what becomes of its events."""

from __future__ import annotations

from typing import Any

import kopf

from influxops.core.keys import Kind
from influxops.core.record import Record
from influxops.watch.inbox import Event
from influxops.watch.settings import quiet_settings
from influxops.watch.source import _handler, registry
from tests.support.kubeobjects import body, task


async def handled(kind: str | None, obj: dict[str, Any]) -> list[Event]:
    got: list[Event] = []
    result = await _handler(Kind.TASK, got.append)(event={"type": kind, "object": obj}, logger=None, memo=None)
    assert result is None  # kopf would write anything else to the status
    return got


async def test_listed_added_and_modified_objects_become_records() -> None:
    for kind in (None, "ADDED", "MODIFIED"):
        (event,) = await handled(kind, body())
        assert isinstance(event, Record)
        assert event.key == task()


async def test_a_deletion_becomes_key_and_uid() -> None:
    assert await handled("DELETED", body(uid="u9")) == [(task(), "u9")]


async def test_an_event_that_is_not_understood_ends_nothing() -> None:
    assert await handled("ADDED", {"metadata": {}}) == []
    assert await handled("ADDED", {}) == []


def test_the_registry_watches_our_kinds_and_does_nothing_else() -> None:
    handlers = registry(lambda _: None, lambda: None)  # type: ignore[arg-type, return-value]
    watching = handlers._watching.get_all_handlers()
    plurals = {handler.selector.plural for handler in watching if handler.selector}
    assert plurals == {kind.plural for kind in Kind}
    for other in (handlers._changing, handlers._spawning, handlers._indexing, handlers._webhooks):
        assert list(other.get_all_handlers()) == []


def test_kopf_is_told_to_write_nothing() -> None:
    settings = quiet_settings()
    assert settings.persistence.finalizer != "influxops.dev/cleanup"
    assert not settings.posting.enabled
    assert settings.peering.standalone
    assert settings.scanning.disabled
    storage = settings.persistence.diffbase_storage
    thing = kopf.Body({})
    assert storage.fetch(body=thing) == storage.build(body=thing)
