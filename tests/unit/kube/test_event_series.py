"""kube.event_series: repeats are counted, floods are held back, memory is bounded."""

from __future__ import annotations

from influxops.kube.event_series import PER_OBJECT_BURST, REMEMBERED, WINDOW, Aggregator, Happening
from tests.support.kubeobjects import task


def happening(message: str = "m", uid: str = "u") -> Happening:
    return Happening(task(), uid, "Warning", "RunFailing", message)


def test_a_repeat_within_the_window_belongs_to_the_same_series() -> None:
    events = Aggregator()
    first = events.occurred(happening(), "e1", 0.0)
    again = events.occurred(happening(), "e2", WINDOW)
    assert first is not None
    assert again is first
    assert (again.name, again.count) == ("e1", 2)


def test_a_repeat_after_the_window_begins_anew() -> None:
    events = Aggregator()
    events.occurred(happening(), "e1", 0.0)
    again = events.occurred(happening(), "e2", WINDOW + 1)
    assert again is not None
    assert (again.name, again.count) == ("e2", 1)


def test_another_message_reason_or_object_is_another_series() -> None:
    events = Aggregator()
    names = [happening("a"), happening("b"), happening("a", uid="other"), happening("a")._replace(reason="Late")]
    series = [events.occurred(what, f"e{n}", 0.0) for n, what in enumerate(names)]
    assert [one.name for one in series if one] == ["e0", "e1", "e2", "e3"]


def test_one_object_cannot_flood_and_what_was_held_back_is_counted() -> None:
    events = Aggregator()
    told = [events.occurred(happening(), "e", n * 0.1) for n in range(100)]
    assert sum(one is not None for one in told) == PER_OBJECT_BURST
    later = events.occurred(happening(), "e", 100.0)
    assert later is not None
    assert later.count == 101


def test_a_series_whose_event_is_gone_begins_anew() -> None:
    events = Aggregator()
    first = events.occurred(happening(), "e1", 0.0)
    assert first is not None
    events.lost(first)
    again = events.occurred(happening(), "e2", 1.0)
    assert again is not None
    assert again.name == "e2"


def test_memory_is_bounded() -> None:
    events = Aggregator()
    for n in range(REMEMBERED + 10):
        events.occurred(happening(uid=str(n)), "e", 0.0)
    assert len(events._series) == len(events._budgets) == REMEMBERED
