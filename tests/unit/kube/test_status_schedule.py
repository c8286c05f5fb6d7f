"""kube.status_schedule: urgent first, routine rarely, nothing above the rate, nothing lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from influxops.kube.status_schedule import Bucket, Schedule
from tests.support.kubeobjects import task

INTERVAL = 30.0


def names(schedule: Schedule, now: float) -> list[str]:
    found = []
    while (entry := schedule.pop(now)) is not None:
        found.append(entry.key.name)
    return found


def test_changes_of_outcome_go_before_routine_updates() -> None:
    schedule = Schedule(rate=10, interval=INTERVAL)
    schedule.offer(task("routine"), "u", {}, 0.0, urgent=False)
    schedule.offer(task("urgent"), "u", {}, 1.0, urgent=True)
    assert names(schedule, 2.0) == ["urgent", "routine"]


def test_the_longest_waiting_goes_first() -> None:
    schedule = Schedule(rate=10, interval=INTERVAL)
    for n, at in enumerate((3.0, 1.0, 2.0)):
        schedule.offer(task(f"t{n}"), "u", {}, at, urgent=False)
    schedule.offer(task("t0"), "u", {"new": 1}, 4.0, urgent=False)
    assert names(schedule, 5.0) == ["t1", "t2", "t0"]


def test_the_newest_content_is_written_once() -> None:
    schedule = Schedule(rate=10, interval=INTERVAL)
    schedule.offer(task(), "u", {"n": 1}, 0.0, urgent=False)
    schedule.offer(task(), "u", {"n": 2}, 0.5, urgent=False)
    entry = schedule.pop(1.0)
    assert entry is not None
    assert entry.status == {"n": 2}
    assert entry.since == 0.0
    assert schedule.pop(1.0) is None


def test_routine_updates_of_an_object_keep_their_distance_and_urgent_ones_need_not() -> None:
    schedule = Schedule(rate=10, interval=INTERVAL)
    schedule.written(task(), 0.0)
    schedule.offer(task(), "u", {}, 1.0, urgent=False)
    assert schedule.pop(INTERVAL - 0.1) is None
    assert schedule.next_at(1.0) == INTERVAL
    schedule.offer(task(), "u", {"failed": 1}, 2.0, urgent=True)
    entry = schedule.pop(2.0)
    assert entry is not None
    assert entry.urgent
    schedule.written(task(), 2.0)
    schedule.offer(task(), "u", {}, 3.0, urgent=False)
    assert names(schedule, 2.0 + INTERVAL) == ["a"]


def test_a_routine_update_does_not_make_an_urgent_one_wait() -> None:
    schedule = Schedule(rate=10, interval=INTERVAL)
    schedule.written(task(), 0.0)
    schedule.offer(task(), "u", {"n": 1}, 1.0, urgent=True)
    schedule.offer(task(), "u", {"n": 2}, 1.1, urgent=False)
    entry = schedule.pop(1.2)
    assert entry is not None
    assert entry.status == {"n": 2}


def test_the_rate_holds_over_all_objects() -> None:
    schedule = Schedule(rate=5, interval=INTERVAL)
    for n in range(100):
        schedule.offer(task(f"t{n}"), "u", {}, 0.0, urgent=n % 2 == 0)
    assert len(names(schedule, 0.0)) == 5  # what was saved up
    written, now = 5, 0.0
    while (due := schedule.next_at(now)) is not None:
        now = due
        written += len(names(schedule, now))
    assert written == 100
    assert 18.9 < now < 19.1


def test_a_failed_write_comes_again_later_each_time_unless_a_newer_one_waits() -> None:
    schedule = Schedule(rate=10, interval=INTERVAL)
    schedule.offer(task(), "u", {"n": 1}, 0.0, urgent=True)
    now = 0.0
    for pause in (1.0, 2.0, 4.0):
        entry = schedule.pop(now)
        assert entry is not None
        schedule.retry(entry, now)
        assert schedule.pop(now + pause - 0.01) is None
        now += pause
    entry = schedule.pop(now)
    assert entry is not None
    schedule.offer(task(), "u", {"n": 2}, now, urgent=False)
    schedule.retry(entry, now)
    newer = schedule.pop(now)
    assert newer is not None
    assert newer.status == {"n": 2}
    assert len(schedule) == 0


def test_the_server_may_ask_for_a_longer_pause() -> None:
    schedule = Schedule(rate=10, interval=INTERVAL)
    schedule.offer(task(), "u", {}, 0.0, urgent=True)
    entry = schedule.pop(0.0)
    assert entry is not None
    schedule.retry(entry, 0.0, retry_after=7.0)
    assert schedule.next_at(0.0) == 7.0


def test_what_is_forgotten_dropped_or_made_anew_is_not_written() -> None:
    schedule = Schedule(rate=10, interval=INTERVAL)
    for name in ("gone", "dropped", "anew"):
        schedule.offer(task(name), "old", {"n": 1}, 0.0, urgent=True)
    schedule.forget(task("gone"))
    schedule.drop(task("dropped"))
    schedule.offer(task("anew"), "new", {"n": 2}, 1.0, urgent=False)
    entry = schedule.pop(1.0)
    assert entry is not None
    assert (entry.uid, entry.urgent, entry.since) == ("new", False, 1.0)
    assert schedule.pop(1.0) is None
    assert schedule.oldest(9.0) == 0.0


def test_age_and_length_tell_the_backlog() -> None:
    schedule = Schedule(rate=10, interval=INTERVAL)
    schedule.offer(task("a"), "u", {}, 1.0, urgent=False)
    schedule.offer(task("b"), "u", {}, 3.0, urgent=False)
    assert len(schedule) == 2
    assert schedule.oldest(5.0) == 4.0
    schedule.clear()
    assert (len(schedule), schedule.next_at(5.0), schedule.pop(5.0)) == (0, None, None)


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.booleans(), st.floats(0, 20), st.booleans()),
        min_size=1,
        max_size=60,
    )
)
def test_the_last_offer_of_every_object_is_written_in_the_end(
    steps: list[tuple[int, bool, float, bool]],
) -> None:
    """Whatever the order of offers, writes and failures: the newest content of each object comes out, in bounded time."""
    schedule = Schedule(rate=2, interval=INTERVAL)
    now = 0.0
    wanted: dict[str, int] = {}
    done: dict[str, int] = {}
    for number, (n, urgent, pause, fails) in enumerate(steps):
        now += pause
        schedule.offer(task(f"t{n}"), "u", {"n": number}, now, urgent=urgent)
        wanted[f"t{n}"] = number
        entry = schedule.pop(now)
        if entry is not None and fails:
            schedule.retry(entry, now)
        elif entry is not None:
            schedule.written(entry.key, now)
            done[entry.key.name] = entry.status["n"]
    deadline = now + 200
    while (due := schedule.next_at(now)) is not None and now < deadline:
        now = max(now, due)
        entry = schedule.pop(now)
        if entry is None:
            now += 0.01
            continue
        schedule.written(entry.key, now)
        done[entry.key.name] = entry.status["n"]
    assert done == wanted
    assert len(schedule) == 0


def test_a_token_bucket_starts_full_and_refills_steadily() -> None:
    bucket = Bucket(rate=2, burst=3)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.ready_at(0.0) == 0.5
    assert bucket.take(0.5)
    assert not bucket.take(0.5)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
