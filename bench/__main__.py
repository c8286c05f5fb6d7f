"""``python -m bench --objects 1000,10000 --output build/bench.json``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from bench import agenda, backfill, busy, commands, fleet, scale, scenario
from bench.figures import Figure, show
from bench.setup import say
from devstack.errors import DevstackError

PARTS: dict[str, Callable[[Path], list[Figure]]] = {
    "commands": commands.measure,
    "busy": busy.measure,
    "backfill": backfill.measure,
    "late": backfill.measure_late,
    "agenda": agenda.measure,
    "fleet": fleet.measure,
    "scale": scale.measure,
}
"""What ``--only`` may name, besides ``sizes``."""
_APART = {"late", "scale"}
"""Parts that are measured when they are asked for: another measures it, too; it takes most of an hour."""


def main() -> int:
    """Measure, print the table, write the JSON after each size. A missed target is no failure: the table tells of it."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--objects", default="1000,10000", help="numbers of InfluxTasks, separated by commas")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"), help="where the JSON goes")
    parser.add_argument("--only", choices=("sizes", *PARTS), help="leave out the other parts")
    arguments = parser.parse_args()
    logs = arguments.output.parent / "bench-logs"
    logs.mkdir(parents=True, exist_ok=True)
    for log in logs.glob("*.log"):
        log.unlink()
    say(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; logs in {logs}")
    figures: list[Figure] = []
    try:
        for size in [int(text) for text in arguments.objects.split(",")] if arguments.only in {None, "sizes"} else []:
            figures += scenario.measure(size, logs)
            _write(figures, arguments.output)
        for name, measure in PARTS.items():
            if arguments.only == name or (arguments.only is None and name not in _APART):
                figures += measure(logs)
                _write(figures, arguments.output)
    except DevstackError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if figures:
            show(figures, Console(width=None if sys.stdout.isatty() else 160))
    print(f"written to {arguments.output}")
    return 0


def _write(figures: list[Figure], output: Path) -> None:
    output.write_text(json.dumps([figure.to_json() for figure in figures], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
