"""Which faults a seed gives."""

from __future__ import annotations

from itertools import pairwise

from tests.soak.schedule import ENDING_SHARE, ENDINGS, LEAST, MOST, Kind, schedule


def test_a_seed_gives_the_same_faults_again() -> None:
    """And another seed others."""
    assert schedule(7, 3600) == schedule(7, 3600)
    assert schedule(7, 3600) != schedule(8, 3600)


def test_a_fault_comes_every_ten_to_thirty_seconds() -> None:
    """From the begin of the storm to its end, and none after it."""
    times = [strike.at for strike in schedule(1, 3600)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert times[0] <= MOST
    assert times[-1] < 3600
    assert 3600 - times[-1] <= 3 * MOST  # an ending that is left out is no fault, and makes a gap longer
    assert min(gaps) >= LEAST - 0.1
    assert sorted(gaps)[-len(gaps) // 4] <= MOST + 0.1


def test_an_hour_has_every_kind_and_none_much_more_often_than_another() -> None:
    """Operators are ended in the first part only."""
    strikes = schedule(3, 3600)
    assert {strike.kind for strike in strikes} == set(Kind)
    counts = [sum(strike.kind is kind for strike in strikes) for kind in set(Kind) - ENDINGS]
    assert max(counts) - min(counts) <= 2
    assert max(strike.at for strike in strikes if strike.kind in ENDINGS) <= ENDING_SHARE * 3600
