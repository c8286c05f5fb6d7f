"""All lints, and all of them on one script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from influxops.core.lint import aggregates, columns, ranges, silence, targets, windows
from influxops.core.lint.aggregates import Rollup
from influxops.core.lint.rule import Hit, Rule
from influxops.core.lint.script import Script

RULES: tuple[Rule, ...] = (
    ranges.UNBOUNDED,
    ranges.ABSOLUTE,
    ranges.UNALIGNED,
    ranges.GAP,
    ranges.RETENTION,
    windows.TIME_SRC,
    windows.PUSH_DOWN,
    aggregates.MEAN,
    aggregates.COUNT,
    aggregates.UNMERGEABLE,
    columns.LOST,
    targets.SAME_BUCKET,
    targets.OPTION,
    targets.LAST_SUCCESS,
    targets.PACKAGE,
    silence.BAD_IGNORE,
    silence.UNUSED_IGNORE,
)
_NAMES = frozenset(rule.name for rule in RULES) - {silence.BAD_IGNORE.name, silence.UNUSED_IGNORE.name}
"""What a comment may silence."""
_CHECKS = (ranges.ranges, windows.windows, aggregates.aggregates, columns.columns, targets.targets)


def lint(script: Script, upstream: Iterable[Rollup] = ()) -> list[Hit]:
    """What is questionable in a script, in the order of its text; ``upstream`` is what other tasks write."""
    found: dict[tuple[str, int, int], Hit] = {}
    for hit in _all(script, upstream):
        found.setdefault((hit.rule.name, hit.line, hit.column), hit)
    left = silence.silenced(script, found.values(), _NAMES)
    return sorted(left, key=lambda hit: (hit.line, hit.column, hit.rule.name))


def _all(script: Script, upstream: Iterable[Rollup]) -> Iterator[Hit]:
    for check in _CHECKS:
        yield from check(script)
    yield from aggregates.across(script, upstream)
