"""Where a connection leads, and what is kept of it: the version of the server, and secrets that must not be seen."""

from __future__ import annotations

from copy import copy
from types import SimpleNamespace
from typing import Any

from influxops.engine.target import Target
from influxops.telemetry.redact import MASK, Redactor
from tests.support.desk import Desk


class Bench:
    """A connection, its Secret and the redactor."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.desk.link.port = None
        self.token = "first-token-of-many"
        self.redactor = Redactor()
        fake = self.desk.fake
        self.tools: Any = SimpleNamespace(
            secrets=self, client=lambda *_: copy(fake), redactor=self.redactor, context=self.desk.context
        )
        self.target = Target(self.desk.link, self.tools)

    async def resolve(self, *_: object) -> str:
        """The token in the Secret."""
        return self.token

    def hidden(self, text: str) -> bool:
        """Whether the redactor masks a text."""
        return self.redactor.redact(text) == MASK


async def test_a_server_that_was_upgraded_is_asked_for_scripts_anew_from_the_next_turn_on() -> None:
    bench = Bench()
    await bench.target.connect({})
    known = bench.desk.link.scripts
    await bench.target.connect({})
    assert bench.desk.link.scripts is known
    bench.desk.link.port.server_version = "v2.9.9"  # type: ignore[attr-defined, union-attr]
    await bench.target.connect({})
    assert bench.desk.link.scripts is not known
    assert bench.desk.link.version == "v2.9.9"


async def test_the_secret_of_a_connection_that_is_worked_no_longer_is_forgotten() -> None:
    """Else each connection that was ever made would cost time in each line of the log."""
    bench = Bench()
    await bench.target.connect({})
    assert bench.hidden("first-token-of-many")
    bench.target.close()
    assert not bench.hidden("first-token-of-many")


async def test_a_rotation_after_a_second_life_leaves_only_the_present_token() -> None:
    bench = Bench()
    await bench.target.connect({})
    bench.target.close()
    second = Target(bench.desk.link, bench.tools)
    await second.connect({})
    bench.token = "second-token-of-many"
    await second.connect({})
    assert bench.hidden("second-token-of-many")
    assert not bench.hidden("first-token-of-many")
