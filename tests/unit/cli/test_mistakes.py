"""What users type wrongly, before any server is asked."""

from __future__ import annotations

import sys

import pytest

from influxops.cli.main import main

TASK = "cpu"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("runs", TASK, "--since", "soon"), "--since: 'soon' is not a duration"),
        (("runs", TASK, "--since", "0s"), "not longer than nothing"),
        (("runs", TASK, "--limit", "0"), "--limit"),
        (("runs", TASK, "-o", "xml"), "'xml' is not one of"),
        (("runs", "connection/main"), "has no runs: name an InfluxTask"),
        (("logs", TASK, "x"), "is no id of a run"),
        (("retry", TASK), "Missing argument"),
        (("retry", TASK, "11ABDA6260D49000"), "is no id of a run"),
        (("run",), "Missing argument"),
        (("run", "--log-format", "json"), "No such option: --log-format"),
        (("run", TASK, "--at", "noon"), "--at: 'noon' is no time"),
        (("run", TASK, "--at", "2999-01-01T00:00:00Z"), "lies in the future"),
        (("run", TASK, "--timeout", "1mo"), "--timeout: 1mo has no fixed length"),
        (("tree", TASK, "-A"), "exclude each other"),
        (("approve", "pipeline/climate"), "never waits for an approval"),
        (("release", "influxbackfills/october"), "has nothing in InfluxDB to release"),
        (("release", "ipl/climate"), "an InfluxPipeline has nothing"),
        (("tree", "pod/x"), "no kind of influxops"),
        (("suspend", "task/"), "'task/' names no object"),
        (("reconcile", "task/cpu/status"), "names no object"),
        (("top", "--sort", "cost"), "'cost' is not one of"),
        (("top", "--since", "x"), "--since: 'x' is not a duration"),
    ],
)
def test_mistakes(
    arguments: tuple[str, ...],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit status 2, one sentence on stderr, nothing on stdout."""
    monkeypatch.setenv("KUBECONFIG", "/nowhere/config")
    monkeypatch.setattr(sys, "argv", ["influxops", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert words in said.err


@pytest.mark.parametrize(
    "arguments",
    [("--cluster",), ("--cluster", "-f", "x.yaml"), ()],
    ids=["no kubeconfig", "both", "neither"],
)
def test_what_is_no_plan_is_not_taken_for_changes(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --detailed-exitcode 2 means that there are changes, and a pipeline would go on to apply."""
    monkeypatch.setenv("KUBECONFIG", "/nowhere/config")
    monkeypatch.setattr(sys, "argv", ["influxops", "plan", *arguments, "--detailed-exitcode"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (1, "")
    assert "influxops: " in said.err
