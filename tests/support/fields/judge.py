"""Whether a field does something: what the operator makes of a spec with its first value, its second, and none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from influxops.api.errors import SpecInvalid
from influxops.api.kinds import kind_of
from influxops.api.read import read
from tests.support.fields.effects import EFFECTS, Effect
from tests.support.fields.examples import LOCALHOST, Example, example
from tests.support.fields.schema import fields
from tests.support.fields.specs import least, spec_after

LONG = 500
"""Characters of what was seen that a problem tells."""


class Refused(str):
    """Why the API does not take a spec."""

    __slots__ = ()


async def problem_of(kind: str, path: str) -> str:
    """What is wrong with a field; empty when all is well.

    Its two values do not do the same, and without it things are not as with the first. A value is taken by the API: that one is
    refused says nothing of what the operator does. Only a field that a spec must have may be missed, and is then named.
    """
    effect, of = EFFECTS[kind][path], _example(kind, path)
    base = {**least(kind, "walked", "https://a.example", "acme"), **of.base}

    async def seen(step: str) -> object:
        value = {"set": of.first, "change": of.second}.get(step)
        return await _seen(kind, effect, spec_after(step, path, of, base, effect.with_value(value)))

    first = await seen("set")
    if isinstance(first, Refused):
        return f"the API does not take the first value: {first}"
    if await seen("set") != first:
        return f"what is looked at differs from one look to the next: {first!s:.{LONG}}"
    second = await seen("change")
    if isinstance(second, Refused) != effect.admits:
        return f"the second value is {'not taken' if isinstance(second, Refused) else 'taken'} by the API: {second!s:.{LONG}}"
    if second == first:
        return f"{of.first!r} and {of.second!r} do the same: {first!s:.{LONG}}"
    unset = await seen("unset")
    if unset == first:
        return f"without it, it is as with {of.first!r}: {first!s:.{LONG}}"
    names = {*path.split(".")[-2:], *of.says.split()}
    if isinstance(unset, Refused) and not any(name in unset for name in names):
        return f"without it the API refuses the spec and does not name it: {unset}"
    return ""


async def alike(kind: str, path: str) -> list[str]:
    """Values of an enumeration that do the same as one before them, or that the API does not take."""
    effect, of = EFFECTS[kind][path], _example(kind, path)
    base = {**least(kind, "walked", "https://a.example", "acme"), **of.base}
    found: dict[str, object] = {}
    problems = []
    for value in fields(kind)[path]["enum"]:
        spec = spec_after("set", path, replace(of, first=value), base, effect.with_value(value))
        one = await _seen(kind, effect, spec)
        same = next((other for other, before in found.items() if before == one), None)
        if isinstance(one, Refused) or same is not None:
            problems.append(
                f"{value} does the same as {same}: {one!s:.{LONG}}" if same else f"{value} is not taken: {one}"
            )
        found[value] = one
    return problems


async def _seen(kind: str, effect: Effect, spec: dict[str, Any]) -> object:
    model: Any = kind_of(kind).model.model_fields["spec"].annotation
    try:
        read(model, spec, "spec")
    except SpecInvalid as error:
        return Refused(error)
    return await effect.look(spec)


def _example(kind: str, path: str) -> Example:
    found = example(kind, path)
    assert found is not None
    return replace(found, first="https://localhost") if found.first == LOCALHOST else found
