"""Whatever answers in InfluxDB's place: each call of the client ends in an error of the tree, in time, short and without a secret."""

from __future__ import annotations

import asyncio
import inspect
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from aiohttp import web

from influxops.core.observed import TaskStatus
from influxops.core.pipeline.proofs.result import Source, Target
from influxops.core.pipeline.windows.window import Window
from influxops.influx.client import InfluxClient
from influxops.influx.errors import InfluxError, Invalid, Unauthorized, Unavailable
from influxops.influx.port import InfluxPort
from influxops.influx.settings import ConnectionSettings
from tests.support.hostile import TOKEN, answers, body, bomb, serve

ORG, TASK, RUN = "0123456789abcdef", "00000000000000a1", "00000000000000b2"
START, STOP = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)
WINDOW = Window(START, STOP)
SCRIPT = 'from(bucket: "raw") |> range(start: -1h)'
DEADLINE = 0.5
"""Seconds that a call is given here."""
MEMORY = 48 << 20
"""Bytes that a call may take beside what is there before it, with MAX_BYTES as below."""
LIMIT = 2 << 20


async def _pages(client: InfluxClient) -> list[object]:
    return [entry async for page in client.list_tasks(ORG) for entry in page]


CALLS: dict[str, Callable[[InfluxClient], Awaitable[object]]] = {
    "version": lambda client: client.version(),
    "org_id": lambda client: client.org_id("acme"),
    "me": lambda client: client.me(),
    "list_tasks": _pages,
    "get_task": lambda client: client.get_task(TASK),
    "find_tasks": lambda client: client.find_tasks(ORG, "x"),
    "create_task": lambda client: client.create_task(ORG, SCRIPT, ""),
    "update_task": lambda client: client.update_task(TASK, status=TaskStatus.ACTIVE, flux=SCRIPT),
    "delete_task": lambda client: client.delete_task(TASK),
    "ast": lambda client: client.ast(SCRIPT),
    "check_script": lambda client: client.check_script(ORG, SCRIPT),
    "list_buckets": lambda client: client.list_buckets(ORG),
    "find_bucket": lambda client: client.find_bucket(ORG, "raw"),
    "get_bucket": lambda client: client.get_bucket(ORG, TASK),
    "create_bucket": lambda client: client.create_bucket(ORG, "raw", "", 3600, 3600),
    "update_bucket": lambda client: client.update_bucket(TASK, "", 3600, 3600),
    "delete_bucket": lambda client: client.delete_bucket(TASK),
    "recent_runs": lambda client: client.recent_runs(ORG, START),
    "run_errors": lambda client: client.run_errors(ORG, START, [RUN]),
    "list_runs": lambda client: client.list_runs(TASK, 5),
    "get_run": lambda client: client.get_run(TASK, RUN),
    "run_log": lambda client: client.run_log(TASK, RUN),
    "start_run": lambda client: client.start_run(TASK, START),
    "count_points": lambda client: client.count_points(ORG, "raw", None, None, DEADLINE),
    "run_script": lambda client: client.run_script(ORG, SCRIPT, STOP, DEADLINE),
    "write_points": lambda client: client.write_points(ORG, "raw", ["m first=1 1", *["m second=2 2"] * 5000]),
    "delete_points": lambda client: client.delete_points(ORG, "raw", WINDOW, "m"),
    "ledger_records": lambda client: client.ledger_records(ORG, "raw", "i/n/p", START, STOP),
    "ledger_left": lambda client: client.ledger_left(ORG, "raw", "i/n/p", START),
    "ledger_watermark": lambda client: client.ledger_watermark(ORG, "raw", "i/n/p", START),
    "count_by_time": lambda client: client.count_by_time(ORG, Source("raw", "m", "v"), START, STOP, 3600),
    "count_by_series": lambda client: client.count_by_series(ORG, Source("raw", "m", "v"), WINDOW),
    "read_written": lambda client: client.read_written(ORG, Target("raw", "m"), WINDOW),
    "probe": lambda client: client.probe(ORG),
}
HARMLESS = {
    ("null fields", "org_id"): None,  # Go writes an empty list as null
    ("null fields", "find_tasks"): [],
    ("null fields", "get_bucket"): None,
    ("null fields", "list_runs"): [],
    ("null fields", "run_log"): [],
}
"""Answers that are foreign and yet mean the same as "there is none"."""
NO_ANSWER_IN_TIME = {("slow drip", "count_points")}
"""A count that takes too long is one that is not known, by its contract."""


