"""Commands as users run them: a process with an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("influxops")
PLUGIN = Path(sys.executable).with_name("kubectl-influx")
COMPLETE = Path(sys.executable).with_name("kubectl_complete-influx")


def influxops(
    *arguments: object, stdin: str = "", program: Path = PROGRAM, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command. Of the variables of InfluxDB and Kubernetes it sees only those given; a traceback fails the test."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("INFLUX", "KUBECONFIG"))}
    done = subprocess.run(
        [str(program), *map(str, arguments)],
        check=False,
        input=stdin,
        env=env | variables,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def in_bash(line: str, **variables: str) -> list[str]:
    """What bash offers at the end of a line, once it has the script."""
    bash = shutil.which("bash")
    assert bash is not None, "these tests need bash"
    script = f"""
        source <({PROGRAM} completion bash)
        COMP_WORDS=({line})
        [[ {line!r} == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
        _influxops_completion {PROGRAM} >&2
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    env = {key: value for key, value in os.environ.items() if not key.startswith(("INFLUX", "KUBE"))}
    done = subprocess.run(
        [bash, "-c", script], env=env | variables, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()
