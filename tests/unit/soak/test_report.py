"""The growth of a process, from what was seen of it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.soak.replicas import FIGURES, Life, Sample
from tests.soak.report import LEAST, WARM_UP, growth, markdown


def life(seconds: float, *, per_hour: float = 0.0) -> Life:
    """A process that grows by 50 MiB while it warms up, and at a steady rate then."""
    made = Life("a", 2, cast("Any", None), began=1000.0)
    for at in range(0, int(seconds), 5):
        memory = 100 + 50 * min(1.0, at / WARM_UP) + per_hour * at / 3600
        made.samples.append(Sample(1000.0 + at, leads=at % 10 == 0, values=(memory, 20.0, 9.0, 7.0, 30.0)))
    return made


def test_what_a_process_learns_at_first_is_not_its_growth() -> None:
    found = growth(life(3000, per_hour=6.0))
    assert found is not None
    assert set(found.slopes) == set(FIGURES)
    assert found.slopes["memory"].per_hour == pytest.approx(6.0, abs=0.01)
    assert found.slopes["threads"].per_hour == 0
    assert found.led == pytest.approx(0.5, abs=0.01)
    assert found.peak == pytest.approx(155.0, abs=0.1)


def test_a_change_of_role_is_no_growth() -> None:
    """A process that begins to lead opens connections; its slope is that of the role it had longer."""
    made = life(3000)
    made.samples = [
        Sample(one.at, one.at > 2500, (*one.values[:2], 20.0 if one.at > 2500 else 9.0, *one.values[3:]))
        for one in made.samples
    ]
    found = growth(made)
    assert found is not None
    assert found.slopes["sockets"].per_hour == 0
    assert found.led == pytest.approx(0.56, abs=0.02)


def test_a_short_life_has_no_slope() -> None:
    assert growth(life(WARM_UP + LEAST - 10)) is None
    assert growth(life(WARM_UP + LEAST + 10)) is not None


def test_the_table_names_what_was_violated() -> None:
    """And stands without a single change that became Ready, or a life long enough."""
    found: dict[str, Any] = {
        "seed": 4, "minutes": 1.0, "objects": 30, "live": 29, "settle_in_seconds": 1.0, "faults": {"leader killed": 2},
        "struck_requests": 5, "changes": {"edit script": 3}, "changes_refused": {"404": 1},
        "spec_to_ready": {"without faults": {"count": 0}, "in the storm": {"count": 1, "p50": 1, "p95": 2, "p99": 3, "max": 4}},
        "converged_seconds": 7.0, "quiet_seconds": 60.0, "windows": 12, "windows_again": 2,
        "windows_again_after_a_change_of_leader": 1, "requests": {"kube": 5}, "writes": {}, "operators": 3,
        "metrics": dict.fromkeys(("reconciles", "drift corrected", "sweeps failed", "sweeps", "leases gained"), 1.0),
        "load": 1.5, "growth": [], "problems": ["ORPHAN: one"],
    }  # fmt: skip
    text = markdown(found)
    assert "| oracles violated | 1 |" in text
    assert "| spec to Ready without faults | none |" in text
    assert "p50 1 s, p95 2 s, p99 3 s, max 4 s of 1" in text
    assert "Faults: leader killed 2." in text
