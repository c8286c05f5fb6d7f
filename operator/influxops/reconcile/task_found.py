"""Which stored task is an InfluxTask's."""

from __future__ import annotations

from influxops.api.influxtask import Adoption, InfluxTaskSpec
from influxops.core.desired import DesiredTask
from influxops.core.outcome import Reason
from influxops.core.ownership import Claim, Match, match
from influxops.core.plan import Refusal
from influxops.reconcile.task_visit import TaskVisit
from influxops.reconcile.task_writes import HASH, look_by_name


def find(visit: TaskVisit, spec: InfluxTaskSpec, desired: DesiredTask) -> Match:
    """Which stored task is this resource's."""
    state = visit.state
    snapshot = visit.link.snapshot
    claim = Claim(
        owner=visit.owner,
        uid=visit.record.uid,
        task_id=state.task_id,
        name=desired.name,
        digests=frozenset({desired.digest, state.script_hash.removeprefix(HASH)} - {""}),
        adopt=spec.adoption is Adoption.ADOPT,
        import_id=spec.import_id or "",
    )
    by_id = snapshot.tasks.get(state.task_id) if state.task_id else None
    imported = snapshot.tasks.get(claim.import_id) if claim.import_id else None
    found = match(claim, snapshot.marked(claim.owner), by_id, snapshot.named(desired.name), imported)
    if found.adoptable is None:
        return found
    # A task whose mark somebody has wiped off is still that of the object whose status names it.
    task_id = found.adoptable.id
    other = next(
        (key for key, one in visit.context.tasks.items() if one.task_id == task_id and key != visit.record.key), None
    )
    if other is None or visit.context.objects.get(other) is None:
        return found
    message = f"task {task_id} is the one of {other}, although its mark is lost: release that object first"
    return Match(refusal=Refusal(Reason.CONFLICT, message))


def by_name(visit: TaskVisit, spec: InfluxTaskSpec, found: Match) -> bool:
    """Whether it was by the name alone that nothing was found, or a task that is nobody's."""
    imported = bool(spec.import_id) and not visit.state.task_id
    return found.ours is None and found.retired is None and not imported


async def look_again(visit: TaskVisit, spec: InfluxTaskSpec, desired: DesiredTask) -> bool:
    """Look for tasks of the name now, if there may be one that the last sweep did not see. True when it was looked.

    Whoever makes an object for a task of theirs may have made that task a moment ago, and only a sweep that was begun after the
    object's last change came in here knows it for sure. Both times are of our own clock, so that no other one matters.
    Objects that were there when the operator started cost no request more, however many. Nor do those whose task has the
    name that nobody chose (``<namespace>/<name>``, without ``adoption: Adopt``): no stranger is likely to bear it, and
    thousands of them may be applied at once.
    """
    link = visit.link
    if spec.adoption is not Adoption.ADOPT and desired.name == f"{visit.owner.namespace}/{visit.owner.name}":
        return False
    if link.snapshot.complete and link.snapshot.started > visit.context.objects.changed(visit.record.key):
        return False
    await look_by_name(visit, desired.name)
    return True
