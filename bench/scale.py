"""Ten connections, one of them dead and one slow: what that does to the other eight, with thousands of objects."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.clients import TASKS, Kube
from bench.crowd import (
    CONNECTION_COUNT,
    DEAD,
    PIPELINE_COUNT,
    POLICY_COUNT,
    SLOW,
    TASK_COUNT,
    Crowd,
    changed_script,
    crowd,
)
from bench.figures import Figure, percentile
from bench.following import Following
from bench.objects import task_name
from bench.processes import MIB, Bare, Operator, bare
from bench.prometheus import Scrape, influx_writes, kube_writes_by_kind
from bench.relay import Mode
from bench.setup import influx_metrics, is_ready, kube_metrics, run, say
from bench.site import SYNC_INTERVAL
from bench.slope import course, fit
from bench.windows import PIPELINES

SECONDS = float(os.environ.get("BENCH_SCALE_SECONDS", "600"))
"""How long specs change, once with a dead and a slow connection and once with all of them well."""
RATE = float(os.environ.get("BENCH_SCALE_RATE", "10"))
"""Changes of specs a second."""
PARTS = 10
"""Parts of the time in which specs change, of each of which the memory is told."""
STRIDE = 7919
"""Between the numbers of two tasks that are changed after each other: all have their turn before one has its second."""
MERGE = "application/merge-patch+json"


def measure(logs: Path) -> list[Figure]:
    """All figures of ``--only scale``."""
    say(
        f"scale: {TASK_COUNT} tasks, {POLICY_COUNT} policies, {PIPELINE_COUNT} pipelines on {CONNECTION_COUNT} connections"
    )
    with crowd() as made:
        orgs = {name: made.orgs[name].org_id for name in made.well}
        say("scale: the bare loop")
        base = bare(made.site, "crowd", orgs=orgs)
        say(
            f"scale: bare loop {base.seconds:.1f} s for {base.result['objects']} objects; fresh servers for the operator"
        )
    with crowd() as made:
        with Operator(made.stack, logs / "operator-scale.log") as operator:
            figures = run(_life(made, operator, base))
            _told(made)
        with Operator(made.stack, logs / "operator-scale-restart.log") as operator:
            figures += _restart(made, operator)
    for one in figures:
        beside = "" if one.baseline is None else f" (beside {one.baseline:.2f})"
        say(f"{one.name} {one.value:.2f} {one.unit}{beside}; {one.note}")
    return figures


async def _life(made: Crowd, operator: Operator, base: Bare) -> list[Figure]:
    objects = int(base.result["objects"])
    async with Following(made.site) as following, Kube(made.site) as kube:
        patience = 300.0 + TASK_COUNT * 0.15
        done = await following.until_ready(made.well, patience)
        converged, used = done - operator.started, operator.cpu()
        say(f"scale: the eight are Ready after {converged:.1f} s")
        slow = await following.until_ready([SLOW], patience) - operator.started
        await asyncio.to_thread(_told, made)  # that a thousand objects wait for the dead one is news only once
        begun = time.monotonic()
        broken = await _changes(made, following, kube, 1)
        made.dead.mode = made.slow.mode = Mode.PASS
        mended = time.monotonic()
        recovered = await following.until_ready([DEAD], patience) - mended
        say(f"scale: all are well, and what was behind the dead one is Ready, after {recovered:.1f} s")
        well = await _changes(made, following, kube, 2)
        memory = [one for one in operator.memory if one[0] >= begun]
        await _rest(kube)
    p99 = percentile(broken, 99)
    return [
        Figure(
            "scale_converge",
            objects,
            converged,
            "s",
            base.seconds,
            "of the eight that are well, beside a dead and a slow one",
        ),
        Figure("scale_converge_cpu", objects, used, "s", base.result["used"], "processor time until then"),
        Figure("scale_converge_slow", objects, slow, "s", None, "until that with answers 0.5 s late is Ready, too"),
        Figure("scale_change", len(broken), p99, "s", None, f"spec to Ready, {_spread(broken)}"),
        Figure("scale_isolation", len(broken), p99, "s", percentile(well, 99), f"with all ten well {_spread(well)}"),
        Figure(
            "scale_recovered", TASK_COUNT // 10, recovered, "s", None, "from the end of the outage until all is Ready"
        ),
        Figure("scale_memory", objects, operator.peak / MIB, "MiB", None, _growth(memory)),
    ]


def _growth(memory: list[tuple[float, float]]) -> str:
    grown = fit(memory)
    line = "" if grown is None else f"{grown.per_hour:+.1f} ± {grown.error:.1f} MiB an hour while specs change; "
    return f"{line}mean of each {PARTS}th part of that time {', '.join(f'{one:.0f}' for one in course(memory, PARTS))}"


def _spread(seconds: list[float]) -> str:
    return ", ".join(f"p{share} {percentile(seconds, share):.2f} s" for share in (50, 95, 99))


async def _changes(made: Crowd, following: Following, kube: Kube, turn: int) -> list[float]:
    """Change specs of tasks of the eight at a steady rate, whatever has become of those before; seconds to Ready of each."""
    well = [number for number in range(TASK_COUNT) if f"connection-{number % CONNECTION_COUNT}" in made.well]
    before, began = len(following.took), time.monotonic()
    say(f"scale: {RATE:g} changes a second for {SECONDS:.0f} s, load {os.getloadavg()[0]:.1f}")

    async def change(place: int) -> None:
        number = well[place * STRIDE % len(well)]
        name, asked = task_name(number), time.monotonic()
        script = changed_script(number, turn * 1000 + place // len(well))
        found = await kube.call("PATCH", f"{TASKS}/{name}", {"spec": {"flux": script}}, content=MERGE)
        following.asked(name, found["metadata"]["generation"], asked)

    async with asyncio.TaskGroup() as group:
        for place in range(int(SECONDS * RATE)):
            await asyncio.sleep(max(0.0, began + place / RATE - time.monotonic()))
            group.create_task(change(place))
    limit = time.monotonic() + 120.0
    while following.waiting:
        following.check()
        if time.monotonic() > limit:
            raise TimeoutError(f"{following.waiting} changes are not Ready after 120 s")
        await asyncio.sleep(0.1)
    return following.took[before:]


async def _rest(kube: Kube) -> None:
    """Suspend the pipelines, so that nothing works by the clock any more, and wait until they are."""
    for number in range(PIPELINE_COUNT):
        await kube.call("PATCH", f"{PIPELINES}/pipeline-{number:02d}", {"spec": {"suspend": True}}, content=MERGE)
    limit = time.monotonic() + 120.0
    while left := [item for item in await kube.pages(PIPELINES) if not _suspended(item)]:
        if time.monotonic() > limit:
            raise TimeoutError(f"{len(left)} pipelines are not suspended after 120 s")
        await asyncio.sleep(0.5)


def _told(made: Crowd) -> None:
    """Wait until all that was to be told is told: what sweeps find goes into statuses within an interval."""
    say("scale: waiting until no status is written any more")
    limit = time.monotonic() + 300.0
    before = _statuses(made)
    while time.monotonic() < limit:
        time.sleep(SYNC_INTERVAL + 10.0)
        now = _statuses(made)
        if now == before:
            return
        before = now


def _statuses(made: Crowd) -> Counter[str]:
    """Writes to our kinds but pipelines: windows close also while one is suspended, and its status counts them."""
    found = kube_writes_by_kind(run(kube_metrics(made.site)))
    return Counter({kind: count for kind, count in found.items() if not kind.startswith("influxpipelines")})


def _suspended(item: dict[str, Any]) -> bool:
    return is_ready(item) and not ((item.get("status") or {}).get("windows") or {}).get("running")


def _restart(made: Crowd, operator: Operator) -> list[Figure]:
    """Started again with all ten well and in sync."""
    say("scale: restart")
    influx, kube = influx_metrics(made.site), run(kube_metrics(made.site))
    done = operator.reach(_visited, float(TASK_COUNT), 120.0 + TASK_COUNT * 0.05)
    seconds = done - operator.started
    sweeps = 2.0 * CONNECTION_COUNT
    operator.reach(
        lambda scrape: scrape.total("influxops_sweep_duration_seconds_count"), sweeps, 4.0 * SYNC_INTERVAL, 1.0
    )
    in_influx = influx_writes(influx_metrics(made.site)) - influx_writes(influx)
    wrote = kube_writes_by_kind(run(kube_metrics(made.site))) - kube_writes_by_kind(kube)
    closing = wrote.pop("influxpipelines/status", 0)
    in_kube = sum(wrote.values())
    kinds = ", ".join(f"{name} {count}" for name, count in wrote.items())
    note = (
        f"{in_influx:.0f} to InfluxDB, {in_kube} to Kubernetes{f' ({kinds})' if kinds else ''}, up to the end of the second "
        f"sweeps; besides {closing} statuses of pipelines whose windows close meanwhile"
    )
    return [
        Figure("scale_restart", TASK_COUNT, seconds, "s", None, "until every task was found right"),
        Figure("scale_restart_writes", TASK_COUNT, in_influx + in_kube, "writes", 0.0, note),
    ]


def _visited(scrape: Scrape) -> float:
    return scrape.total("influxops_reconcile_total", kind="InfluxTask", outcome="Done")
