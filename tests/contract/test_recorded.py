"""What the fake says of scripts is what a real influxd says."""

from __future__ import annotations

import json

import pytest

from influxops.influx.client import InfluxClient
from influxops.influx.errors import ScriptInvalid
from tests.support.fake_influx import RECORDED, FakeInflux
from tests.support.influx_admin import Site
from tests.support.record_scripts import record, scripts


async def test_the_recorded_answers_are_those_of_the_server(real: InfluxClient, site: Site) -> None:
    """When this fails after an upgrade: ``python -m tests.support.record_scripts``, and look at the difference."""
    assert await record(real, site.org_id, scripts()) == json.loads(RECORDED.read_text(encoding="utf-8"))


async def test_the_fake_plays_them_back() -> None:
    """The same answers, as values and as errors."""
    fake = FakeInflux()
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    for answer in recorded.values():
        for call, error in (
            (fake.ast(answer["script"]), "ast_error"),
            (fake.check_script("x", answer["script"]), "check_error"),
        ):
            if answer[error] is None:
                assert await call in (None, answer["ast"])
            else:
                with pytest.raises(ScriptInvalid) as caught:
                    await call
                assert [str(caught.value), caught.value.line, caught.value.column] == answer[error]


async def test_the_fake_guesses_nothing() -> None:
    """A script that nobody recorded or taught is a fault of the test, with the way to mend it."""
    fake = FakeInflux()
    with pytest.raises(AssertionError, match=r"record_scripts"):
        await fake.check_script("x", "never seen")
    fake.teach("never seen", ast={"files": []}, check=ScriptInvalid("wrong", 1, 2))
    assert await fake.ast("never seen") == {"files": []}
    with pytest.raises(ScriptInvalid, match="wrong"):
        await fake.check_script("x", "never seen")
