"""``influxops retry`` and ``influxops run``: one run of one slot, because somebody asks for it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from influxops.cli.cluster import (
    Context,
    Instance,
    Kubeconfig,
    Name,
    Namespace,
    RunId,
    Url,
    existing,
    task_key,
    with_client,
)
from influxops.cli.meant import home
from influxops.cli.run_rows import length
from influxops.cli.runs import check_run_id, run_of, seconds
from influxops.core.conditions import rfc3339
from influxops.core.observed import RUNS_KEPT, RunState, TaskStatus
from influxops.core.runs import from_status
from influxops.core.slots import NOW, neighbours, parse_at, settled_by
from influxops.core.sparkline import seconds_of
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.cli.native import Native, Object
    from influxops.core.keys import Key
    from influxops.core.observed import Run
    from influxops.influx.port import InfluxPort
    from influxops.kube.client import KubeClient

FAILED = 1
"""Exit status of ``--wait`` when the run did not succeed."""
JUST_NOW = timedelta(seconds=5)
"""A slot of the schedule that began so lately may not show among the runs yet."""
LOOK_EVERY = 0.25
"""Seconds between two looks at a run that is waited for, at first."""
LOOK_AT_LEAST = 2.0
"""The same after a while."""
UNEXPLAINED = 8
"""Looks at a failed run without a cause before it is taken for one that has none."""
MOST_RUNS = 100
"""Runs of one slot that are looked at before another one is asked for."""

Force = Annotated[bool, typer.Option("--force", help="Run the slot although it succeeded or is under way.")]
WaitFlag = Annotated[bool, typer.Option("--wait", help="Wait until the run is over; exit with 1 if it failed.")]
Timeout = Annotated[str, typer.Option("--timeout", help="With --wait: longest time to wait.")]


def retry(
    name: Name,
    run: RunId,
    namespace: Namespace = "",
    wait: WaitFlag = False,
    timeout: Timeout = "10m",
    force: Force = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    instance_id: Instance = "",
    url: Url = "",
) -> None:
    """Run the slot of a run again: a new run with the same scheduled time, which is now() in the script.

    InfluxDB would run a slot as often as it is asked to. So this refuses a slot that has succeeded meanwhile, or whose run
    waits or is under way, unless --force is given. A suspended task does not run.
    """
    key = task_key(name, home(namespace, kubeconfig, context))
    check_run_id(run)
    limit = seconds(timeout, "--timeout")

    async def work(client: KubeClient) -> Run | None:
        from influxops.cli.native import native_task

        found = await existing(client, key)
        async with native_task(client, key, found, instance_id, url, read_only=False) as native:
            _check_active(key, found, native)
            old = await run_of(native.port, native.task.id, run, name=key.name, namespace=key.namespace)
            return await _force(native, key, old.scheduled_for, wait=limit if wait else 0, force=force)

    _finish(with_client(kubeconfig, context, work), wait=wait, timeout=timeout)


def run(
    name: Name,
    at: Annotated[
        str, typer.Option("--at", help="Slot to run, which is now() in the script: RFC 3339, or now.", metavar="TIME")
    ] = NOW,
    namespace: Namespace = "",
    wait: WaitFlag = False,
    timeout: Timeout = "10m",
    force: Force = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    instance_id: Instance = "",
    url: Url = "",
) -> None:
    """Run a task once, for one slot: for example for a window that was missed.

    A time that is no slot of the schedule is run all the same, with a warning: the script sees it as now(). A slot that has
    succeeded, or whose run waits or is under way, is refused unless --force is given. A suspended task does not run.
    The operator itself is started with influxops operator.
    """
    key = task_key(name, home(namespace, kubeconfig, context))
    limit = seconds(timeout, "--timeout")
    now = datetime.now(UTC)
    try:
        slot = parse_at(at, now)
    except ValueError as error:
        raise ConfigError(f"--at: {error}") from error
    if slot > now:
        raise ConfigError(
            f"--at: {rfc3339(slot)} lies in the future. InfluxDB would wait until then and run it beside the schedule's "
            "own run; name a time that is past, or now"
        )

    async def work(client: KubeClient) -> Run | None:
        from influxops.cli.native import native_task

        found = await existing(client, key)
        async with native_task(client, key, found, instance_id, url, read_only=False) as native:
            _check_active(key, found, native)
            this_moment = at.strip().lower() == NOW
            if not this_moment:
                _warn_if_no_slot(native, slot)
                _warn_if_forgotten(slot, now)
            if not force and not this_moment:
                _refuse_a_double(key, found, native, slot, now)
            aside = timedelta(seconds=int(this_moment and _is_slot(native, slot)))  # of what the schedule runs itself
            return await _force(native, key, slot + aside, wait=limit if wait else 0, force=force or this_moment)

    _finish(with_client(kubeconfig, context, work), wait=wait, timeout=timeout)


def _check_active(key: Key, found: Object, native: Native) -> None:
    """Refuse a task that does not run. Raises ConfigError."""
    if native.task.status is not TaskStatus.INACTIVE:
        return
    if (found.get("spec") or {}).get("suspend"):
        remedy = f"spec.suspend is true. Resume it first: influxops resume {key.name} -n {key.namespace}"
    else:
        remedy = "the operator sets it active again within one sync interval; see its Ready condition if it does not"
    raise ConfigError(f"{key} is suspended, and InfluxDB runs no inactive task: {remedy}")


def _refuse_a_double(key: Key, found: Object, native: Native, slot: datetime, now: datetime) -> None:
    """Refuse a slot that the schedule runs itself, or that has succeeded by status. Raises ConfigError.

    A task that was recreated has none of the runs of the one before it, and status has.
    """
    schedule = native.schedule
    if schedule is not None and _is_slot(native, slot) and slot > native.task.updated_at:
        start = slot + timedelta(seconds=schedule.offset)
        if start > now - JUST_NOW:
            raise ConfigError(
                f"{key}: the schedule runs slot {rfc3339(slot)} itself, at {rfc3339(start)}; --force runs it once more"
            )
    done = settled_by([run for run in from_status(found.get("status") or {}).recent if run.scheduled_for == slot])
    if done is not None:
        raise ConfigError(_settled(key, done, slot))


def _settled(key: Key, run: Run, slot: datetime) -> str:
    words = "succeeded" if run.state is RunState.SUCCESS else f"is {run.state.value}"
    return f"{key}: run {run.id} of slot {rfc3339(slot)} {words} already; --force runs the slot once more"


def _is_slot(native: Native, moment: datetime) -> bool:
    return native.schedule is not None and native.schedule.slot_at_or_before(moment) == moment


def _warn_if_forgotten(slot: datetime, now: datetime) -> None:
    if slot < now - RUNS_KEPT:
        typer.echo(
            f"Warning: InfluxDB keeps runs for three days: whether slot {rfc3339(slot)} ran before is not known",
            err=True,
        )


def _warn_if_no_slot(native: Native, slot: datetime) -> None:
    if native.schedule is None:
        return
    before, after = neighbours(native.schedule, slot)
    if before == slot:
        return
    near = " and ".join(rfc3339(one) for one in (before, after) if one is not None)
    typer.echo(f"Warning: {rfc3339(slot)} is no slot of the schedule; the slots around it are {near}", err=True)


async def _force(native: Native, key: Key, slot: datetime, *, wait: float, force: bool) -> Run | None:
    """Ask for a run, and wait for it if wanted. None when it is not over in time. Raises ConfigError for a settled slot."""
    if not force:
        done = settled_by(await native.port.list_runs(native.task.id, MOST_RUNS, slot))
        if done is not None:
            raise ConfigError(_settled(key, done, slot))
    made = await native.port.start_run(native.task.id, slot)
    typer.echo(made.id)
    typer.echo(f"run {made.id} of {key} for {rfc3339(slot)} is asked for", err=True)
    return await _ended(native.port, made, wait) if wait else made


async def _ended(port: InfluxPort, made: Run, limit: float) -> Run | None:
    """The run once it is over; None when that takes more than ``limit`` seconds.

    The server writes why a run failed a moment after it has failed, so a cause is waited for, but not for ever.
    """
    from influxops.influx.errors import NotFound

    deadline = time.monotonic() + limit
    pause = LOOK_EVERY
    unexplained = 0
    while time.monotonic() < deadline:
        try:
            seen = await port.get_run(made.task_id, made.id)
            if seen.finished_at is not None:
                unexplained += seen.state is RunState.FAILED and not seen.error
                if not 0 < unexplained < UNEXPLAINED:
                    return seen
        except NotFound:
            pass  # between its end and its record
        await asyncio.sleep(pause)
        pause = min(LOOK_AT_LEAST, pause * 1.2)
    return None


def _finish(made: Run | None, *, wait: bool, timeout: str) -> None:
    if not wait:
        return
    if made is None:
        typer.echo(f"the run is not over after {timeout}; it goes on, and influxops runs shows it", err=True)
        raise typer.Exit(FAILED)
    cause = f": {made.error}" if made.error else ""
    typer.echo(f"run {made.id}: {made.state.value} after {length(seconds_of(made))}{cause}", err=True)
    if made.state is not RunState.SUCCESS:
        raise typer.Exit(FAILED)
