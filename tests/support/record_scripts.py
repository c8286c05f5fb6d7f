"""Record what a real influxd says of the scripts in tests/support/scripts, for the fake, which cannot parse Flux.

Run it after adding a script there: ``.venv/bin/python -m tests.support.record_scripts`` starts an influxd of its own.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from influxops.influx.client import InfluxClient
from influxops.influx.errors import ScriptInvalid
from influxops.influx.settings import ConnectionSettings
from tests.support.fake_influx import RECORDED
from tests.support.fake_rules import key_of

SCRIPTS = Path(__file__).with_name("scripts")


async def record(client: InfluxClient, org_id: str, scripts: list[str]) -> dict[str, dict[str, Any]]:
    """What ``ast`` and ``check_script`` answer, by the sha256 of the script."""
    found = {}
    for script in scripts:
        answer: dict[str, Any] = {"script": script, "ast": None, "ast_error": None, "check_error": None}
        try:
            answer["ast"] = await client.ast(script)
        except ScriptInvalid as error:
            answer["ast_error"] = [str(error), error.line, error.column]
        try:
            await client.check_script(org_id, script)
        except ScriptInvalid as error:
            answer["check_error"] = [str(error), error.line, error.column]
        found[key_of(script)] = answer
    return found


def scripts() -> list[str]:
    """The texts of the recorded scripts, byte for byte."""
    return [path.read_bytes().decode() for path in sorted(SCRIPTS.glob("*.flux"))]


async def _main(url: str, token: str, org_id: str) -> None:
    client = InfluxClient(ConnectionSettings(url, token))
    try:
        found = await record(client, org_id, scripts())
    finally:
        await client.close()
    RECORDED.write_text(json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    from devstack.stack import Stack

    with Stack.start(controller_manager=False, audit=False) as stack:
        asyncio.run(_main(stack.influx.url, stack.influx.token, stack.influx.org_id))
