"""The proof that the counts in the destination add up to the points of the source: none lost, none counted twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from influxops.core.pipeline.proofs.result import Series, Written
from influxops.core.pipeline.proofs.rows import REPLACE, TIME_SRC, Finding


def conservation(count_field: str, source: Mapping[Series, int], written: Written, where: str) -> Finding:
    """The sum of ``count_field`` over all series of the destination is the number of field values of the source."""
    total, found = sum(source.values()), written.sums.get(count_field)
    if found is None and (total or count_field in _fields(written.counts)):
        return False, (
            f"the source has {total} points for {where}, and the destination {_without(count_field, written)}"
        )
    if found is None or found == total:
        return True, f"{total} points in the source for {where}, and as many counted in {count_field}"
    return False, (
        f"{total} points in the source for {where}, {_number(found)} counted in {count_field} of the destination "
        f"({found - total:+.15g}); {_why(total, found, source)}"
    )


def _without(count_field: str, written: Written) -> str:
    if not written.rows:
        return f"is empty; {TIME_SRC}"
    fields = _fields(written.counts)
    if count_field in fields:
        return f"has no numbers in {count_field}; write the count as an integer"
    return (
        f"has no field {count_field} (it has {', '.join(sorted(fields))}); correct countField, or write the count there"
    )


def _why(total: int, found: float, source: Mapping[Series, int]) -> str:
    """What the two numbers look like, most telling first."""
    fields: Counter[str] = Counter()
    for series, count in source.items():
        fields[dict(series).get("_field", "")] += count
    if len(fields) > 1:
        fits = sorted(name for name, count in fields.items() if count == found)
        which = f"such as {fits[0]}, which has as many" if fits else "the one that is counted"
        return f"the source has {len(fields)} fields; name one in source.field, {which}"
    if total and found > total and found % total == 0:
        return (
            f"each point is counted {found / total:.0f} times: the script reads or writes a series more than once, or by other "
            f"tags too, or counts by more than one window; or {REPLACE}"
        )
    if found > total:
        return f"points came while the window ran (it runs again then), or {REPLACE}; or {TIME_SRC}"
    return f"look at what the script filters before it counts; {TIME_SRC}"


def _fields(counts: Mapping[Series, int]) -> set[str]:
    return {dict(series).get("_field", "") for series in counts}


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value!r}"
