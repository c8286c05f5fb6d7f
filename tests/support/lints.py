"""Flux trees for tests without a server, by the same parser that ``influxops validate`` uses offline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache

from influxops.core.flux.facts import facts_of
from influxops.core.flux.render import Prelude
from influxops.core.lint.aggregates import Rollup, rollups
from influxops.core.lint.catalogue import lint
from influxops.core.lint.flow import Node
from influxops.core.lint.rule import Hit
from influxops.core.lint.script import Script
from influxops.core.schedule import Schedule, of_texts
from influxops.validate.node import NodeParser
from influxops.validate.parser import FluxFault


def trees(scripts: Sequence[str]) -> list[Node | list[FluxFault]]:
    """The tree of each script, or its faults."""

    async def ask() -> list[Node | list[FluxFault]]:
        parser = NodeParser()
        try:
            return await parser.trees(scripts)
        finally:
            await parser.close()

    return asyncio.run(ask())


@cache
def tree(script: str) -> Node:
    """The tree of a good script."""
    (found,) = trees([script])
    assert not isinstance(found, list), found
    return found


def script(text: str, every: str = "1h", cron: str = "", **known: object) -> Script:
    """A script as the lints see it, with the window prelude of influxops where it uses ``v``."""
    file = tree(text)
    facts = facts_of(text, {"files": [file]})
    prelude = Prelude(every or "1d", every or "1d") if facts.uses_v and not facts.defines_v else None
    schedule: Schedule | None = of_texts("" if cron else every, cron, "")
    return Script(text, file, schedule=schedule, prelude=prelude, **known)  # type: ignore[arg-type]


def hits(text: str, every: str = "1h", cron: str = "", upstream: Sequence[Rollup] = (), **known: object) -> list[Hit]:
    """What the lints find in a script."""
    return lint(script(text, every, cron, **known), upstream)


def names(text: str, every: str = "1h", cron: str = "", upstream: Sequence[Rollup] = (), **known: object) -> list[str]:
    """The rules that a script breaks, in the order of its text."""
    return [hit.rule.name for hit in hits(text, every, cron, upstream, **known)]


def written(text: str, every: str = "1h") -> list[Rollup]:
    """What a script writes, as other scripts see it."""
    return list(rollups(script(text, every), "task other"))
