"""What a soak came to, as JSON and as markdown."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

from bench.figures import percentile
from bench.slope import Slope, fit
from tests.soak.replicas import FIGURES, Life
from tests.soak.run import Outcome
from tests.soak.schedule import ENDINGS

WARM_UP = 300.0
"""Seconds of a life in which it grows by what it learns; they are left out of its slopes."""
LEAST = 600.0
"""Seconds that a life must have left, for a slope by the hour to mean anything."""
UNITS = {"memory": "MiB", "descriptors": "", "sockets": "", "threads": "", "tasks": ""}


@dataclass(frozen=True, slots=True)
class Growth:
    """How a process grew after its warm-up."""

    life: str
    seconds: float
    """Of the samples."""
    led: float
    """Share of the samples in which it led."""
    slopes: dict[str, Slope]
    peak: float
    """MiB at most, of its whole life."""


def growth(life: Life) -> Growth | None:
    """None for a life too short to tell."""
    samples = [one for one in life.samples if one.at - life.began >= WARM_UP]
    if not samples or samples[-1].at - samples[0].at < LEAST:
        return None
    led = sum(one.leads for one in samples) / len(samples)
    # Who leads has more connections than who stands by: a change of role is no growth, so one role is looked at.
    samples = [one for one in samples if one.leads == (led >= 0.5)]
    slopes = {}
    for place, name in enumerate(FIGURES):
        slope = fit([(one.at, one.values[place]) for one in samples])
        if slope is not None:
            slopes[name] = slope
    peak = max(one.values[0] for one in life.samples)
    return Growth(life.name, samples[-1].at - samples[0].at, led, slopes, peak)


def report(outcome: Outcome) -> dict[str, Any]:
    """Everything, for build/soak.json."""
    plan, tape, replicas = outcome.plan, outcome.made.tape, outcome.replicas
    begun = outcome.storm[0]
    calm = [took for asked, took in outcome.observer.ready if asked < begun - 1 and asked > begun - plan.calm]
    stormy = [took for asked, took in outcome.observer.ready if asked >= begun > 0]
    return {
        "seed": plan.seed,
        "minutes": plan.minutes,
        "objects": plan.objects,
        "live": outcome.live,
        "settle_in_seconds": round(outcome.settle_in, 1),
        "faults": dict(sorted(Counter(str(one.strike.kind) for one in outcome.striker.struck).items())),
        "struck_requests": sum(one.requests for one in outcome.striker.struck),
        "changes": dict(sorted(outcome.users.done.items())),
        "changes_refused": dict(sorted(outcome.users.refused.items())),
        "spec_to_ready": {"without faults": _times(calm), "in the storm": _times(stormy)},
        "converged_seconds": round(outcome.converged, 1),
        "quiet_seconds": round(outcome.quiet, 1),
        "windows": outcome.windows,
        "windows_again": tape.book.repeated(),
        "windows_again_after_a_change_of_leader": outcome.excused,
        "requests": dict(tape.requests),
        "writes": dict(tape.written),
        "operators": len(replicas.lives),
        "ended_by_faults": sum(one.strike.kind in ENDINGS for one in outcome.striker.struck),
        "metrics": {
            "reconciles": replicas.total("influxops_reconcile_total"),
            "drift corrected": replicas.total("influxops_drift_corrected_total"),
            "sweeps failed": replicas.total("influxops_sweep_failures_total"),
            "sweeps": replicas.total("influxops_sweep_duration_seconds_count"),
            "leases gained": replicas.total("influxops_lease_transitions_total", direction="gained"),
            "leases lost": replicas.total("influxops_lease_transitions_total", direction="lost"),
        },
        "load": _load(),
        "growth": [_growth_json(one) for one in map(growth, replicas.lives) if one is not None],
        "memory": {life.name: _by_minute(life) for life in replicas.lives},
        "problems": outcome.problems,
    }


def _by_minute(life: Life) -> list[tuple[int, float, float]]:
    """Of each minute of a life that was looked at: which, the share of it that it led, and MiB at most."""
    minutes: dict[int, list[tuple[bool, float]]] = {}
    for one in life.samples:
        minutes.setdefault(int((one.at - life.began) // 60), []).append((one.leads, one.values[0]))
    return [
        (minute, round(sum(leads for leads, _ in looks) / len(looks), 2), round(max(mib for _, mib in looks), 1))
        for minute, looks in sorted(minutes.items())
    ]


def _times(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {"count": 0}
    named = {f"p{share}": round(percentile(seconds, share), 2) for share in (50, 95, 99)}
    return {"count": len(seconds), **named, "max": round(max(seconds), 2)}


def _growth_json(one: Growth) -> dict[str, Any]:
    return {
        "process": one.life,
        "minutes": round(one.seconds / 60, 1),
        "led": round(one.led, 2),
        "peak_mib": round(one.peak, 1),
        **{
            name: {
                "per_hour": round(slope.per_hour, 2),
                "error": round(slope.error, 2),
                "first": round(slope.first, 1),
                "last": round(slope.last, 1),
            }
            for name, slope in one.slopes.items()
        },
    }


def _load() -> float:
    return round(os.getloadavg()[2], 1)


def markdown(found: dict[str, Any]) -> str:
    """The table for docs/reliability.md."""
    ready, metrics = found["spec_to_ready"], found["metrics"]
    faults, changes = sum(found["faults"].values()), sum(found["changes"].values())
    excused = found["windows_again_after_a_change_of_leader"]
    refused = sum(found["changes_refused"].values())
    rows = [
        ("length of the storm, seed", f"{found['minutes']:g} min, {found['seed']}"),
        ("objects at the end", f"{found['live']}"),
        ("faults", f"{faults} of {len(found['faults'])} kinds; {found['struck_requests']} requests and watches struck"),
        ("users' changes", f"{changes} done, {refused} given up or refused (server away, object gone)"),
        ("operators started", f"{found['operators']}; leases gained {metrics['leases gained']:.0f}"),
        ("all as the objects say, after the last fault", f"{found['converged_seconds']:g} s"),
        ("no write on either side, at the end", f"{found['quiet_seconds']:g} s"),
        ("spec to Ready without faults", _row(ready["without faults"])),
        ("spec to Ready in the storm", _row(ready["in the storm"])),
        (
            "windows of pipelines and backfills",
            f"{found['windows']}; {found['windows_again']} ran again, {excused} of them after a change of the leader",
        ),
        ("visits, corrected drift", f"{metrics['reconciles']:.0f}, {metrics['drift corrected']:.0f}"),
        ("sweeps, failed ones, since each lease was lost", f"{metrics['sweeps']:.0f}, {metrics['sweeps failed']:.0f}"),
        ("requests through the proxies", ", ".join(f"{name} {count}" for name, count in found["requests"].items())),
        ("load average of the last 15 minutes", f"{found['load']}"),
        ("oracles violated", f"{len(found['problems'])}"),
    ]
    lines = ["| figure | value |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows), ""]
    kinds = ", ".join(f"{name} {count}" for name, count in found["faults"].items())
    lines += [
        f"Faults: {kinds}.",
        "",
        f"Changes: {', '.join(f'{name} {n}' for name, n in found['changes'].items())}.",
        "",
    ]
    if found["growth"]:
        lines += [
            "| process | minutes | led | " + " | ".join(f"{name} an hour" for name in FIGURES) + " | peak |",
            "| --- | --- | --- |" + " --- |" * (len(FIGURES) + 1),
        ]
    for one in found["growth"]:
        cells = [_slope(one[name], UNITS[name]) for name in FIGURES if name in one]
        lines.append(
            f"| {one['process']} | {one['minutes']:g} | {100 * one['led']:.0f} % | {' | '.join(cells)} | {one['peak_mib']:g} MiB |"
        )
    return "\n".join([*lines, ""])


def _slope(one: dict[str, float], unit: str) -> str:
    unit = f" {unit}" if unit else ""
    return f"{one['per_hour']:+.1f} ± {one['error']:.1f}{unit} ({one['first']:g} to {one['last']:g})"


def _row(times: dict[str, float]) -> str:
    if not times["count"]:
        return "none"
    return f"p50 {times['p50']:g} s, p95 {times['p95']:g} s, p99 {times['p99']:g} s, max {times['max']:g} s of {times['count']}"
