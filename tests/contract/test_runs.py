"""Runs of real tasks on a real influxd, and the same records written by hand where thousands are needed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from influxops.core.observed import Run, RunState
from influxops.influx.client import InfluxClient
from tests.contract.test_tasks import script
from tests.support.influx_admin import Admin, Site
from tests.support.until import until_async

SECRET = "hunter2"
FAILING = f'secret = "{SECRET}"\nfrom(bucket: "no such bucket") |> range(start: -1h)\n'


def record(task_id: str, run_id: str, status: str, slot: datetime, log: str = "[]") -> str:
    """One run as influxd writes it, started one second after its slot."""
    quoted = log.replace("\\", "\\\\").replace('"', '\\"')
    started = slot + timedelta(seconds=1)
    return (
        f'runs,taskID={task_id},status={status} runID="{run_id}",scheduledFor="{slot:%Y-%m-%dT%H:%M:%SZ}",'
        f'finishedAt="{started:%Y-%m-%dT%H:%M:%S}.123456789Z",logs="{quoted}",flux="{SECRET}" '
        f"{int(started.timestamp())}"
    )


def _recently() -> datetime:
    """A slot that ``_tasks``, which keeps three days, takes."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)


async def _finished(client: InfluxClient, site: Site, since: datetime, tasks: set[str]) -> list[Run]:
    """The runs since then, once each of these tasks has one."""
    found: list[Run] = []

    async def ready() -> bool:
        found[:] = await client.recent_runs(site.org_id, since)
        return {run.task_id for run in found} >= tasks

    await until_async(ready)
    return found


async def test_the_runs_of_the_servers_future_are_none(real: InfluxClient, site: Site) -> None:
    """A clock of ours that is ahead of InfluxDB's asks for them; the server refuses ranges that are empty."""
    ahead = datetime.now(UTC) + timedelta(hours=2)
    assert await real.recent_runs(site.org_id, ahead) == []
    assert await real.run_errors(site.org_id, ahead, {"0" * 16}) == {}


async def test_real_runs_come_back_with_their_state_times_and_cause(real: InfluxClient, site: Site) -> None:
    """One task that works and one that fails, run by the server's scheduler; both ways of reading them agree."""
    since = datetime.now(UTC) - timedelta(minutes=1)
    good = await real.create_task(site.org_id, script("good", schedule="every: 1s"), "")
    work = 'import "array"\narray.from(rows: [{a: 1}])\n'
    good = await real.update_task(good.id, status=good.status, flux=work + script("good", "", schedule="every: 1s"))
    bad = await real.create_task(site.org_id, script("bad", FAILING, schedule="every: 1s"), "")
    runs = await _finished(real, site, since, {good.id, bad.id})
    for run in runs:
        assert run.started_at is not None
        assert run.finished_at is not None
        assert run.scheduled_for <= run.started_at <= run.finished_at
        assert run.scheduled_for.tzinfo is not None
        assert run.error == ""
    assert [run.scheduled_for for run in runs] == sorted(run.scheduled_for for run in runs)
    failed = [run for run in runs if run.task_id == bad.id]
    assert {run.state for run in failed} == {RunState.FAILED}
    assert RunState.SUCCESS in {run.state for run in runs if run.task_id == good.id}
    errors = await real.run_errors(site.org_id, since, [run.id for run in runs])
    assert set(errors) <= {run.id for run in runs if run.state is RunState.FAILED}
    for run in failed:
        assert 'could not find bucket "no such bucket"' in errors[run.id]
        assert SECRET not in errors[run.id]
    listed = {run.id: run for run in await real.list_runs(bad.id, 500)}
    for run in failed:
        assert listed[run.id].scheduled_for == run.scheduled_for
        assert listed[run.id].state is RunState.FAILED
    assert len(await real.list_runs(bad.id, 1)) == 1
    assert {run.task_id for run in await real.recent_runs(site.org_id, since, [good.id])} == {good.id}
    last = max(run.started_at for run in failed if run.started_at is not None)
    assert all(run.started_at is None or run.started_at >= last for run in await real.recent_runs(site.org_id, last))


async def test_many_runs_one_row_each(real: InfluxClient, site: Site, admin: Admin) -> None:
    """Runs of many tasks that start in the same second, and one run that was recorded twice."""
    slot = _recently()
    lines = [
        record(f"{task:016x}", f"{task * 100 + number:016x}", "success", slot + timedelta(minutes=number))
        for task in range(1, 301)
        for number in range(4)
    ]
    again = record(f"{1:016x}", f"{100:016x}", "failed", slot)
    await admin.write(site.org_id, "_tasks", *lines, again)
    found = await real.recent_runs(site.org_id, slot)
    assert len(found) == len({run.id for run in found}) == 1200
    assert all(run.started_at == run.scheduled_for + timedelta(seconds=1) for run in found)
    assert found[0].finished_at == slot + timedelta(seconds=1, microseconds=123456)
    later = await real.recent_runs(site.org_id, slot + timedelta(minutes=3))
    assert len(later) == 300


async def test_only_the_wanted_tasks(real: InfluxClient, site: Site, admin: Admin) -> None:
    """Thousands of ids in one question, and ids that no InfluxDB ever gave."""
    slot = _recently()
    await admin.write(
        site.org_id, "_tasks", *(record(f"{task:016x}", f"{task:016x}", "success", slot) for task in range(1, 2501))
    )
    wanted = [f"{task:016x}" for task in range(100, 2300)]
    found = await real.recent_runs(site.org_id, slot, [*wanted, '"', ".*", ")/ or true or r.x =~ /(", ""])
    assert [run.task_id for run in found] == wanted
    assert await real.recent_runs(site.org_id, slot, []) == []
    assert await real.run_errors(site.org_id, slot, []) == {}


async def test_causes_of_failed_runs_never_hold_the_script(real: InfluxClient, site: Site, admin: Admin) -> None:
    """Logs with a long script, of which only the end is fetched; unicode; the wanted ones only."""
    slot = _recently()
    logs = {
        f"{number:016x}": json.dumps(
            [
                {"runID": "1", "time": "t", "message": f'Started task from script: "{SECRET} ' + "ä🌡" * size + '"'},
                {"runID": "1", "time": "t", "message": "Completed(failed)"},
                {"runID": "1", "time": "t", "message": f"cause\n{number} ü"},
            ],
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for number, size in ((1, 10), (2, 2900), (3, 3000), (4, 20_000), (5, 1))
    }
    wanted = list(logs)[:4]
    lines = [record(run_id, run_id, "failed", slot, log) for run_id, log in logs.items()]
    await admin.write(site.org_id, "_tasks", *lines)
    assert await real.run_errors(site.org_id, slot, wanted) == {
        run_id: f"cause {number} ü" for number, run_id in enumerate(wanted, start=1)
    }


async def test_a_time_before_all_times(real: InfluxClient, site: Site) -> None:
    """Since ever is a legal question."""
    assert await real.recent_runs(site.org_id, datetime.min.replace(tzinfo=UTC)) == []
