"""Everything that is measured at one number of objects."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.figures import Figure, percentile
from bench.processes import Bare, Operator, bare
from bench.prometheus import Scrape, influx_requests, influx_writes, kube_writes
from bench.setup import (
    change_by_hand,
    create_until_ready,
    fresh,
    influx_metrics,
    kube_metrics,
    not_ready,
    run,
    say,
    still_changed,
)
from bench.site import SYNC_INTERVAL, Site

EVERY = "24h"
ONE_MORE = 20
DRIFTED = 100
IDLE_SECONDS = float(os.environ.get("BENCH_IDLE_SECONDS", "60"))
MIB = 1 << 20


class Baseline:
    """The bare loop's figures at one size, measured on servers of their own."""

    def __init__(self, objects: int, site: Site) -> None:
        self.converge = self._do(site, "converge")
        self.one_more = percentile(
            self._do(site, "one_more", first=objects, count=ONE_MORE, every=EVERY).result["seconds"], 95
        )
        self.sweep = self._do(site, "sweep").result
        self.drift = self._do(site, "drift", count=DRIFTED, every=EVERY).result["seconds"]
        self.restart = self._do(site, "restart").seconds
        self.idle = self._do(site, "idle", seconds=IDLE_SECONDS).result

    def _do(self, site: Site, work: str, **job: object) -> Bare:
        say(f"bare loop: {work}")
        return bare(site, work, **job)


def measure(objects: int, logs: Path) -> list[Figure]:
    """All figures but the busy ones."""
    say(f"{objects} objects: fresh servers for the bare loop")
    with fresh(objects, EVERY) as (_, site):
        base = Baseline(objects, site)
    say(f"{objects} objects: fresh servers for the operator")
    with fresh(objects, EVERY) as (stack, site):
        with Operator(stack, logs / f"operator-{objects}.log") as operator:
            figures = _first_life(objects, site, operator, base)
        with Operator(stack, logs / f"operator-{objects}-restart.log") as operator:
            figures[1:1] = _second_life(objects + ONE_MORE, site, operator, base)
    return [Figure(f.name, objects, f.value, f.unit, f.baseline, f.note) for f in figures]


def wait_until_ready(objects: int, site: Site, operator: Operator) -> float:
    """Wait until every InfluxTask is Ready; the seconds since the operator's start."""
    timeout = 120.0 + objects * 0.1
    wanted = float(objects)
    while True:
        done = operator.reach(_visited, wanted, timeout)
        missing = run(not_ready(site))
        if not missing:
            return done - operator.started
        wanted += len(missing)  # some were visited more than once
        timeout = 60.0


def _visited(scrape: Scrape) -> float:
    return scrape.total("influxops_reconcile_total", kind="InfluxTask", outcome="Done")


def _first_life(objects: int, site: Site, operator: Operator, base: Baseline) -> list[Figure]:
    figures: list[Figure] = []

    def add(name: str, value: float, unit: str, baseline: float | None = None, note: str = "") -> None:
        figures.append(Figure(name, objects, value, unit, baseline, note))
        say(f"{name} {value:.2f} {unit}" + ("" if baseline is None else f" (bare loop {baseline:.2f})"))

    say("operator: cold convergence")
    before = _writes(site)
    seconds = wait_until_ready(objects, site, operator)
    writes = _writes(site) - before
    if writes < 3 * objects:  # finalizer, task, status: fewer would mean that the servers' counts are misread
        raise RuntimeError(f"{objects} objects became Ready with {writes:.0f} writes: the counts cannot be right")
    note = f"processor time {operator.cpu():.1f} s, bare {base.converge.result['used']:.1f} s; {writes:.0f} writes"
    add("converge", seconds, "s", base.converge.seconds, note)
    say("operator: one more task")
    one_more = [run(create_until_ready(site, objects + number, EVERY)) for number in range(ONE_MORE)]
    add("one_more", percentile(one_more, 95), "s", base.one_more, f"median {percentile(one_more, 50):.3f} s")
    say("operator: tasks changed by hand")
    bare_drift = SYNC_INTERVAL + base.drift
    add("drift", _drift(site, operator), "s", bare_drift, f"{DRIFTED} tasks; the bare loop waits one interval")
    say(f"operator: idle for {IDLE_SECONDS:.0f} s")
    steady = _steady(site, operator)
    add("sweep", steady["seconds"], "s", base.sweep["seconds"])
    add("sweep_requests", steady["requests"], "requests", base.sweep["requests"], f"{steady['writes']:.0f} writes")
    add("idle_cpu", steady["cpu"] * 100, "%", base.idle["cpu"] * 100, f"{steady['sweeps']:.0f} sweeps")
    add("memory_peak", operator.peak / MIB, "MiB", base.converge.result["peak"] / MIB, "children included")
    add("memory_steady", operator.rss() / MIB, "MiB", base.idle["rss"] / MIB)
    return figures


