"""The process that renders templates: one JSON request a line in, one JSON answer a line out."""

from __future__ import annotations

import contextlib
import json
import resource
import sys

from influxops.core.template import TemplateFault, render_template

CPU_SECONDS = 600
"""Processor time after which the child ends whatever it does; a new one is started for the next template."""


def main() -> None:
    """Answer requests until standard input ends."""
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123  (pathlib costs memory here)
        in_use = int(statm.read().split()[0]) * resource.getpagesize()
    limit = in_use + int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:  # noqa: PTH123
        score.write("1000")  # where memory ends, this process goes and not the operator
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"text": render_template(request["source"], request["values"])}
        except TemplateFault as fault:
            answer = {"fault": str(fault)}
        except MemoryError:
            answer = {"fault": "it took more memory than a template may: make it smaller"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
