"""Which slots are run again: the decision, tried by hand and against a made-up InfluxDB with every policy."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.core.observed import Run, RunState
from influxops.core.reruns import FORGETS, GRACE, LONGEST, CatchUpPolicy, Cause, Decision, Pauses, Policy, decide
from influxops.core.schedule import Schedule, of_texts
from influxops.core.slot_book import CONFIRM, DOUBT, MOST, RECHECK, SlotBook

T0 = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ("t", "1h")
HOURLY = of_texts("1h", "", "")
assert HOURLY is not None
OK, BAD, STARTED = RunState.SUCCESS, RunState.FAILED, RunState.STARTED
STEADY = Pauses(initial=10.0, factor=2.0, longest=600.0, jitter=0.0)
RETRY = Policy(retries=2, pauses=STEADY)
ALL = Policy(catch_up=CatchUpPolicy.ALL, max_windows=168)


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def run(hour: int, state: RunState, number: int = 0, *, end: datetime | None = None, forced: bool = False) -> Run:
    slot = at(hour)
    end = end or slot + timedelta(seconds=1)
    return Run(f"{hour}-{number}", "t", state, slot, end, end, requested_at=end if forced else None)


def last(schedule: Schedule, now: datetime) -> datetime | None:
    """The slot whose start came last."""
    return schedule.slot_at_or_before(now - timedelta(seconds=schedule.offset))


def book(hours: float, *runs: Run, schedule: Schedule = HOURLY) -> SlotBook:
    """A book that begins at T0, at so many hours."""
    made = SlotBook(KEY, T0, loaded=True)
    made.walk(schedule, last(schedule, at(hours)))
    made.take(schedule, runs)
    return made


def look(made: SlotBook, decision: Decision, now: datetime, *runs: Run) -> None:
    """Do the looks that a decision wants."""
    for slot in decision.look:
        made.open[slot].looked([one for one in runs if one.scheduled_for == slot], now)


def test_without_anything_set_every_slot_with_a_run_is_settled() -> None:
    decision = decide(HOURLY, Policy(), book(3, run(1, OK), run(2, BAD), run(3, OK)), at(3))
    assert decision.settled == (at(1), at(2), at(3))
    assert not decision.run


def test_a_failed_slot_waits_out_its_pause_and_a_look() -> None:
    """10 s from the end of the failed run; then its runs are looked for; then it is run."""
    made = book(1, run(1, BAD))
    end = at(1) + timedelta(seconds=1)
    early = decide(HOURLY, RETRY, made, end + timedelta(seconds=9))
    assert (early.run, early.look, early.next_look) == ((), (), end + timedelta(seconds=10))
    now = end + timedelta(seconds=10)
    due = decide(HOURLY, RETRY, made, now)
    assert (due.run, due.look) == ((), (at(1),))
    look(made, due, now, run(1, BAD))
    (rerun,) = decide(HOURLY, RETRY, made, now).run
    assert (rerun.slot, rerun.cause, rerun.failures) == (at(1), Cause.RETRY, 1)
    assert not made.open[at(1)].confirmed(now)
    assert made.open[at(1)].confirmed(now + CONFIRM)


def test_failed_runs_are_counted_by_whom_ever_they_were_asked_for() -> None:
    """Two retries are two runs more; the third failure settles the slot."""
    made = book(1, run(1, BAD), run(1, BAD, 1, forced=True))
    assert not decide(HOURLY, RETRY, made, at(1)).settled
    made.take(HOURLY, [run(1, BAD, 2, forced=True)])
    assert decide(HOURLY, RETRY, made, at(1)).settled == (at(1),)


@pytest.mark.parametrize("state", [OK, RunState.CANCELED])
def test_one_run_that_succeeded_or_was_cancelled_settles_a_slot(state: RunState) -> None:
    made = book(1, run(1, BAD), run(1, state, 1), run(1, BAD, 2))
    assert decide(HOURLY, RETRY, made, at(1) + timedelta(minutes=10)).settled == (at(1),)


def test_the_pauses_grow_to_the_longest() -> None:
    assert [STEADY.after(n, "x") for n in range(1, 9)] == [10, 20, 40, 80, 160, 320, 600, 600]
    assert STEADY.after(10_000, "x") == 600


@given(st.integers(1, 10), st.text(max_size=5), st.floats(0, 1))
def test_jitter_is_a_part_of_the_pause_and_the_same_after_a_restart(failures: int, seed: str, jitter: float) -> None:
    pauses = replace(STEADY, jitter=jitter)
    plain = STEADY.after(failures, seed)
    assert plain * (1 - jitter) - 0.001 <= pauses.after(failures, seed) <= min(600, plain * (1 + jitter) + 0.001)
    assert pauses.after(failures, seed) == pauses.after(failures, seed)


def test_a_slot_is_missed_once_its_grace_is_over() -> None:
    """Not before: InfluxDB may be about to run it."""
    made = book(1)
    early = decide(HOURLY, ALL, made, at(1) + GRACE - timedelta(seconds=1))
    assert (early.look, early.next_look) == ((), at(1) + GRACE)
    assert decide(HOURLY, ALL, made, at(1) + GRACE).look == (at(1),)


def test_a_newer_slot_of_the_schedule_proves_it_sooner() -> None:
    """One that somebody asked for proves nothing."""
    short = of_texts("10s", "", "")
    assert short is not None
    now = T0 + timedelta(seconds=26)
    made = SlotBook(KEY, T0)
    made.walk(short, last(short, now))
    newer = replace(run(0, OK), scheduled_for=T0 + timedelta(seconds=20))
    made.take(short, [replace(newer, id="forced", requested_at=now)])
    assert not decide(short, ALL, made, now).look
    made.take(short, [newer])
    assert decide(short, ALL, made, now).look == (T0 + timedelta(seconds=10),)


def test_the_offset_delays_the_start() -> None:
    late = of_texts("1h", "", "10m")
    assert late is not None
    assert at(2) not in book(2, schedule=late).open
    assert at(2) in book(2.2, schedule=late).open


def missing(count: int, policy: Policy) -> Decision:
    """The decision when so many slots are known to have no run, and the newest slot has one."""
    made = book(count + 1, run(count + 1, OK))
    now = at(count + 1.5)
    look(made, decide(HOURLY, policy, made, now), now)
    return decide(HOURLY, policy, made, now)


def test_all_are_run_oldest_first() -> None:
    decision = missing(5, ALL)
    assert [one.slot for one in decision.run] == [at(hour) for hour in range(1, 6)]
    assert {one.cause for one in decision.run} == {Cause.CATCH_UP}
    assert decision.missed == ()


def test_of_too_many_the_newest_are_run() -> None:
    decision = missing(5, replace(ALL, max_windows=2))
    assert [one.slot for one in decision.run] == [at(4), at(5)]
    assert decision.missed == (at(1), at(2), at(3))


def test_latest_runs_one() -> None:
    decision = missing(5, replace(ALL, catch_up=CatchUpPolicy.LATEST))
    assert [one.slot for one in decision.run] == [at(5)]
    assert decision.missed == (at(1), at(2), at(3), at(4))


def test_none_only_counts() -> None:
    decision = missing(5, replace(ALL, catch_up=CatchUpPolicy.NONE))
    assert not decision.run
    assert len(decision.missed) == 5


def test_nothing_is_given_up_while_a_newer_slot_may_be_missed_too() -> None:
    """Otherwise Latest would run two of one outage: the slot of 03:00 has begun a moment ago."""
    made = book(3)
    now = at(3) + timedelta(seconds=10)
    policy = replace(ALL, catch_up=CatchUpPolicy.LATEST)
    look(made, decide(HOURLY, policy, made, now), now)
    decision = decide(HOURLY, policy, made, now)
    assert (decision.run, decision.missed, decision.next_look) == ((), (), at(3) + GRACE)
    now = at(3) + GRACE
    look(made, decide(HOURLY, policy, made, now), now)
    decision = decide(HOURLY, policy, made, now)
    assert [one.slot for one in decision.run] == [at(3)]
    assert decision.missed == (at(1), at(2))


def test_a_slot_that_is_under_way_is_not_missed() -> None:
    """It is looked at again after a while."""
    made = book(1)
    now = at(1) + GRACE
    look(made, decide(HOURLY, ALL, made, now), now, run(1, STARTED))
    assert decide(HOURLY, ALL, made, now).run == ()
    assert decide(HOURLY, ALL, made, now + RECHECK).look == (at(1),)


def test_a_request_whose_fate_is_unknown_is_looked_for_before_the_next() -> None:
    """Two looks after the doubt; a run found then settles it."""
    made = book(1)
    now = at(1) + GRACE
    facts = made.open[at(1)]
    facts.asked(now)
    facts.looked([], now + timedelta(seconds=1))
    assert facts.busy_until == now + DOUBT
    facts.looked([], now + DOUBT)
    assert not facts.confirmed(now + DOUBT)
    facts.looked([run(1, RunState.SCHEDULED)], now + DOUBT + CONFIRM)
    assert not facts.confirmed(now + timedelta(hours=1))


def test_what_influxdb_has_forgotten_is_left_alone() -> None:
    """Nobody can tell whether it ran."""
    made = SlotBook(KEY, T0 - timedelta(days=5))
    made.walk(HOURLY, T0)
    decision = decide(HOURLY, ALL, made, T0)
    assert decision.settled
    assert max(decision.settled) < T0 - FORGETS
    assert min(decision.look) >= T0 - FORGETS
    assert decision.missed == ()


def test_without_catch_up_a_slot_is_waited_for() -> None:
    """A long run may still fail."""
    made = book(1)
    assert not decide(HOURLY, RETRY, made, at(1) + LONGEST).settled
    assert decide(HOURLY, RETRY, made, at(1) + LONGEST + timedelta(seconds=1)).settled == (at(1),)


def test_the_book_says_up_to_where_all_is_settled() -> None:
    """What stands in status: a restart looks no further back."""
    made = book(3, run(1, OK), run(2, BAD), run(3, OK))
    made.settle(decide(HOURLY, RETRY, made, at(3)).settled)
    assert made.settled_until() == at(2) - timedelta(seconds=1)
    again = SlotBook(KEY, made.settled_until())
    again.walk(HOURLY, at(3))
    assert sorted(again.open) == [at(2), at(3)]
    made.settle(list(made.open))
    assert made.settled_until() == at(3)


def test_times_that_are_no_slots_and_slots_before_the_beginning_do_not_count() -> None:
    beside = replace(run(1, BAD, 7), scheduled_for=at(1.5))
    made = SlotBook(KEY, at(1))
    made.take(HOURLY, [beside, run(1, BAD), run(0, BAD), run(2, BAD)])
    assert sorted(made.open) == [at(2)]


def test_a_book_stays_small() -> None:
    """The newest are kept."""
    second = of_texts("1s", "", "")
    assert second is not None
    made = SlotBook(KEY, T0)
    made.walk(second, at(10))
    assert len(made.open) == MOST
    made.walk(second, at(10) + timedelta(seconds=5))
    assert len(made.open) == MOST
    assert max(made.open) == at(10) + timedelta(seconds=5)


POLICIES = st.builds(
    Policy,
    retries=st.integers(0, 3),
    pauses=st.just(STEADY),
    catch_up=st.sampled_from([None, *CatchUpPolicy]),
    max_windows=st.integers(1, 6),
)


@given(
    POLICIES,
    st.lists(st.sampled_from("sfm"), min_size=1, max_size=12),
    st.lists(st.booleans(), max_size=40),
    st.sets(st.integers(0, 60)),
)
def test_whatever_happens(policy: Policy, natives: list[str], luck: list[bool], restarts: set[int]) -> None:
    """A made-up InfluxDB runs slots by its schedule (success, failure, missed), and what is asked for with the luck given.

    Never is a slot run again that succeeded or is under way, or more often than the retries allow; missed slots are run
    oldest first; after enough rounds nothing is left; and restarts, which know ``settled_until`` and what was given up, change none of it.
    """
    native = {
        hour: [run(hour, OK if kind == "s" else BAD)] for hour, kind in enumerate(natives, 1) if kind in {"s", "f"}
    }
    final = len(natives) + 1
    native[final] = [run(final, OK)]
    runs: list[Run] = [one for ones in native.values() for one in ones]
    under_way: list[tuple[datetime, Run]] = []
    chances = iter(luck)
    made = book(final, *runs)
    now = at(final) + timedelta(minutes=5)
    asked: list[datetime] = []
    for step in range(400):
        if step in restarts:
            made = SlotBook(KEY, made.settled_until(), made.missed, made.given_up, loaded=True)
            made.walk(HOURLY, HOURLY.slot_at_or_before(now))
            made.take(HOURLY, runs)
        over = [one for end, one in under_way if end <= now]
        under_way = [(end, one) for end, one in under_way if end > now]
        runs += over
        made.take(HOURLY, over)
        made.walk(HOURLY, HOURLY.slot_at_or_before(now))
        decision = decide(HOURLY, policy, made, now)
        made.settle(decision.settled)
        made.settle(decision.missed, missed=True)
        shown = [*runs, *(replace(one, state=STARTED) for _, one in under_way)]
        for slot in decision.look:
            made.open[slot].looked([one for one in shown if one.scheduled_for == slot], now)
        ready = [one for one in decision.run if made.open[one.slot].confirmed(now)][:2]
        assert [one.slot for one in ready] == sorted(one.slot for one in ready)
        for one in ready:
            known = [other for other in shown if other.scheduled_for == one.slot]
            assert all(other.state is BAD for other in known), "it succeeded or is under way"
            assert len(known) <= policy.retries, "more often than the retries allow"
            asked.append(one.slot)
            made.open[one.slot].asked(now)
            state = OK if next(chances, True) else BAD
            end = now + timedelta(seconds=3)
            number = len(asked)
            under_way.append((end, Run(f"a{number}", "t", state, one.slot, now, end, requested_at=now)))
        if not under_way and decision.next_look is None and step > max(restarts, default=0):
            break
        step_to = decision.next_look or now
        now = max(now + timedelta(seconds=1), min(step_to, now + timedelta(minutes=10)))
        if now >= at(final + 1):
            now = at(final + 1) - timedelta(seconds=1)
    missed = [at(hour) for hour, kind in enumerate(natives, 1) if kind == "m"]
    caught = [slot for slot in dict.fromkeys(asked) if slot in missed]
    assert caught == sorted(caught), "oldest first"
    keep = {CatchUpPolicy.ALL: policy.max_windows, CatchUpPolicy.LATEST: 1}.get(
        policy.catch_up or CatchUpPolicy.NONE, 0
    )
    assert caught == (missed[-keep:] if keep else [])
    counts = Counter(one.scheduled_for for one in runs if one.state is OK)
    assert set(counts.values()) <= {1}
    if policy.catch_up is not None:
        assert not made.open
        assert made.missed == len(missed) - len(caught)
