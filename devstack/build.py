"""Build the servers once per version, outside the checkout, with progress that a person can follow.

``<cache>/servers/<key>/bin/<binary>``: a binary appears there by rename, so it is whole or not there, and a lock
keeps two processes from building the same thing. The module is copied away before, so nothing lands in the checkout.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from devstack import toolchain
from devstack.errors import BuildFailed
from devstack.locks import waiting_for
from devstack.paths import cache_directory, tail
from devstack.progress import Progress, elapsed
from devstack.recipes import Recipe


def built(recipe: Recipe, binary: str) -> Path:
    """Where a binary of this recipe lies once it is built."""
    return cache_directory() / "servers" / recipe.key / "bin" / binary


def build(recipe: Recipe, binaries: tuple[str, ...], progress: Progress, *, counter: str = "1 of 1") -> None:
    """Build those of the recipe's binaries that are not in the cache yet.

    The compilers must be there (:func:`devstack.toolchain.require`). Raises BuildFailed when one fails.
    """
    servers = cache_directory() / "servers"
    what = f"{', '.join(binaries)} {recipe.version}"
    begin = time.monotonic()

    def waiting() -> None:
        progress.tick(f"waiting for another process that builds {what} ({elapsed(time.monotonic() - begin)})")

    with waiting_for(servers / f"{recipe.key}.lock", waiting):
        missing = tuple(name for name in binaries if not built(recipe, name).exists())
        if not missing:
            return
        scratch = servers / f".build-{recipe.key}"
        shutil.rmtree(scratch, ignore_errors=True)  # of a build that was killed
        log = servers / f"{recipe.key}.log"
        try:
            _compile(recipe, missing, scratch, log, progress, f"building {what} ({counter})")
            for name in missing:
                target = built(recipe, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                (scratch / "bin" / name).replace(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _compile(
    recipe: Recipe, binaries: tuple[str, ...], scratch: Path, log: Path, progress: Progress, title: str
) -> None:
    source, output = scratch / "source", scratch / "bin"
    source.mkdir(parents=True)
    output.mkdir()
    for path in recipe.sources():
        shutil.copy(path, source)
    env = toolchain.environment(recipe, scratch)
    begin = time.monotonic()
    progress.say(f"{title}: the first time takes minutes; log: {log}")

    def tick() -> None:
        progress.tick(f"{title}: {elapsed(time.monotonic() - begin)}  {tail(log, 1)[:60]}")

    log.write_text("")
    helper = toolchain.helper_command(recipe, scratch)
    programs = tuple(name for name in binaries if name in recipe.packages)
    for command in [*([helper] if helper else []), *([recipe.arguments(output, programs)] if programs else [])]:
        code = _run(command, cwd=source, env=env, log=log, tick=tick)
        if code != 0:
            raise BuildFailed(
                f"{title} failed with exit code {code} after {elapsed(time.monotonic() - begin)}. "
                f"The end of {log}:\n{tail(log)}"
            )
    for name in set(binaries) - set(programs):
        shutil.copyfile(_module_directory(recipe, source, env) / recipe.files[name], output / name)
    progress.say(f"{title}: done in {elapsed(time.monotonic() - begin)}")


def _module_directory(recipe: Recipe, source: Path, env: dict[str, str]) -> Path:
    """Where Go keeps the sources of the recipe's module, which the build has fetched. Raises BuildFailed."""
    command = ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", recipe.module]
    done = subprocess.run(command, cwd=source, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not done.stdout.strip():
        raise BuildFailed(f"the sources of {recipe.module} are not found: {done.stderr.strip()}")
    return Path(done.stdout.strip())


def _run(command: list[str], *, cwd: Path, env: dict[str, str], log: Path, tick: Callable[[], None]) -> int:
    """Run a compiler, its output to the log, and end all of its processes if we are interrupted."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=0.5)
            tick()
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
