"""The proof that each series of the source has points in the destination."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from influxops.core.pipeline.proofs.result import Series
from influxops.core.pipeline.proofs.rows import TIME_SRC, Finding

NAMED = 5
"""Missing series that a message names."""

_MAX_NAME = 120
_NOT_TAGS = frozenset({"_measurement", "_field"})


def coverage(
    source: Collection[Series], destination: Collection[Series], by: Sequence[str], min_percent: int, where: str
) -> Finding:
    """At least ``min_percent`` of the source's series, told apart by the tags ``by`` (none: those that source and destination
    have in common), have points in the destination. A series that lacks one of the tags is one without a value for it.
    """
    names = tuple(by) or _common(source, destination)
    wanted, found = _distinct(source, names), _distinct(destination, names)
    missing = sorted(wanted - found)
    fault = _blind(source, destination, names, where)
    if fault:
        return False, fault
    told = (
        f"{len(wanted) - len(missing)} of {len(wanted)} series of the source have points in the destination for {where}"
    )
    if 100 * (len(wanted) - len(missing)) >= min_percent * len(wanted):
        return True, f"{told}, expected {min_percent} %"
    if not destination:
        return False, f"{told}, expected {min_percent} %: the destination is empty; {TIME_SRC}"
    return False, (
        f"{told}, expected {min_percent} %; missing by {_list(names)}: {_some(missing, names)}; look at what the script "
        "filters or drops, or name the tags that tell series apart in by"
    )


def _blind(source: Collection[Series], destination: Collection[Series], names: Sequence[str], where: str) -> str:
    """Why a comparison by these tags would prove nothing; empty when it does."""
    tags = _tags(source) - _NOT_TAGS
    unknown = [name for name in names if name not in _tags(source)]
    if source and unknown:
        return f"no series of the source has the tag {_list(unknown)} for {where}; correct by (it has {_list(sorted(tags))})"
    if not names and tags and destination:
        return (
            f"source and destination have no tag in common for {where} (the source has {_list(sorted(tags))}), so their series "
            "cannot be compared; keep the tags in the script, or use the check Conservation"
        )
    return ""


def _common(source: Iterable[Series], destination: Iterable[Series]) -> tuple[str, ...]:
    return tuple(sorted((_tags(source) & _tags(destination)) - _NOT_TAGS))


def _tags(many: Iterable[Series]) -> set[str]:
    return {name for series in many for name, _ in series}


def _distinct(many: Iterable[Series], names: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(tags.get(name, "") for name in names) for tags in map(dict, many)}


def _some(missing: Sequence[tuple[str, ...]], names: Sequence[str]) -> str:
    shown = ", ".join(_name(values, names) for values in missing[:NAMED])
    return f"{shown} and {len(missing) - NAMED} more" if len(missing) > NAMED else shown


def _name(values: Sequence[str], names: Sequence[str]) -> str:
    text = " ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
    return text if len(text) <= _MAX_NAME else f"{text[:_MAX_NAME]}…"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
