"""``make fault ID=...``: one plan of a matrix, one walk with a name, or one test, once more, with everything that passed the proxies.

``python -m tests.fault.again ID``. Ids of plans are those that pytest shows in brackets, a test's is its name, with its brackets;
without one, or with a wrong one, it tells which there are.
"""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.binaries import ensure
from devstack.progress import Progress
from devstack.stack import Stack
from tests.fault.matrices import KINDS, Kind, named
from tests.support.crash import Plan
from tests.support.nursery import REPOSITORY, Nursery
from tests.support.property.cases import CASES, Case
from tests.support.property.judge import Violated
from tests.support.property.machine import replay
from tests.support.property.real import RealWorld
from tests.support.stack import install_crds
from tests.support.world import SHOWN as RECORD_SHOWN

SHOWN = 40
"""Ids that are told at most."""
A_TEST = "test_"
"""How the id of a test begins."""
PYTEST = (sys.executable, "-m", "pytest", "-m", "", "-p", "no:randomly", "-p", "no:cacheprovider")


@contextmanager
def servers() -> Iterator[tuple[Stack, Nursery, Path]]:
    """Fresh ones, and a folder."""
    ensure(Progress())
    with tempfile.TemporaryDirectory() as folder, Stack.start(controller_manager=False, audit=False) as stack:
        install_crds(stack)
        nursery = Nursery()
        try:
            yield stack, nursery, Path(folder)
        finally:
            nursery.close()


def walk(case: Case) -> bool:
    """Walk a case on the real servers, and print what happened; True when nothing was wrong."""
    print(f"{case.name}: {case.why}")
    print("\n".join(line.strip() for line in case.steps.strip().splitlines()), flush=True)
    worlds: list[RealWorld] = []

    def make() -> RealWorld:
        worlds.append(RealWorld(stack, nursery, folder))
        return worlds[-1]

    with servers() as (stack, nursery, folder):
        try:
            replay(make, case.parsed())
        except Violated as error:
            print(f"PROBLEM {error}\nFAILED")
            return False
        finally:
            print("\n".join(line for world in worlds for line in world.record()))
    print("passed")
    return True


def run(kind: Kind, plan: Plan) -> bool:
    """Run a plan after its reference, and print what happened; True when nothing was wrong."""
    with servers() as (stack, nursery, folder), kind.build(stack, nursery, folder, [plan]) as matrix:
        result = matrix.result(plan.id, 600.0)
    print(f"{plan.id}: {kind.about}")
    print("\n".join(result.record))
    for problem in result.problems:
        print(f"PROBLEM {problem}")
    if result.problems:
        print(f"log of the operator, its end:\n{result.log[-8000:]}")
    print(f"{'FAILED' if result.problems else 'passed'} in {result.seconds:.1f} s")
    return not result.problems


def nodes_by_name() -> dict[str, str]:
    """The tests of this folder by name, brackets included, and where pytest finds them: those of leaders and of late requests have no plans."""
    listed = subprocess.run(
        [*PYTEST, "--collect-only", "-q", "tests/fault"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    nodes = [line for line in listed.stdout.splitlines() if "::" in line]
    return {node.rpartition("::")[2]: node for node in nodes}


def run_test(node: str) -> bool:
    """Run a test, and print what passed the proxies of each of its worlds; True when nothing was wrong."""
    environment = {**os.environ, RECORD_SHOWN: "1"}
    done = subprocess.run([*PYTEST, "-s", "-v", node], cwd=REPOSITORY, env=environment, check=False)
    return done.returncode == 0


def which(wanted: str) -> str:
    """What there is instead of a wrong id."""
    every = [plan.id for kind in KINDS.values() for plan in kind.plans] + [case.name for case in CASES]
    every += nodes_by_name() if wanted.startswith(A_TEST) else []
    parts = [part for part in (wanted, wanted.rpartition("-")[0]) if part]
    near = list(dict.fromkeys(one for part in parts for one in every if one.startswith(part)))[:SHOWN]
    near = near or difflib.get_close_matches(wanted, every, n=10, cutoff=0.4)
    lines = [f"There is no plan {wanted!r}." if wanted else "Which plan? make fault ID=..."]
    lines += ["Of much the same name:" if wanted else "", *(f"  {one}" for one in near)] if near else []
    for kind in KINDS.values():
        workloads = dict.fromkeys(plan.workload.name for plan in kind.plans)
        lines.append(f"{kind.name}: {len(kind.plans)} plans, {kind.about}; ids begin with {', '.join(workloads)}")
    lines.append(
        f"walks: {len(CASES)} with a name, what the random walks found: {', '.join(case.name for case in CASES)}"
    )
    lines.append(
        "tests: leaders, late requests and others without a plan; ids begin with test_, and ID=test_ lists them"
    )
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """The exit status: 0 passed, 1 failed, 2 there is no such plan."""
    wanted = arguments[0].strip() if arguments else ""
    found = named(wanted)
    case = next((one for one in CASES if one.name == wanted), None)
    if case is not None:
        return 0 if walk(case) else 1
    node = nodes_by_name().get(wanted) if wanted.startswith(A_TEST) else None
    if node is not None:
        return 0 if run_test(node) else 1
    if found is None:
        print(which(wanted), file=sys.stderr)
        return 2
    return 0 if run(*found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
