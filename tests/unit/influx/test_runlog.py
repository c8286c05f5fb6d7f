"""The cause of a failed run, out of a log whose first line holds the script."""

from __future__ import annotations

import json

from influxops.influx.runlog import MAX_ERROR, TAIL, cause

SCRIPT = 'token = "hunter2"\nfrom(bucket: "{\\"runID\\":\\"x\\"}")\n'


def log(*messages: str) -> str:
    """A log as influxd writes it (Go's encoding, no spaces)."""
    entries = [
        {"runID": "0a1b", "time": "2024-01-01T00:00:00Z", "message": message}
        for message in (f'Started task from script: "{SCRIPT}"', *messages)
    ]
    return json.dumps(entries, separators=(",", ":"), ensure_ascii=False)


def test_the_cause_is_the_line_after_completed() -> None:
    """Neither the script nor the state nor the repetition is part of it."""
    text = log(
        "trace_id=1 is_sampled=false",
        "Completed(failed)",
        "could not execute task run: bucket\nnot found",
        "Task encountered unrecoverable error, requires admin action: could not execute task run: bucket not found",
    )
    assert cause(text) == "could not execute task run: bucket not found"


def test_a_log_that_was_cut_gives_the_whole_lines_only() -> None:
    """The rest of the script at the start of the tail never comes out."""
    text = log("x" * 20, "Completed(failed)", "the cause")
    for start in range(len(text)):
        assert "hunter2" not in cause(text[start:])
    assert cause(text[-120:]) == "the cause"


def test_long_causes_are_cut() -> None:
    """At most 1,000 characters go on."""
    assert len(cause(log("e" * 5000))) == MAX_ERROR
    assert TAIL > 2 * MAX_ERROR


def test_nothing_sensible_gives_nothing() -> None:
    """A log without an error line, or no log at all, has no cause."""
    assert cause(log("Completed(success)")) == ""
    assert cause("") == ""
    assert cause("no json") == ""
