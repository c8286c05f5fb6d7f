"""``influxops graph -f`` as a process, without any cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import influxops

MANIFEST = """\
apiVersion: influxops.dev/v1alpha1
kind: InfluxPipeline
metadata:
  name: meters
spec:
  connectionRef: {name: main}
  window: {every: 1h, timezone: Europe/Berlin}
  stages:
    - name: clean
      flux: &flux |
        from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop) |> to(bucket: "clean")
    - name: daily
      dependsOn: [clean]
      window: {every: 1d}
      flux: *flux
"""
NOWHERE = {"KUBECONFIG": "/nowhere/config"}


def test_text() -> None:
    """Parents above children, each with its window."""
    done = influxops("graph", "-f", "-", stdin=MANIFEST, **NOWHERE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "┌───────────┐\n"
        "│   clean   │\n"
        "│ every 1h  │\n"
        "└─────┬─────┘\n"
        "      │\n"
        "      ▼\n"
        "┌───────────┐\n"
        "│   daily   │\n"
        "│ every 1d  │\n"
        "└───────────┘\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "[clean]",
            "[clan]",
            "standard input:13:7: spec.stages[1].dependsOn: there is no stage 'clan'; did you mean 'clean'?",
        ),
        ("every: 1d", "every: 90m", "standard input:14:7: spec.stages[1].window: stage clean: "),
        ("dependsOn", "dependOn", "standard input:13:7: spec.stages[1].dependOn: unknown field"),
        ("Europe/Berlin", "Europe/Berlim", "standard input:7:23: spec.window.timezone: "),
        ("name: clean", "name: Clean", "standard input:9:7: spec.stages[0].name: "),
        ("spec:", "spec", "is no valid YAML"),
    ],
)
def test_faults(old: str, new: str, words: str) -> None:
    """Each with its line and its path, exit status 1, and no drawing."""
    done = influxops("graph", "-f", "-", stdin=MANIFEST.replace(old, new, 1), **NOWHERE)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr


def test_which_one(tmp_path: Path) -> None:
    """A name is needed where a file holds several; mistakes are one sentence and exit status 2."""
    file = tmp_path / "two.yaml"
    file.write_text(f"{MANIFEST}---\n{MANIFEST.replace('meters', 'others')}")
    done = influxops("graph", "-f", file, **NOWHERE)
    assert (done.returncode, done.stdout) == (2, "")
    assert "name one of meters, others" in done.stderr
    out = tmp_path / "graph.mmd"
    done = influxops("graph", "others", "-f", file, "--format", "mermaid", "--out", out, **NOWHERE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "InfluxPipeline others" in out.read_text()
    for arguments, words in (
        ((), "name what to draw"),
        (("nobody", "-f", file), "holds no InfluxPipeline of the name nobody"),
    ):
        done = influxops("graph", *arguments, **NOWHERE)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
