"""Scripts that InfluxDB's parser would be at for minutes are not given to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from influxops.core.desired import SpecFault
from influxops.core.flux.memo import ScriptMemo
from influxops.core.outcome import Reason
from influxops.influx.errors import ScriptInvalid, Unavailable
from influxops.influx.http import TimedOut
from influxops.reconcile.script import script_facts

DEEP = "x = true" + " or true" * 400
PLAIN = 'from(bucket: "raw") |> range(start: -1h)'


class Link:
    """To a server that ends every parse with an error, to be told apart from the compiler's."""

    def __init__(self, verdict: Exception | None = None) -> None:
        self.org_id = "o"
        self.scripts = ScriptMemo()
        self.asked: list[str] = []
        self._verdict = verdict

    async def call(self, name: str, request: Callable[[Any], Awaitable[Any]]) -> Any:
        """As a link does."""
        self.asked.append(name)
        return await request(self)

    async def ast(self, _: str) -> Any:
        """It takes too long."""
        raise TimedOut("no answer within 15 s")

    async def check_script(self, *_: str) -> None:
        """What the compiler says."""
        if self._verdict is not None:
            raise self._verdict


async def test_what_the_compiler_refuses_is_never_parsed() -> None:
    link = Link(ScriptInvalid("Program is nested too deep"))
    with pytest.raises(SpecFault, match="nested too deep; use contains") as fault:
        await script_facts(link, DEEP)  # type: ignore[arg-type]
    assert fault.value.reason is Reason.INVALID_SCRIPT
    assert link.asked == ["check_script"]


@pytest.mark.parametrize("verdict", [None, ScriptInvalid("undefined identifier v", 1, 1)])
async def test_other_faults_of_a_script_that_is_not_rendered_yet_are_left_to_later(verdict: Exception | None) -> None:
    link = Link(verdict)
    with pytest.raises(TimedOut):
        await script_facts(link, DEEP)  # type: ignore[arg-type]
    assert link.asked == ["check_script", "ast"]


async def test_a_plain_script_costs_no_more_requests() -> None:
    link = Link(Unavailable("nobody asks"))
    with pytest.raises(TimedOut):
        await script_facts(link, PLAIN)  # type: ignore[arg-type]
    assert link.asked == ["ast"]
