"""Collects the runs that ``influxops top`` ranks: one query a connection."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from influxops.cli.native import NoAnswer, Object, check_url, connected, org_id_of
from influxops.cli.top_rows import Usage
from influxops.core.keys import Key, Kind
from influxops.core.observed import Run
from influxops.core.run_stats import stats_of
from influxops.core.runs import from_status
from influxops.core.schedule import of_text
from influxops.kube.client import KubeClient
from influxops.kube.references import connection_of
from influxops.settings import ConfigError

MOST_IDS = 1000
"""Tasks that a query names; of more it asks for the runs of all tasks, and drops those of others."""


async def collect(
    client: KubeClient, namespace: str | None, begin: datetime, url: str
) -> tuple[list[Usage], list[str]]:
    """The tasks of a namespace (None: of all) with the runs that started since ``begin``, and notes on what is missing.

    ``url`` stands for the address of the one connection that these tasks have. Raises ConfigError when they have several.
    """
    tasks: dict[Key, dict[Key, Object]] = {}
    for body in await client.list_objects(Kind.TASK, namespace):
        key = Key(Kind.TASK, body["metadata"]["namespace"], body["metadata"]["name"])
        connection = connection_of(key, body.get("spec") or {})
        if connection is not None:
            tasks.setdefault(connection, {})[key] = body
    check_url(url, tasks)
    found: list[Usage] = []
    notes: list[str] = []
    for connection, bodies in sorted(tasks.items()):
        try:
            runs = await _runs(client, connection, [_task_id(body) for body in bodies.values()], begin, url)
        except NoAnswer as error:
            notes.append(f"tasks of {connection}: only the runs of .status.history are counted: {error}")
            runs = None
        except ConfigError as error:
            notes.append(f"tasks of {connection} are not counted: {error}")
            runs = {}
        found += [_usage(key, connection, body, runs, begin) for key, body in bodies.items()]
    return found, notes


async def _runs(client: KubeClient, connection: Key, ids: list[str], begin: datetime, url: str) -> dict[str, list[Run]]:
    """The runs by the id of their task. Raises NoAnswer and ConfigError."""
    wanted = {task_id for task_id in ids if task_id}
    if not wanted:
        return {}
    async with connected(client, connection, url, read_only=True) as (port, org):
        org_id = await org_id_of(port, org)
        few = wanted if len(wanted) <= MOST_IDS else None
        return _by_task(await port.recent_runs(org_id, begin, few, requested=True))


def _by_task(runs: Iterable[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.task_id, []).append(run)
    return found


def _usage(key: Key, connection: Key, body: Object, runs: dict[str, list[Run]] | None, begin: datetime) -> Usage:
    status, task_id = body.get("status") or {}, _task_id(body)
    if runs is None:
        mine = [run for run in from_status(status).recent if run.started_at and run.started_at >= begin]
    else:
        mine = runs.get(task_id, [])
    text = str(status.get("schedule") or "")
    return Usage(key, connection, task_id, text, stats_of(mine, of_text(text)))


def _task_id(body: Object) -> str:
    return str((body.get("status") or {}).get("taskID") or "")
