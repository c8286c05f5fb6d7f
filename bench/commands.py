"""The commands that people wait for: ``influxops plan`` and ``influxops validate`` of 1,000 manifests, start included."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Figure
from bench.objects import stored_script, surroundings, task
from bench.processes import Operator, bare
from bench.scenario import EVERY, wait_until_ready
from bench.setup import fresh, say
from bench.site import Site
from influxops.validate.node import NodeParser

OBJECTS = 1000
TIMES = 3


def measure(logs: Path) -> list[Figure]:
    """Both figures; the best of three, as the disk and the compiler's caches warm up with the first."""
    say(f"{OBJECTS} objects: fresh servers for the commands")
    with fresh(OBJECTS, EVERY) as (stack, site):
        with Operator(stack, logs / "operator-commands.log") as operator:
            wait_until_ready(OBJECTS, site, operator)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _write(folder, site)
            figures = [_plan(folder, site), _validate(folder, site)]
    for figure in figures:
        say(f"{figure.name} {figure.value:.2f} {figure.unit} (bare loop {figure.baseline:.2f})")
    return figures


def _write(folder: Path, site: Site) -> None:
    """The manifests of a repository: a file a task, and the connection. JSON is YAML; the scripts stand in blocks."""
    for number in range(OBJECTS):
        body = task(number, site.bucket, EVERY)
        flux = body["spec"].pop("flux")
        block = "".join(f"    {line}\n" for line in flux.splitlines())
        head = "".join(f"{key}: {json.dumps(value)}\n" for key, value in body.items() if key != "spec")
        spec = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in body["spec"].items())
        (folder / f"task-{number:05d}.yaml").write_text(f"{head}spec:\n{spec}  flux: |\n{block}", encoding="utf-8")
    for number, (_, body) in enumerate(surroundings(site)):
        (folder / f"other-{number}.yaml").write_text(json.dumps(body), encoding="utf-8")


def _plan(folder: Path, site: Site) -> Figure:
    """Nothing to do; the bare loop lists both sides once, from the start of its process."""
    done, seconds = _best("plan", "-f", str(folder))
    if f"{OBJECTS} unchanged, 0 held back, 0 errors" not in done.stdout:
        raise RuntimeError(f"the plan is not empty: {done.stdout[-2000:]}")
    return Figure("plan", OBJECTS, seconds, "s", bare(site, "restart").seconds, "nothing to do, start included")


def _validate(folder: Path, site: Site) -> Figure:
    """All good or warned of; the bare loop has the compiler check the same scripts, and does nothing else."""
    done, seconds = _best("validate", str(folder))
    if f"{OBJECTS} scripts: 0 errors" not in done.stdout:
        raise RuntimeError(f"the manifests are not valid: {done.stdout[-2000:]}")
    scripts = [stored_script(number, site.bucket, EVERY) for number in range(OBJECTS)]
    started = time.perf_counter()
    asyncio.run(_compile(scripts))
    return Figure("validate", OBJECTS, seconds, "s", time.perf_counter() - started, "offline, start included")


async def _compile(scripts: list[str]) -> None:
    parser = NodeParser()
    try:
        await parser.check(scripts)
    finally:
        await parser.close()


def _best(*arguments: str) -> tuple[subprocess.CompletedProcess[str], float]:
    program = str(Path(sys.executable).with_name("influxops"))
    runs = []
    for _ in range(TIMES):
        started = time.perf_counter()
        done = subprocess.run(
            [program, *arguments], check=False, capture_output=True, text=True, env=dict(os.environ), timeout=300
        )
        runs.append((time.perf_counter() - started, done))
    seconds, done = min(runs, key=lambda one: one[0])
    return done, seconds
