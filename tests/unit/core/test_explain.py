"""What is told of a script without running it: its window, and why it could not be run harmlessly."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from influxops.core.dryrun import HARMLESS, calls, effects, harmless
from influxops.core.explain import covered, verdicts
from influxops.core.flux.facts import facts_of
from influxops.core.flux.render import Prelude
from influxops.core.lint.targets import OUTSIDE
from tests.support.lints import tree

SLOT = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
READ = 'from(bucket: "raw") |> range(start: -1h)'


@pytest.mark.parametrize(
    ("prelude", "start", "stop"),
    [
        (Prelude("1h", "1h"), "2026-03-10T08:00:00Z", "2026-03-10T09:00:00Z"),
        (Prelude("1h", "1h", "2h"), "2026-03-10T06:00:00Z", "2026-03-10T09:00:00Z"),
        (Prelude("1d", "1h"), "2026-03-09T09:00:00Z", "2026-03-10T09:00:00Z"),
        (Prelude("1mo", "1mo"), "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
    ],
)
def test_the_window_of_a_slot(prelude: Prelude, start: str, stop: str) -> None:
    assert str(covered(prelude, SLOT)) == f"{start}/{stop}"


def test_a_script_with_its_own_range_has_no_window() -> None:
    assert covered(None, SLOT) is None


@pytest.mark.parametrize(
    "script",
    [
        f'{READ} |> to(bucket: "x")',
        f'import "experimental"\nx = experimental.objectKeys(o: {{a: 1}})\n{READ} |> to(bucket: "x")',
        f'import "influxdata/influxdb/schema"\n{READ} |> schema.fieldsAsCols()',
        f'{READ} |> filter(fn: (r) => r.to == "a" and r["wideTo"] == "b") |> to(bucket: "x")',
        f"f = (to) => to + 1\nx = f(to: 1)\n{READ} |> yield()",
    ],
)  # fmt: skip
def test_harmless_scripts_may_run(script: str) -> None:
    """Columns and parameters of the name are no writes."""
    file = tree(script)
    assert effects(file, facts_of(script, {"files": [file]})) == []


def test_what_is_put_in_leaves_the_script_as_it_was() -> None:
    """Imports before the first import, the rest behind the last, not a byte of the script changed."""
    script = f'// mark\nimport "math"\nx = math.pi\n{READ} |> to(bucket: "x")\n'
    made = harmless(script, facts_of(script, {"files": [tree(script)]}))
    tree(made)  # it parses
    assert "// mark\n" in made
    assert made.index('"profiler"') < made.index('import "math"') < made.index("to = (") < made.index("x = math.pi")


def test_no_package_counts_as_harmless_that_the_lints_say_reaches_out() -> None:
    """One list must not contradict the other."""
    assert not HARMLESS & OUTSIDE


def test_calls_are_found_wherever_they_stand() -> None:
    assert calls(tree(f'f = (t) => t |> yield(name: "a")\n{READ}'), "yield")  # fmt: skip
    assert not calls(tree(READ), "yield")


def test_a_text_without_a_plan_has_no_verdicts() -> None:
    assert verdicts("") == []
    assert verdicts('digraph {\n  "fromArray0"\n  "yield1"\n\n  "fromArray0" -> "yield1"\n}') == []
