"""Growth, as a line through samples."""

from __future__ import annotations

import random

import pytest

from bench.slope import course, fit


def test_a_line_is_found_exactly() -> None:
    """Three an hour, seen every 5 s for an hour; no doubt is left."""
    slope = fit([(at, 100 + 3 * at / 3600) for at in range(0, 3600, 5)])
    assert slope is not None
    assert slope.per_hour == pytest.approx(3.0)
    assert slope.error == pytest.approx(0.0, abs=1e-6)
    assert not slope.flat
    assert slope.last - slope.first == pytest.approx(3.0 * slope.seconds / 3600)


def test_noise_is_no_growth_and_growth_in_noise_is_seen() -> None:
    """The error tells the one from the other: over many seeds the true slope is within it about as often as it says."""
    hits = 0
    for seed in range(200):
        chance = random.Random(seed)
        slope = fit([(at, 50 + 4 * at / 3600 + chance.gauss(0, 2)) for at in range(0, 1800, 5)])
        assert slope is not None
        hits += abs(slope.per_hour - 4) <= slope.error
    assert 180 <= hits <= 199
    chance = random.Random(1)
    flat = fit([(at, 50 + chance.gauss(0, 2)) for at in range(0, 3600, 5)])
    assert flat is not None
    assert flat.flat


def test_a_saw_is_flat() -> None:
    """Memory that goes up and down with a period of some minutes does not grow."""
    slope = fit([(at, 100 + at % 300 / 30) for at in range(0, 3600, 5)])
    assert slope is not None
    assert slope.flat


def test_too_few_samples_tell_nothing() -> None:
    """A line needs four blocks."""
    assert fit([]) is None
    assert fit([(at, float(at)) for at in range(0, 360, 5)]) is None


def test_the_course_tells_what_levels_out_from_what_goes_on() -> None:
    """The same gain in all: one made in the first part, one made steadily. Parts are equal in time, the last sample included."""
    early = course([(at, min(100 + at, 110.0)) for at in range(101)], 5)
    steady = course([(at, 100 + at / 10) for at in range(101)], 5)
    assert early[-1] - early[1] == pytest.approx(0.0)
    assert steady[-1] - steady[-2] == pytest.approx(2.0, abs=0.1)
    assert len(early) == len(steady) == 5


def test_the_course_of_nothing_and_of_one_look() -> None:
    """No look, no parts; one look is its own mean."""
    assert course([], 10) == []
    assert course([(7.0, 3.0)], 10) == [3.0]
