"""What people do all the time: kubectl at one end, the InfluxDB UI at the other."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from tests.soak.objects import BACKFILL, PIPELINE, POLICY, TASK, Sizes, backfill, policy, script, task
from tests.soak.observer import Item, Observer
from tests.soak.site import Site

PAUSE = 0.7
"""Mean seconds between two changes."""
BACKFILL_EVERY = 150.0
"""Seconds between two backfills, each of a block of windows before all that have run."""
BLOCK = timedelta(minutes=10)
PATIENCE = 10.0
"""Seconds after which people give up a request."""


class Users:
    """All of them as one, with a seed of their own."""

    def __init__(
        self, site: Site, observer: Observer, sizes: Sizes, seed: int, begin: datetime, backfills: int
    ) -> None:
        self.done: Counter[str] = Counter()
        """Changes by what they were."""
        self.refused: Counter[str] = Counter()
        """Changes that did not get through, by why."""
        self.problems: list[str] = []
        self.oldest = dict.fromkeys(pipelines(sizes), begin)
        """Start of the oldest window that each pipeline, or a backfill of it, was asked for."""
        self._site = site
        self._observer = observer
        self._sizes = sizes
        self._chance = random.Random(f"users {seed}")
        self._backfills = backfills
        self._days = 30
        self._number = sizes.tasks

    async def settle_in(self, pipeline_spec: Callable[[str], dict[str, Any]]) -> None:
        """Create everything there is at first."""
        gate = asyncio.Semaphore(16)

        async def one(kind: str, name: str, spec: dict[str, Any]) -> None:
            async with gate:
                await self._create(kind, name, spec)

        tasks = [one(TASK, f"task-{number:04d}", task(self._chance)) for number in range(self._sizes.tasks)]
        policies = [
            one(POLICY, f"policy-{number:02d}", policy(f"{number:02d}", self._days))
            for number in range(self._sizes.policies)
        ]
        await asyncio.gather(*tasks, *policies, *(one(PIPELINE, name, pipeline_spec(name)) for name in self.oldest))

    async def live(self) -> None:
        """Change things until cancelled."""
        next_backfill = time.monotonic() + BACKFILL_EVERY / 5
        while True:
            await asyncio.sleep(self._chance.expovariate(1 / PAUSE))
            if time.monotonic() > next_backfill and self._backfills > 0:
                next_backfill = time.monotonic() + BACKFILL_EVERY
                await self._try("backfill", self._backfill())
                continue
            (what,) = self._chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
            action: Callable[[], Awaitable[bool]] = getattr(self, f"_{what}")
            await self._try(what.replace("_", " "), action())

    async def rest(self) -> None:
        """End what works by the clock: tasks that run are suspended; pipelines go, for their windows close also while they are
        suspended, and their status tells how many wait.
        """
        for item in self._observer.of(TASK):
            if item["spec"].get("every") == "30s" and not item["spec"].get("suspend"):
                await self._patch(item, suspend=True)
        for kind in (BACKFILL, PIPELINE):
            for item in self._observer.of(kind):
                await self._site.admin.delete(kind, item["metadata"]["name"])

    async def resume(self) -> None:
        """No pipeline stays suspended by a user."""
        for item in self._observer.of(PIPELINE):
            if item["spec"].get("suspend"):
                await self._patch(item, suspend=False)

    async def _try(self, what: str, action: Awaitable[bool]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                if await action:
                    self.done[what] += 1
        except AssertionError as error:
            code = next((word for word in str(error).split() if word.isdigit() and len(word) == 3), "?")
            self.refused[code] += 1
            if code in {"400", "401", "403", "422", "?"}:
                self.problems.append(f"a user's {what} was refused: {error}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.refused[type(error).__name__] += 1

    # kubectl

    async def _create(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        asked = time.monotonic()
        self._observer.changed(await self._site.admin.create(kind, name, spec), asked)

    async def _patch(self, item: Item, /, **fields: Any) -> None:
        asked, kind, name = time.monotonic(), item["kind"], item["metadata"]["name"]
        changed = await self._site.admin.patch(kind, name, **fields)
        if changed["metadata"]["generation"] != item["metadata"]["generation"]:
            self._observer.changed(changed, asked)

    def _one(self, kind: str) -> Item | None:
        found = self._observer.of(kind)
        return self._chance.choice(found) if found else None

    async def _edit_script(self) -> bool:
        item = self._one(TASK)
        if item is None:
            return False
        await self._patch(item, flux=script(self._chance), template=None)
        return True

    async def _edit_description(self) -> bool:
        item = self._one(TASK)
        if item is None:
            return False
        await self._patch(item, description=f"edited {self._chance.randint(0, 999)}")
        return True

    async def _edit_schedule(self) -> bool:
        item = self._one(TASK)
        if item is None or item["spec"].get("every") == "30s":
            return False
        await self._patch(item, every=self._chance.choice(["24h", "30h", "36h", "48h", "72h"]), cron=None)
        return True

    async def _suspend_or_resume(self) -> bool:
        item = self._one(TASK)
        if item is None or "taskID" not in (item.get("status") or {}):
            return False
        await self._patch(item, suspend=not item["spec"].get("suspend", False))
        return True

    async def _create_task(self) -> bool:
        if len(self._observer.of(TASK)) >= self._sizes.tasks:
            return False
        self._number += 1
        name = f"task-{self._chance.randrange(self._sizes.tasks):04d}"  # now and then that of a former one
        if (TASK, name) in self._observer.objects:
            name = f"task-{self._number:04d}"
        await self._create(TASK, name, task(self._chance))
        return True

    async def _delete_task(self) -> bool:
        item = self._one(TASK)
        if item is None:
            return False
        await self._site.admin.delete(TASK, item["metadata"]["name"])
        return True

    async def _replace_task(self) -> bool:
        """Deleted, and created again at once, under the same name where that is free by then."""
        item = self._one(TASK)
        if item is None:
            return False
        name = item["metadata"]["name"]
        await self._site.admin.delete(TASK, name)
        await asyncio.sleep(self._chance.uniform(0, 1))
        await self._create(TASK, name, task(self._chance))
        return True

    async def _edit_policy(self) -> bool:
        item = self._one(POLICY)
        if item is None:
            return False
        self._days += 1  # only ever longer: a shorter one wants consent
        await self._patch(item, retention=f"{self._days}d")
        return True

    async def _replace_policy(self) -> bool:
        names = {f"policy-{number:02d}" for number in range(self._sizes.policies)}
        missing = sorted(names - {name for kind, name in self._observer.objects if kind == POLICY})
        if missing:
            name = self._chance.choice(missing)
            self._days += 1
            await self._create(POLICY, name, policy(name.removeprefix("policy-"), self._days))
            return True
        item = self._one(POLICY)
        if item is None:
            return False
        await self._site.admin.delete(POLICY, item["metadata"]["name"])
        return True

    async def _touch_pipeline(self) -> bool:
        item = self._one(PIPELINE)
        if item is None:
            return False
        if item["spec"].get("suspend"):
            await self._patch(item, suspend=False)
        elif self._chance.random() < 0.3:
            await self._patch(item, suspend=True)
        else:
            await self._patch(item, concurrency={"maxActiveWindows": self._chance.randint(1, 8)})
        return True

    async def _backfill(self) -> bool:
        name = self._chance.choice(sorted(self.oldest))
        stop = self.oldest[name]
        start = stop - BLOCK
        spec = backfill(name, start, stop)
        self._backfills -= 1
        await self._create(BACKFILL, f"{name}-{start:%H%M}", spec)
        self.oldest[name] = start
        return True

    # the UI of InfluxDB

    def _made(self) -> str:
        """The id of a task of ours; empty when there is none."""
        item = self._one(TASK)
        return str(((item or {}).get("status") or {}).get("taskID") or "")

    async def _edit_in_ui(self) -> bool:
        task_id = self._made()
        if not task_id:
            return False
        flux = str((await self._site.influxdb.call("GET", f"tasks/{task_id}"))["flux"])
        header, _, rest = flux.partition("\n")
        changed = rest.replace("5m", "7m") + "\n// edited by hand\n"
        kept = f"{header}\n" if self._chance.random() < 0.6 else ""  # the UI may lose the mark
        await self._site.influxdb.call("PATCH", f"tasks/{task_id}", {"flux": kept + changed})
        return True

    async def _switch_in_ui(self) -> bool:
        task_id = self._made()
        if not task_id:
            return False
        status = self._chance.choice(["active", "inactive"])
        await self._site.influxdb.call("PATCH", f"tasks/{task_id}", {"status": status})
        return True

    async def _describe_in_ui(self) -> bool:
        task_id = self._made()
        if not task_id:
            return False
        flux = (await self._site.influxdb.call("GET", f"tasks/{task_id}"))["flux"]  # nothing is changed without it
        await self._site.influxdb.call("PATCH", f"tasks/{task_id}", {"flux": flux, "description": "by hand"})
        return True

    async def _delete_in_ui(self) -> bool:
        task_id = self._made()
        if not task_id:
            return False
        await self._site.influxdb.call("DELETE", f"tasks/{task_id}")
        return True

    async def _shorten_in_ui(self) -> bool:
        """A bucket's retention made shorter by hand."""
        item = self._one(POLICY)
        bucket_id = ((item or {}).get("status") or {}).get("bucketID")
        if not bucket_id:
            return False
        rule = {"type": "expire", "everySeconds": 86_400, "shardGroupDurationSeconds": 3600}
        await self._site.influxdb.call("PATCH", f"buckets/{bucket_id}", {"retentionRules": [rule]})
        return True


_WEIGHTS = {
    "edit_script": 22,
    "edit_description": 8,
    "edit_schedule": 8,
    "suspend_or_resume": 8,
    "create_task": 12,
    "delete_task": 10,
    "replace_task": 6,
    "edit_policy": 5,
    "replace_policy": 4,
    "touch_pipeline": 2,
    "edit_in_ui": 8,
    "switch_in_ui": 4,
    "describe_in_ui": 3,
    "delete_in_ui": 4,
    "shorten_in_ui": 3,
}


def pipelines(sizes: Sizes) -> list[str]:
    """Names of the pipelines."""
    return [f"p{number}" for number in range(sizes.pipelines)]
