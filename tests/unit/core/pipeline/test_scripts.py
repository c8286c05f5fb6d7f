"""A stage's script and what the stage says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from influxops.api.stage import Stage, WriteDisposition
from influxops.core.desired import AllowedBuckets, SpecFault
from influxops.core.flux.facts import NO_FACTS
from influxops.core.outcome import Reason
from influxops.core.pipeline.scripts import check_places, replace_fault, script_faults

STAGE = Stage.model_validate(
    {"name": "a", "flux": "x = 1", "source": {"bucket": "raw"}, "destination": {"bucket": "out"}}
)
FACTS = replace(
    NO_FACTS,
    v_members=frozenset({"timeRangeStart", "timeRangeStop", "windowPeriod"}),
    uses_v=True,
    reads=frozenset({"raw", "rooms"}),
    writes=frozenset({"out"}),
)


def test_a_script_that_does_what_its_stage_says() -> None:
    """It may read more than the source."""
    assert script_faults(STAGE, FACTS) == []


def test_other_buckets_than_the_stage_says() -> None:
    """Late data would be looked for, and points deleted, where the script has nothing to do."""
    faults = script_faults(STAGE, replace(FACTS, reads=frozenset(), writes=frozenset({"b", "a"})))
    assert faults == [
        "source.bucket is 'raw', which the script does not read (none): correct one of them",
        "destination.bucket is 'out', which the script does not write ('a', 'b'): correct one of them",
    ]


def test_buckets_that_only_the_run_knows_are_not_judged() -> None:
    """A parameter, an id: nobody can tell."""
    assert script_faults(STAGE, replace(FACTS, reads=frozenset(), opaque_targets=True)) == []


def test_windows_that_cannot_reach_the_script() -> None:
    """An option of its own, and members that only dashboards have."""
    assert "sets `option v` itself" in script_faults(STAGE, replace(FACTS, defines_v=True))[0]
    assert "v.bucket" in script_faults(STAGE, replace(FACTS, v_members=frozenset({"bucket"})))[0]


def test_a_schedule_belongs_to_tasks() -> None:
    """The script of an InfluxTask may bring its own; a stage runs when its windows end."""
    assert "option task" in script_faults(STAGE, replace(FACTS, task_options=1))[0]
    assert script_faults(STAGE, replace(FACTS, task_options=1), of_task=True) == []


REPLACING = STAGE.model_copy(update={"write_disposition": WriteDisposition.REPLACE})


def test_replace_deletes_only_where_the_script_writes() -> None:
    """Nothing would come in place of what is deleted elsewhere."""
    elsewhere = replace(FACTS, writes=frozenset({"b", "a"}))
    assert "destination.bucket is 'out', which the script does not write ('a', 'b')" in replace_fault(
        REPLACING, elsewhere
    )
    assert replace_fault(STAGE, elsewhere) == ""
    assert replace_fault(REPLACING, FACTS) == ""
    assert replace_fault(REPLACING, replace(elsewhere, opaque_targets=True)) == ""


@pytest.mark.parametrize(
    ("read", "write", "words"),
    [
        ({"raw"}, {"out"}, ""),
        ({"rooms"}, {"out"}, "source.bucket: .* 'raw' be read: it allows rooms"),
        ({"raw"}, set(), "destination.bucket: .* 'out' be written: it allows none"),
    ],
)
def test_the_buckets_that_a_stage_names_are_held_against_the_policy(
    read: set[str], write: set[str], words: str
) -> None:
    """They are counted and deleted in, whatever the script says."""
    allowed = AllowedBuckets(frozenset(read), frozenset(write))
    if not words:
        check_places(STAGE, allowed)
        check_places(STAGE, None)
        return
    with pytest.raises(SpecFault, match=words) as fault:
        check_places(STAGE, allowed)
    assert fault.value.reason is Reason.NOT_ALLOWED
