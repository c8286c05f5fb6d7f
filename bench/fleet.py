"""Fifty pipelines of ten stages over windows of thirty seconds: what the operator itself needs for a window."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.clients import Kube
from bench.figures import Figure, percentile
from bench.plans import LAYERS
from bench.processes import Operator, bare
from bench.prometheus import Scrape
from bench.setup import fresh, run, say
from bench.site import Site
from bench.waiting import in_ledger, new, ready_pipeline
from bench.windows import LEDGER, PIPELINES, pipeline, rfc3339

COUNT = int(os.environ.get("BENCH_PIPELINES", "50"))
EVERY = 30
"""Seconds."""
BEHIND = 10
"""Windows of each stage that have closed before the pipelines are let go."""
STEADY_SECONDS = float(os.environ.get("BENCH_STEADY_SECONDS", "60"))
IMPORTS = 'import "array"\n'
SCRIPT = "array.from(rows: [{_time: v.timeRangeStart, _value: 1.0}])\n"
MIB = 1 << 20


def measure(logs: Path) -> list[Figure]:
    """First what had closed, as fast as it goes; then as windows close; then a bare loop of as many queries."""
    size = COUNT * len(LAYERS)
    with fresh(0, "1h") as (stack, site):
        stack.influx.call("POST", "/api/v2/buckets", {"orgID": site.org_id, "name": LEDGER, "retentionRules": []})
        with Operator(stack, logs / "operator-fleet.log") as operator:
            names = [f"fleet-{number:02d}" for number in range(COUNT)]
            say(f"{COUNT} pipelines of {len(LAYERS)} stages")
            begin = datetime.now(UTC).replace(microsecond=0)
            new(site, PIPELINES, *(pipeline(name, _spec(begin)) for name in names))
            for name in names:
                ready_pipeline(site, name, timeout=180.0)
            idle = operator.rss()
            before = _run(operator.scrape())
            cpu, began = operator.cpu(), time.monotonic()
            run(_let_go(site, names))
            least = before + size * BEHIND
            caught_up = operator.reach(_run, least, 300.0, every=0.5)
            figures = _caught_up(operator, before, cpu, caught_up - began)
            operator.wait(lambda scrape: scrape.total("influxops_agenda_depth") < size, 120.0, 0.5)
            figures += _steady(site, operator, idle)
        say("the bare loop: as many queries")
        windows = [(rfc3339(begin), rfc3339(begin + timedelta(seconds=EVERY)))] * (size * BEHIND)
        base = bare(site, "windows", imports=IMPORTS, script=SCRIPT, windows=windows, workers=16).result
    return _beside(figures, base, len(windows))


def _spec(begin: datetime) -> dict[str, Any]:
    return {
        "suspend": True,
        "window": {"every": f"{EVERY}s"},
        "begin": rfc3339(begin - timedelta(seconds=EVERY * (BEHIND + 1))),
        "stages": [
            {"name": name, "dependsOn": list(after), "flux": IMPORTS + SCRIPT} for name, after in LAYERS.items()
        ],
    }


async def _let_go(site: Site, names: list[str]) -> None:
    async with Kube(site) as kube:
        for name in names:
            patch = {"spec": {"suspend": False}}
            await kube.call("PATCH", f"{PIPELINES}/{name}", patch, content="application/merge-patch+json")


def _run(scrape: Scrape) -> float:
    return scrape.total("influxops_windows_total", result="success")


def _caught_up(operator: Operator, before: float, cpu: float, took: float) -> list[Figure]:
    scrape = operator.scrape()
    done, used = _run(scrape) - before, operator.cpu() - cpu
    lag = 1000 * scrape.total("influxops_event_loop_lag_seconds")
    rate = f"{done / took:.0f} windows/s"
    return [
        Figure("fleet_window", int(done), 1000 * took / done, "ms", None, rate),
        Figure("fleet_cpu", int(done), 1000 * used / done, "ms", None, "processor time a window, catching up"),
        Figure("fleet_lag_busy", int(done), lag, "ms", None, "latest that the event loop was, catching up"),
    ]


def _steady(site: Site, operator: Operator, idle: int) -> list[Figure]:
    say(f"caught up; watching for {STEADY_SECONDS:.0f} s, load {os.getloadavg()[0]:.1f}")
    before, cpu, began, since = _run(operator.scrape()), operator.cpu(), time.monotonic(), time.time()
    time.sleep(max(STEADY_SECONDS, 2.0 * EVERY))  # at least one wave of windows
    scrape = operator.scrape()
    done, used, took = _run(scrape) - before, operator.cpu() - cpu, time.monotonic() - began
    lag = 1000 * scrape.total("influxops_event_loop_lag_seconds")
    ended = [one.finished - one.stop for one in in_ledger(site, 1) if one.stop >= since]
    count, rate = int(done), f"{done / took:.0f} windows/s"
    return [
        Figure("fleet_steady_cpu", count, 100 * used / took, "%", None, f"of one core; {rate}"),
        Figure("fleet_steady_window", count, 1000 * used / done, "ms", None, "processor time a window, as they close"),
        Figure("fleet_lag", count, lag, "ms", None, "latest that the event loop was in the last minute"),
        Figure(
            "fleet_delay",
            len(ended),
            percentile(ended, 95),
            "s",
            None,
            f"from the end of a window to the end of its stage; median {percentile(ended, 50):.2f} s",
        ),
        Figure(
            "fleet_memory",
            count,
            operator.rss() / MIB,
            "MiB",
            idle / MIB,
            "beside the same pipelines before any window has run",
        ),
    ]


def _beside(figures: list[Figure], base: dict[str, Any], count: int) -> list[Figure]:
    """The bare loop's wall and processor time a query, beside the figures that have one."""
    bases = {"fleet_window": base["seconds"], "fleet_cpu": base["cpu"], "fleet_steady_window": base["cpu"]}
    found = []
    for one in figures:
        beside = 1000 * bases[one.name] / count if one.name in bases else one.baseline
        found.append(Figure(one.name, one.objects, one.value, one.unit, beside, one.note))
        say(f"{one.name} {one.value:.2f} {one.unit}" + (f" (bare {beside:.2f})" if beside else "") + f"; {one.note}")
    return found
