"""``python -m tests.soak --minutes 60 --objects 500 --seed 1 --output build/soak.json``."""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

from tests.soak.report import markdown, report
from tests.soak.run import Plan, say, soak


def main() -> int:
    """Run it, write JSON and markdown, print the table. Exit status 1 when an oracle was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long faults strike")
    parser.add_argument("--objects", type=int, default=500)
    parser.add_argument("--seed", type=int, default=None, help="of faults and users; by default another one each time")
    parser.add_argument("--calm", type=float, default=60.0, help="seconds with users and without faults, at first")
    parser.add_argument("--quiet", type=float, default=60.0, help="seconds without a write, at the end")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds in which all must come to rest")
    parser.add_argument("--output", type=Path, default=Path("build/soak.json"))
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    directory = given.output.parent / "soak-logs"
    directory.mkdir(parents=True, exist_ok=True)
    for log in directory.glob("*.log"):
        log.unlink()
    plan = Plan(given.minutes, given.objects, seed, given.calm, given.quiet, given.patience)
    found = report(soak(plan, directory))
    given.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    given.output.with_suffix(".md").write_text(markdown(found), encoding="utf-8")
    print(markdown(found))
    for problem in found["problems"]:
        print(f"PROBLEM: {problem}", file=sys.stderr)
    say(f"written to {given.output}; logs in {directory}; again with --seed {seed}")
    return 1 if found["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
