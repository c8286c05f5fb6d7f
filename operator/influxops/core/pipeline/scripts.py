"""Whether a stage's script and what the stage says of itself agree."""

from __future__ import annotations

from influxops.core.desired import AllowedBuckets, check_bucket
from influxops.core.flux.facts import ScriptFacts
from influxops.core.pipeline.script import unknown_members
from influxops.core.pipeline.spec import StageLike


def window_faults(facts: ScriptFacts, *, of_task: bool = False) -> list[str]:
    """Why a script cannot run over the windows that it is given: sentences, each with its remedy. ``of_task``: the script is that
    of an InfluxTask, which may have a schedule of its own.
    """
    faults = []
    if facts.task_options and not of_task:
        faults.append("the script has `option task`, and a stage runs when its windows end: remove that statement")
    if facts.defines_v:
        faults.append("the script sets `option v` itself, so that the window cannot reach it: remove that statement")
    elif unknown := unknown_members(facts):
        faults.append(
            f"the script uses v.{unknown[0]}, which only dashboards know: a stage has v.timeRangeStart, v.timeRangeStop and "
            "v.windowPeriod; write the value itself"
        )
    return faults


def check_places(stage: StageLike, buckets: AllowedBuckets | None) -> None:
    """Hold the buckets that a stage itself names, which are counted and deleted in, against the connection's policy.
    Raises SpecFault(NotAllowed).
    """
    if stage.source is not None:
        check_bucket(stage.source.bucket, "source.bucket", "read", buckets)
    if stage.destination is not None:
        check_bucket(stage.destination.bucket, "destination.bucket", "write", buckets)


def replace_fault(stage: StageLike, facts: ScriptFacts) -> str:
    """Why a stage may not delete in its destination: the script writes elsewhere, so that nothing would come in place of what is
    deleted. Empty when it may, or when nobody can tell where the script writes.
    """
    place = stage.destination
    if place is None or stage.write_disposition != "Replace":
        return ""
    if facts.opaque_targets or place.bucket in facts.writes:
        return ""
    found = ", ".join(map(repr, sorted(facts.writes))) or "none"
    return (
        f"destination.bucket is {place.bucket!r}, which the script does not write ({found}), and writeDisposition: Replace would "
        "delete there: correct one of them"
    )


def script_faults(stage: StageLike, facts: ScriptFacts, *, of_task: bool = False) -> list[str]:
    """The same, and where stage and script name different buckets: a slip mostly, but no error, for a check may well compare with
    the source of an earlier stage.
    """
    faults = window_faults(facts, of_task=of_task)
    if facts.opaque_targets:
        return faults
    for field, place, buckets, verb in (
        ("source", stage.source, facts.reads, "read"),
        ("destination", stage.destination, facts.writes, "write"),
    ):
        if place is not None and place.bucket not in buckets:
            found = ", ".join(map(repr, sorted(buckets))) or "none"
            faults.append(
                f"{field}.bucket is {place.bucket!r}, which the script does not {verb} ({found}): correct one of them"
            )
    return faults