def test_every_call_of_the_port_is_among_them() -> None:
    """A new call does not escape."""
    named = {name for name, _ in inspect.getmembers(InfluxPort, inspect.isfunction) if not name.startswith("_")}
    assert set(CALLS) == named - {"close"}


@pytest.mark.parametrize("name", list(answers("")))
async def test_a_hostile_answer_ends_in_an_error_of_the_tree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call: its kind, its time, its length, its memory, and no token in it, nor on its way elsewhere."""
    monkeypatch.setattr("influxops.influx.http.MAX_BYTES", LIMIT)
    monkeypatch.setattr("influxops.influx.ledger.MAX_ANSWER", LIMIT)
    monkeypatch.setattr("influxops.influx.ledger.TIMEOUT", DEADLINE)
    monkeypatch.setattr("influxops.influx.tally.MAX_RECORD", LIMIT)
    monkeypatch.setattr("influxops.influx.proof.MAX_RECORD", LIMIT)
    stolen: list[str] = []
    wrong: list[str] = []

    async def thief(request: web.BaseRequest) -> web.Response:
        stolen.append(str(request.headers))
        return web.json_response({})

    bomb()
    tracemalloc.start()
    async with serve(thief) as elsewhere, serve(answers(elsewhere)[name]) as url:
        client = InfluxClient(ConnectionSettings(url, TOKEN, timeout=DEADLINE))
        for calls in (
            [list(CALLS)] if name == "slow drip" else [[call] for call in CALLS]
        ):  # all at once where each takes long
            tracemalloc.reset_peak()
            before, began = tracemalloc.get_traced_memory()[0], time.monotonic()
            faults = await asyncio.gather(*(_fault(name, call, CALLS[call](client)) for call in calls))
            took, peak = time.monotonic() - began, tracemalloc.get_traced_memory()[1] - before
            wrong += [f"{call}: {fault}" for call, fault in zip(calls, faults, strict=True) if fault]
            wrong += [f"{calls}: {took:.1f} s"] if took > DEADLINE + 5 else []
            wrong += [f"{calls}: {peak >> 20} MiB"] if peak > MEMORY else []
        await client.close()
    tracemalloc.stop()
    assert wrong == []
    assert stolen == []


async def _fault(name: str, call: str, asked: Awaitable[object]) -> str:
    """What is wrong with the way in which a call ended; empty when nothing is."""
    try:
        answer = await asyncio.wait_for(asked, 60)
    except InfluxError as error:
        text = f"{error}{error!r}"
        if TOKEN in text or len(str(error)) > 400 or not str(error).isprintable():
            return f"no line for a user: {text[:300]!r}"
        if name == "401 in the middle" and not isinstance(error, Unauthorized):
            return f"not Unauthorized: {error!r}"
        return "" if str(error) else "says nothing"
    except BaseException as error:  # noqa: BLE001 - that is what is looked for
        return f"outside of the tree: {error!r}"[:300]
    if (name, call) in NO_ANSWER_IN_TIME:
        return "" if getattr(answer, "points", 0) is None else f"a count: {answer!r}"
    if (name, call) in HARMLESS and answer == HARMLESS[name, call]:
        return ""
    return f"taken for an answer: {answer!r}"[:300]


async def test_a_portal_that_says_yes_to_all_has_written_nothing() -> None:
    """InfluxDB answers writes and deletions with 204: another success is none."""
    for text, kind in (("", "text/plain"), ("{}", "application/json"), ("<html>ok</html>", "text/html")):
        async with serve(body(text, kind)) as url:
            client = InfluxClient(ConnectionSettings(url, TOKEN))
            for call in ("delete_task", "delete_bucket", "write_points", "delete_points"):
                with pytest.raises(Unavailable, match="204"):
                    await CALLS[call](client)
            await client.close()


async def test_204_where_an_answer_is_needed() -> None:
    """Nothing is not a task, a list or a result; only writes and deletions are done with it."""
    done = {"delete_task", "delete_bucket", "write_points", "delete_points"}
    async with serve(body("", status=204)) as url:
        client = InfluxClient(ConnectionSettings(url, TOKEN))
        for call, ask in CALLS.items():
            if call in done:
                await ask(client)
            else:
                with pytest.raises(InfluxError):
                    await ask(client)
        await client.close()


async def test_a_list_without_an_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that leaves out the query gives the same page for ever; a liar gives ever new ones."""
    monkeypatch.setattr("influxops.influx.tasks.MAX_PAGES", 5)
    monkeypatch.setattr("influxops.influx.buckets.MAX_PAGES", 5)
    asked: list[str] = []

    async def same(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        return web.json_response({"buckets": [{"id": f"{n:016x}", "name": f"b{n}"} for n in range(100)]})

    async def ever_new(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        first = len(asked) * 1000
        tasks = [
            {"id": f"{first + n:016x}", "orgID": ORG, "name": "x", "flux": "", "status": "active"} for n in range(500)
        ]
        buckets = [{"id": f"{first + n:016x}", "name": f"b{first + n}"} for n in range(100)]
        return web.json_response({"tasks": tasks, "buckets": buckets})

    for handler, calls in ((same, ("list_buckets",)), (ever_new, ("list_buckets", "list_tasks"))):
        async with serve(handler) as url:
            client = InfluxClient(ConnectionSettings(url, TOKEN))
            for call in calls:
                asked.clear()
                with pytest.raises(Unavailable, match="no end"):
                    await CALLS[call](client)
                assert len(asked) <= 7
            await client.close()


async def test_another_object_than_the_one_asked_for_is_never_taken() -> None:
    """A cache that leaves out the query, or a wrong id, would have another bucket's retention changed."""
    bucket = '{"buckets": [{"id": "1", "name": "precious"}]}'
    org = '{"orgs": [{"id": "1", "name": "other"}]}'
    task = '{"id": "1", "orgID": "2", "name": "other", "flux": "", "status": "active"}'
    for text, call in ((bucket, "find_bucket"), (bucket, "get_bucket"), (org, "org_id"), (task, "get_task")):
        async with serve(body(text)) as url:
            client = InfluxClient(ConnectionSettings(url, TOKEN))
            with pytest.raises(Unavailable, match="another"):
                await CALLS[call](client)
            await client.close()
    async with serve(body(f'{{"tasks": [{task}]}}')) as url:
        client = InfluxClient(ConnectionSettings(url, TOKEN))
        assert await client.find_tasks(ORG, "x") == []
        await client.close()


async def test_an_id_leads_nowhere_else() -> None:
    """Ids come from status and from servers: no path, no query, no second request is made of them."""
    seen: list[str] = []

    async def look(request: web.BaseRequest) -> web.Response:
        seen.append(request.raw_path)
        return web.Response(status=204)

    async with serve(look) as url:
        client = InfluxClient(ConnectionSettings(url, TOKEN))
        for evil in ("../buckets/1", "a/../../b", "a?x=y", "a#b", "a b", "a\r\nX-Y: z", "%2e%2e/x", "é"):
            await client.delete_task(evil)
        for folder in ("", ".", ".."):
            with pytest.raises(Invalid, match="no id"):
                await client.delete_task(folder)
        await client.close()
    assert len(seen) == 8
    for path in seen:
        assert path.startswith("/api/v2/tasks/")
        assert set(path.removeprefix("/api/v2/tasks/")).isdisjoint("/?# \r\n")


@pytest.mark.parametrize(
    "text",
    [
        "999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 01 Jan 2035 00:00:00 +99999999999999999999",
        "-1",
        "1e9",
        "soon",
    ],
)
async def test_nobody_sends_us_away_for_long(text: str) -> None:
    """Retry-After is at most an hour, and nonsense is none."""
    async with serve(body('{"message": "slow"}', status=429, **{"Retry-After": text})) as url:
        client = InfluxClient(ConnectionSettings(url, TOKEN))
        with pytest.raises(Unavailable) as caught:
            await client.me()
        await client.close()
    assert getattr(caught.value, "retry_after", None) in {None, 3600.0}
