"""``make prove``: the long proofs in parts, each under an hour; what has passed with this code is not run again.

``python -m tests.support.prove [PART...]``. Ends with the sums of the matrices and the figures that tests measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests.support.figures import newest
from tests.support.proofs import PROVING, REPOSITORY, Plans, totals

FAULT = "tests/fault"
OPERATOR = "tests/integration/operator"
PARTS: dict[str, tuple[str, ...]] = {
    "crashes": (f"{FAULT}/test_crash_matrix.py",),
    "windows": (f"{FAULT}/test_window_crash_matrix.py",),
    "stale": tuple(f"{FAULT}/test_{name}.py" for name in ("stale_matrix", "stale_reads", "setback", "blindness")),
    "leaders": (
        *(
            f"{FAULT}/test_{name}.py"
            for name in ("leaders", "lease_matrix", "late_writes", "late_windows", "two_believers", "stale_leader")
        ),
        *(f"{OPERATOR}/test_{name}.py" for name in ("lease", "pipeline_leaders", "shards")),
    ),
    "replies": (f"{FAULT}/test_lost_replies.py", f"{FAULT}/test_reruns.py"),
}
"""Name -> the files whose tests it runs, those of `make test` among them, so that the sums are whole."""
REST = "rest"
"""All other tests with the mark ``prove``."""


def command(part: str) -> list[str]:
    """How pytest runs a part."""
    named = [path for paths in PARTS.values() for path in paths]
    chosen = [*PARTS[part], "-m", ""] if part in PARTS else ["-m", "prove", *(f"--ignore={path}" for path in named)]
    return [sys.executable, "-m", "pytest", "-p", "tests.support.proven", "-p", "no:randomly", *chosen]


def main(arguments: list[str]) -> int:
    """Run the parts, and print what came out."""
    unknown = [part for part in arguments if part not in {*PARTS, REST}]
    if unknown:
        print(f"there is no part {' '.join(unknown)}; there are {', '.join([*PARTS, REST])}", file=sys.stderr)
        return 2
    worst = 0
    for part in arguments or [*PARTS, REST]:
        began = time.monotonic()
        status = subprocess.run(
            command(part), cwd=REPOSITORY, env={**os.environ, PROVING: part}, check=False
        ).returncode
        none_left = status == pytest.ExitCode.NO_TESTS_COLLECTED
        words = {0: "passed", 2: "not all is done: run it again to go on", 5: "nothing is left to do"}
        word = words.get(status, f"pytest ended with {status}")
        print(f"== {part}: {word}, {(time.monotonic() - began) / 60:.1f} minutes", flush=True)
        worst = max(worst, 0 if none_left else status)
    tell()
    return worst


def tell() -> None:
    """The sums of the matrices with this code, and all figures."""
    form = "{:14} {:>6} {:>7} {:>11} {:>8} {:>12} {:>9}"
    print(form.format("matrix", "plans", "passed", "duplicates", "orphans", "lost points", "minutes"))
    for one in totals(Plans.of_this_code().read()):
        sums = (one.plans, one.passed, one.duplicates, one.orphans, one.lost, round(one.seconds / 60))
        print(form.format(one.matrix, *sums))
    for name, figures in sorted(newest().items()):
        print(f"{name}: {', '.join(f'{key} {value}' for key, value in figures.items())}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
