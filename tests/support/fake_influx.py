"""An InfluxDB in memory that implements ``influx.port.InfluxPort``.

It knows the quirks of the real server that matter to influxops (each is shown on both by tests/contract), and it never
parses or runs Flux: ``run_script`` does what ``teach_program`` said; ``ast`` and ``check_script`` answer from what was recorded on a real server (``recorded_scripts.json``) or
taught with ``teach``. ``check()`` fails on states that no real server could have. Faults are put in with ``fail_next``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from influxops.core.observed import Bucket, LogLine, Run, RunState, Task, TaskStatus, User
from influxops.influx.errors import Forbidden, InfluxError, Invalid, NotFound, ScriptInvalid
from influxops.influx.runlog import without_script
from tests.support.fake_buckets import FakeBuckets
from tests.support.fake_check import check_state
from tests.support.fake_points import Key, Point, Program
from tests.support.fake_rules import (
    HOUR,
    checked_option,
    key_of,
)
from tests.support.fake_windows import FakeWindows

RECORDED = Path(__file__).with_name("recorded_scripts.json")

T = TypeVar("T")
_PAGE = 500


@dataclass
class _Fault:
    error: InfluxError
    after_commit: bool


@dataclass
class FakeInflux(FakeBuckets, FakeWindows):
    """State is public, so that a test can play the user who clicks in the InfluxDB UI."""

    orgs: dict[str, str] = field(default_factory=lambda: {"acme": "000000000000a000"})
    user: User | None = field(default_factory=lambda: User("000000000000b000", "admin"))
    server_version: str = "v2.7.12"
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    lacking: set[str] = field(default_factory=set)
    """Rights that the token lacks, such as ``write:tasks``."""
    tasks: dict[str, Task] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    points: dict[str, dict[Key, Point]] = field(default_factory=dict)
    """The points of a bucket, by its id."""
    field_types: dict[tuple[str, str, str], type] = field(default_factory=dict)
    """The type that a field of a measurement of a bucket once got."""
    programs: dict[str, Program] = field(default_factory=dict)
    """What ``run_script`` does, by a text that the script holds; see ``teach_program``."""
    spoiled: dict[str, str] = field(default_factory=dict)
    """Tasks that come out of a list as ``<id>: <why>``."""
    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    """Every call as (method, arguments), oldest first."""
    closed: bool = False

    def __post_init__(self) -> None:
        self._next_id = 0x1000
        self._faults: dict[str, list[_Fault]] = {}
        self._scripts: dict[str, dict[str, Any]] = (
            json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}
        )
        for org_id in self.orgs.values():
            self._add_bucket(org_id, "_tasks", "system", 3 * 24 * HOUR, 24 * HOUR)
            self._add_bucket(org_id, "_monitoring", "system", 7 * 24 * HOUR, 24 * HOUR)

    # What a test may do beside the port

    def fail_next(self, method: str, error: InfluxError, *, after_commit: bool = False) -> None:
        """Let the next call of a method fail; with ``after_commit`` the server carries it out and the answer is lost."""
        self._faults.setdefault(method, []).append(_Fault(error, after_commit))

    def teach(self, script: str, *, ast: Mapping[str, Any] | None = None, check: ScriptInvalid | None = None) -> None:
        """Say what ``ast`` and ``check_script`` answer for a script that is not recorded."""
        answer: dict[str, Any] = {"script": script, "ast": ast, "ast_error": None, "check_error": None}
        if check is not None:
            answer["check_error"] = [str(check), check.line, check.column]
        self._scripts[key_of(script)] = answer

    def count(self, *methods: str) -> int:
        """How many calls of these methods there were."""
        return sum(name in methods for name, _ in self.calls)

    @property
    def writes(self) -> list[tuple[str, tuple[Any, ...]]]:
        """The calls that change something."""
        return [
            call for call in self.calls if call[0].startswith(("create_", "update_", "delete_", "write_", "run_script"))
        ]

    def add_run(self, task_id: str, state: RunState, scheduled_for: datetime, *, error: str = "") -> Run:
        """A finished run of a task, one second after its slot and half a second long."""
        started = scheduled_for + timedelta(seconds=1)
        run = Run(
            self._new_id(), task_id, state, scheduled_for, started, started + timedelta(milliseconds=500), error=error
        )
        self.runs.append(run)
        return run

    def check(self) -> None:
        """Fail on a state that a real server could never have."""
        check_state(self.orgs.values(), self.tasks, self.buckets, self.runs, self.points)

    # The port

    async def version(self) -> str:
        async def act() -> str:
            return self.server_version

        return await self._do("version", (), act)

    async def org_id(self, org: str) -> str | None:
        async def act() -> str | None:
            return None if "read:orgs" in self.lacking else self.orgs.get(org)

        return await self._do("org_id", (org,), act)

    async def me(self) -> User | None:
        async def act() -> User | None:
            return self.user

        return await self._do("me", (), act)

    async def list_tasks(self, org_id: str) -> AsyncIterator[list[Task | str]]:
        async def act() -> list[Task | str]:
            if "read:tasks" in self.lacking:
                return []  # the real server leaves out what may not be read; it says nothing
            mine = sorted((task for task in self.tasks.values() if task.org_id == org_id), key=lambda task: task.id)
            return [f"{task.id}: {self.spoiled[task.id]}" if task.id in self.spoiled else task for task in mine]

        entries = await self._do("list_tasks", (org_id,), act)
        for start in range(0, len(entries), _PAGE):
            yield entries[start : start + _PAGE]

    async def get_task(self, task_id: str) -> Task:
        async def act() -> Task:
            task = self._task(task_id)
            self._need("read:tasks")
            return task

        return await self._do("get_task", (task_id,), act)

    async def find_tasks(self, org_id: str, name: str) -> list[Task]:
        async def act() -> list[Task]:
            if "read:tasks" in self.lacking:
                return []
            return [task for task in self.tasks.values() if task.org_id == org_id and task.name == name]

        return await self._do("find_tasks", (org_id, name), act)

    async def create_task(self, org_id: str, flux: str, description: str) -> Task:
        async def act() -> Task:
            self._need("write:tasks")
            option = checked_option(flux)
            now = self.now().astimezone(UTC).replace(microsecond=0)
            task = Task(
                id=self._new_id(),
                org_id=org_id,
                owner_id=self.user.id if self.user else "",
                name=option["name"],
                status=TaskStatus.ACTIVE,
                description=description,
                flux=flux,
                every=option.get("every", ""),
                cron=option.get("cron", ""),
                offset=option.get("offset", ""),
                created_at=now,
                updated_at=now,
            )
            self.tasks[task.id] = task
            return task

        return await self._do("create_task", (org_id, flux, description), act)

    async def update_task(
        self, task_id: str, *, status: TaskStatus, flux: str | None = None, description: str | None = None
    ) -> Task:
        async def act() -> Task:
            task = self._task(task_id)
            self._need("write:tasks")
            changed = replace(task, status=status)
            if flux is not None:
                option = checked_option(flux)
                changed = replace(
                    changed,
                    flux=flux,
                    name=option["name"],
                    every=option.get("every", ""),
                    cron=option.get("cron", ""),
                    offset=option.get("offset", ""),
                )
            if description is not None:
                changed = replace(changed, description=description)
            if changed != task:
                changed = replace(changed, updated_at=self.now().astimezone(UTC))
            self.tasks[task_id] = changed
            return changed

        return await self._do("update_task", (task_id, status, flux, description), act)

    async def delete_task(self, task_id: str) -> None:
        async def act() -> None:
            self._task(task_id)
            self._need("write:tasks")
            del self.tasks[task_id]

        await self._do("delete_task", (task_id,), act)

    async def ast(self, flux: str) -> Mapping[str, Any]:
        async def act() -> Mapping[str, Any]:
            answer = self._recorded(flux)
            if answer["ast_error"] is not None:
                raise ScriptInvalid(*answer["ast_error"])
            assert answer["ast"] is not None, "only the check was taught for this script"
            found: Mapping[str, Any] = answer["ast"]
            return found

        return await self._do("ast", (flux,), act)

    async def check_script(self, org_id: str, flux: str) -> None:
        async def act() -> None:
            answer = self._recorded(flux)
            if answer["check_error"] is not None:
                raise ScriptInvalid(*answer["check_error"])

        await self._do("check_script", (org_id, flux), act)

    async def recent_runs(
        self, org_id: str, since: datetime, task_ids: Collection[str] | None = None, *, requested: bool = False
    ) -> list[Run]:
        async def act() -> list[Run]:
            self._need("read:orgs")
            found = [
                replace(run, error="", requested_at=run.requested_at if requested else None)
                for run in self.runs
                if run.finished_at is not None
                and run.started_at is not None
                and run.started_at >= since
                and (task_ids is None or run.task_id in task_ids)
            ]
            return sorted(found, key=lambda run: (run.scheduled_for, run.id))

        return await self._do("recent_runs", (org_id, since, task_ids), act)

    async def run_errors(self, org_id: str, since: datetime, run_ids: Collection[str]) -> dict[str, str]:
        async def act() -> dict[str, str]:
            self._need("read:orgs")
            return {run.id: run.error for run in self.runs if run.id in run_ids and run.error}

        return await self._do("run_errors", (org_id, since, run_ids), act)

    async def list_runs(self, task_id: str, limit: int, slot: datetime | None = None) -> list[Run]:
        async def act() -> list[Run]:
            self._task(task_id)
            self._need("read:tasks")
            mine = [run for run in self.runs if run.task_id == task_id and slot in (None, run.scheduled_for)]
            return sorted(mine, key=lambda run: (run.scheduled_for, run.id), reverse=True)[:limit]

        return await self._do("list_runs", (task_id, limit), act)

    async def get_run(self, task_id: str, run_id: str) -> Run:
        async def act() -> Run:
            self._task(task_id)
            self._need("read:tasks")
            return self._run(task_id, run_id)

        return await self._do("get_run", (task_id, run_id), act)

    async def run_log(self, task_id: str, run_id: str) -> list[LogLine]:
        async def act() -> list[LogLine]:
            self._need("read:tasks")
            run = self._run(task_id, run_id)
            if run.started_at is None:
                return []
            lines = [without_script("Started task from script: ..."), f"Completed({run.state.value})", run.error]
            return [LogLine(run.started_at.isoformat(), line) for line in lines if line]

        return await self._do("run_log", (task_id, run_id), act)

    async def start_run(self, task_id: str, slot: datetime) -> Run:
        """The run waits: it is up to the test to let it begin and end, by ``add_run`` or by changing ``runs``."""

        async def act() -> Run:
            task = self._task(task_id)
            self._need("write:tasks")
            if task.status is TaskStatus.INACTIVE:
                raise Invalid("InfluxDB: failed to force run: inactive task")
            run = Run(
                self._new_id(),
                task_id,
                RunState.SCHEDULED,
                slot.replace(microsecond=0),
                None,
                None,
                requested_at=self.now(),
            )
            self.runs.append(run)
            return run

        return await self._do("start_run", (task_id, slot), act)

    async def probe(self, org_id: str) -> frozenset[str]:
        async def act() -> frozenset[str]:
            ran = any(run.task_id in self.tasks for run in self.runs)
            hidden = {"read:buckets"} if ran else {"read:buckets", "read:tasks"}
            return frozenset(self.lacking - hidden)

        return await self._do("probe", (org_id,), act)

    async def close(self) -> None:
        self.closed = True

    # Inside

    async def _do(self, method: str, arguments: tuple[Any, ...], act: Callable[[], Awaitable[T]]) -> T:
        assert not self.closed, f"{method} after close"
        self.calls.append((method, arguments))
        faults = self._faults.get(method)
        fault = faults.pop(0) if faults else None
        if fault is not None and not fault.after_commit:
            raise fault.error
        answer = await act()
        if fault is not None:
            raise fault.error
        return answer

    def _new_id(self) -> str:
        self._next_id += 1
        return f"{self._next_id:016x}"

    def _task(self, task_id: str) -> Task:
        if task_id not in self.tasks:
            raise NotFound("InfluxDB: failed to find task: task not found")
        return self.tasks[task_id]

    def _run(self, task_id: str, run_id: str) -> Run:
        found = [run for run in self.runs if (run.task_id, run.id) == (task_id, run_id)]
        if not found:
            raise NotFound("InfluxDB: failed to find run: run not found")
        return found[0]

    def _need(self, right: str) -> None:
        if right in self.lacking:
            raise Forbidden(f"InfluxDB: the token has no right {right}", right)

    def _recorded(self, script: str) -> dict[str, Any]:
        answer = self._scripts.get(key_of(script))
        assert answer is not None, (
            "the fake does not know this script; add it to tests/support/scripts and record it with "
            f"`python -m tests.support.record_scripts`, or teach() it:\n{script}"
        )
        return answer
