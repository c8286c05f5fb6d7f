"""The windows of a task, reckoned here and by the real server from the same prelude and the same ``now``."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import aiohttp
import pytest

from influxops.core.flux.render import Prelude, generated
from influxops.core.pipeline.windows.task_cadence import SlotCadence, task_cadence
from influxops.core.schedule import Schedule, of_texts
from tests.support.influx_admin import Site

PROBE = 'import "array"\n{imports}{statements}array.from(rows: [{{start: v.timeRangeStart, stop: v.timeRangeStop}}])\n'
SINCE = ("2026-01-31T23:59:59", "2026-03-28T22:30:00", "2024-02-28T12:00:01", "1999-12-31T23:00:00")
CASES = {
    "hours": ("1h", "", Prelude("1h", "1h")),
    "hours that look back": ("1h", "", Prelude("1h", "1h", "90m")),
    "a day each hour": ("1h", "", Prelude("1d", "1h")),
    "five days count from 1970, their slots from the year 1": ("5d", "", Prelude("5d", "5d")),
    "weeks from Thursday": ("", "0 3 * * 1", Prelude("1w", "1w")),
    "days by cron": ("", "30 3 * * *", Prelude("1d", "1d")),
    "cron between points of the grid": ("", "7 */6 * * *", Prelude("6h", "15m")),
    "months": ("", "0 4 1 * *", Prelude("1mo", "1mo")),
    "quarters": ("", "0 4 1 * *", Prelude("3mo", "3mo")),
    "five months count from January 1970": ("", "0 4 2 * *", Prelude("5mo", "5mo")),
    "years": ("", "0 4 1 1 *", Prelude("1y", "1y")),
    "a month back from any day": ("", "0 0 * * *", Prelude("1mo", "1d")),
    "a month back, and a month more": ("", "0 0 * * *", Prelude("1mo", "1d", "1mo")),
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def served(site: Site, prelude: Prelude, slot: datetime) -> tuple[datetime, datetime]:
    """What ``v`` holds in a run of this slot."""
    imports, statements = generated(None, prelude)
    flux = PROBE.format(imports=imports, statements=statements)
    body = {"query": flux, "now": slot.isoformat()}
    headers = {"Authorization": f"Token {site.token}"}
    async with (
        aiohttp.ClientSession(site.url, headers=headers) as session,
        session.post("/api/v2/query", params={"orgID": site.org_id}, json=body) as answer,
    ):
        text = await answer.text()
        assert answer.status == 200, text
    row = next(csv.DictReader(io.StringIO(text)))
    return datetime.fromisoformat(row["start"]), datetime.fromisoformat(row["stop"])


def slots_after(schedule: Schedule, moment: datetime, number: int) -> list[datetime]:
    found: list[datetime] = []
    slot: datetime | None = moment
    while len(found) < number and slot is not None:
        slot = schedule.slot_after(slot)
        found += [slot] if slot is not None else []
    return found


@pytest.mark.parametrize("case", CASES)
async def test_each_slot_covers_the_window_that_the_server_gives_it(case: str, site: Site) -> None:
    """Truncation of weeks and months, the end of February, the turn of a year, and looking back."""
    every, cron, prelude = CASES[case]
    schedule = of_texts(every, cron, "")
    assert schedule is not None
    cadence: SlotCadence = task_cadence(schedule, prelude)
    for since in SINCE:
        for slot in slots_after(schedule, at(since), 3):
            start, stop = await served(site, prelude, slot)
            window = cadence.stopping_at(stop)
            assert window is not None, f"slot {slot} covers {start}/{stop}"
            assert (window.start, window.stop) == (start, stop)
            assert cadence.slot_of(window) <= slot
