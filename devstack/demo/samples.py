"""What the demo applies, writes and reads."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import time
import urllib.request
from pathlib import Path

from devstack.errors import DevstackError
from devstack.state import State

ROOT = Path(__file__).parents[2]
NAMESPACE = "influxops-demo"


def kubectl(state: State, *arguments: str, stdin: str | None = None) -> str:
    """Run kubectl against the demo's API server. Raises DevstackError with what it said."""
    command = [state.kubectl, "--kubeconfig", state.kubeconfig, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise DevstackError(f"kubectl {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout


def install_crds(state: State) -> None:
    """Apply the CRDs and wait until they are served."""
    kubectl(state, "apply", "--server-side", "-f", str(ROOT / "crds"))
    kubectl(state, "wait", "--for=condition=Established", "--timeout=30s", "-f", str(ROOT / "crds"))


def apply(state: State) -> None:
    """Apply the samples as they are, with the token in a Secret and the connection's url of this machine."""
    kubectl(state, "apply", "-f", str(ROOT / "manifests/samples/namespace.yaml"))
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "influx-token", "namespace": NAMESPACE},
        "stringData": {"token": state.influx_token},
    }
    kubectl(state, "apply", "-f", "-", stdin=json.dumps(secret))
    manifests = kubectl(state, "kustomize", str(ROOT / "manifests/samples"))
    kubectl(state, "apply", "-f", "-", stdin=manifests.replace(_url_of(manifests), state.influx_url))


def _url_of(manifests: str) -> str:
    """The url that the sample connection names."""
    for line in manifests.splitlines():
        if line.strip().startswith("url:"):
            return line.split("url:", 1)[1].strip()
    raise DevstackError("manifests/samples has no InfluxConnection with a url")


def write_data(state: State) -> None:
    """Ten minutes of CPU usage of three hosts, every five seconds, and the climate of three rooms.

    The climate goes on ten minutes into the future, for the pipeline runs over windows that end while the demo is watched.
    """
    now = int(time.time())
    lines = []
    for second in range(now - 600, now, 5):
        for number, host in enumerate(("web-1", "web-2", "db-1")):
            usage = 50 + 30 * math.sin(second / 60 + number) + 5 * math.sin(second / 7)
            lines.append(f"cpu,host={host} usage={usage:.2f} {second}")
    for second in range(now - 600, now + 600, 5):
        for number, (sensor, room) in enumerate((("s1", "lab"), ("s2", "office"), ("s3", "oven"))):
            temperature = 20 + 4 * number + 2 * math.sin(second / 60 + number)
            humidity = 45 + 5 * math.sin(second / 90)
            lines.append(
                f"climate,sensor={sensor},room={room} temperature={temperature:.2f},humidity={humidity:.2f} {second}"
            )
    _post(state, "write?bucket=raw&precision=s", "\n".join(lines).encode(), "text/plain")


def read_rows(state: State) -> list[dict[str, str]]:
    """The newest rows of each host that the downsample wrote."""
    flux = (
        'from(bucket: "hourly") |> range(start: -15m) |> filter(fn: (r) => r._measurement == "cpu") '
        '|> tail(n: 3) |> group() |> sort(columns: ["host", "_time"]) |> keep(columns: ["_time", "host", "_value"])'
    )
    body = json.dumps({"query": flux, "dialect": {"annotations": []}}).encode()
    text = _post(state, "query?", body, "application/json")
    return [row for row in csv.DictReader(io.StringIO(text.strip())) if row.get("host")]


def _post(state: State, path: str, body: bytes, content_type: str) -> str:
    request = urllib.request.Request(
        f"{state.influx_url}/api/v2/{path}&org={state.influx_org}",
        data=body,
        headers={"Authorization": f"Token {state.influx_token}", "Content-Type": content_type},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text: str = answer.read().decode()
            return text
    except OSError as error:
        raise DevstackError(f"InfluxDB at {state.influx_url} did not answer: {error}") from error