def _drift(site: Site, operator: Operator) -> float:
    """The seconds from the last change by hand until all are mended."""
    before = operator.scrape().total("influxops_drift_corrected_total")
    right = run(change_by_hand(site, DRIFTED))
    changed = time.monotonic()
    operator.wait(
        lambda scrape: scrape.total("influxops_drift_corrected_total") - before >= DRIFTED, 4.0 * SYNC_INTERVAL
    )
    while run(still_changed(site, right)):
        time.sleep(0.5)
    return time.monotonic() - changed


def _writes(site: Site) -> float:
    """Writes to InfluxDB, and to our kinds in Kubernetes, as the servers count them."""
    return influx_writes(influx_metrics(site)) + kube_writes(run(kube_metrics(site)))


def _sweeps(operator: Operator) -> tuple[float, float]:
    scrape = operator.scrape()
    name = "influxops_sweep_duration_seconds"
    return scrape.total(f"{name}_count"), scrape.total(f"{name}_sum")


def _next_sweep(operator: Operator, every: float) -> tuple[float, float]:
    count = _sweeps(operator)[0]
    operator.wait(
        lambda scrape: scrape.total("influxops_sweep_duration_seconds_count") > count, 3.0 * SYNC_INTERVAL, every
    )
    return _sweeps(operator)


def _steady(site: Site, operator: Operator) -> dict[str, float]:
    """Whole sweeps with nothing to do: from the end of one to the end of another."""
    _events_told(operator)
    count, seconds = _next_sweep(operator, 0.2)
    influx, writes = influx_metrics(site), _writes(site)
    started, cpu = time.monotonic(), operator.cpu()
    time.sleep(IDLE_SECONDS - SYNC_INTERVAL / 2)
    later_count, later_seconds = _next_sweep(operator, 3.0)  # each look costs the operator a little
    elapsed, used = time.monotonic() - started, operator.cpu() - cpu
    later_influx, later_writes = influx_metrics(site), _writes(site)
    sweeps = later_count - count
    return {
        "sweeps": sweeps,
        "seconds": (later_seconds - seconds) / sweeps,
        "requests": (influx_requests(later_influx) - influx_requests(influx)) / sweeps,
        "writes": later_writes - writes,
        "cpu": used / elapsed,
    }


def _events_told(operator: Operator) -> None:
    """Wait until the Events of what went before are sent: five a second, so a thousand take minutes.

    The operator copies its count every 5 s.
    """

    def sent() -> float:
        return operator.scrape().total("influxops_kube_requests_total", verb="POST")

    limit = time.monotonic() + 300.0
    before = sent()
    while time.monotonic() < limit:
        time.sleep(12.0)
        now = sent()
        if now == before:
            return
        before = now


def _second_life(objects: int, site: Site, operator: Operator, base: Baseline) -> list[Figure]:
    """Started again with everything in sync: how long until all is known to be right, and whether anything is written."""
    say("operator: restart")
    influx, kube = influx_metrics(site), run(kube_metrics(site))
    seconds = wait_until_ready(objects, site, operator)
    operator.wait(lambda scrape: scrape.total("influxops_sweep_duration_seconds_count") >= 2, 3.0 * SYNC_INTERVAL, 1.0)
    later_influx, later_kube = influx_metrics(site), run(kube_metrics(site))
    in_influx = influx_writes(later_influx) - influx_writes(influx)
    in_kube = kube_writes(later_kube) - kube_writes(kube)
    say(f"restart {seconds:.2f} s (bare loop {base.restart:.2f}), {in_influx:.0f} + {in_kube:.0f} writes")
    note = f"{in_influx:.0f} to InfluxDB, {in_kube:.0f} to Kubernetes, up to the end of the second sweep"
    return [
        Figure("restart", objects, seconds, "s", base.restart),
        Figure("restart_writes", objects, in_influx + in_kube, "writes", 0.0, note),
    ]
