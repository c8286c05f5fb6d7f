"""Which of the tasks in InfluxDB is ours: by marker first, by the id in status second, never by name alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from influxops.core.marker import Owner
from influxops.core.observed import TaskRecord
from influxops.core.outcome import Reason
from influxops.core.plan import Refusal
from influxops.core.succession import is_inert


@dataclass(frozen=True, slots=True)
class Claim:
    """What a resource says of itself when it looks for its task."""

    owner: Owner
    uid: str
    task_id: str
    """``status.taskID``; empty when none was ever written."""
    name: str
    digests: frozenset[str]
    """sha256 of every script that we rendered for it: the one wanted now and the one in ``status.scriptHash``."""
    adopt: bool = False
    """``spec.adoption`` is Adopt: the one unmarked task of the name may be taken over."""
    import_id: str = ""
    """``spec.importID``: the task to take over while there is none of ours."""


@dataclass(frozen=True, slots=True)
class Match:
    """The result of the search."""

    ours: TaskRecord | None = None
    marker_lost: bool = False
    """True when ``ours`` was found by id only: the InfluxDB UI re-prints scripts and drops the header."""
    doubles: tuple[TaskRecord, ...] = ()
    """Tasks that we made twice (a lost reply, two leaders for a moment): safe to delete."""
    copies: tuple[TaskRecord, ...] = ()
    """Somebody's copies of our task with our marker in them: never changed, never deleted."""
    strangers: tuple[TaskRecord, ...] = ()
    """Unmarked tasks of the wanted name, which are in the way of creating ours; oldest id first."""
    adoptable: TaskRecord | None = None
    """The unmarked task that is to be taken over."""
    successors: tuple[TaskRecord, ...] = ()
    """Tasks that we made to replace ours, and that do not run yet."""
    retired: TaskRecord | None = None
    """Our former task, which has run for the last time; without ``ours``, the first of ``successors`` comes in its place."""
    refusal: Refusal | None = None
    """Why the task that ``spec.importID`` names cannot be taken over."""


def match(
    claim: Claim,
    marked: Iterable[TaskRecord],
    by_id: TaskRecord | None,
    named: Iterable[TaskRecord],
    imported: TaskRecord | None = None,
) -> Match:
    """Find the task of a resource.

    ``marked`` are the tasks whose marker holds the claim's owner key, ``by_id`` the task with the id in status,
    ``named`` the tasks with the wanted name, and ``imported`` the task that the claim wants to import. The uid only breaks ties: a cluster that was rebuilt from Git has new uids
    and takes its tasks back.
    """
    own = [task for task in marked if _is(task, claim.owner)]
    if all(task.marker is None or task.marker.ordinary for task in own):
        return _match(claim, own, by_id, named, imported)
    return _in_succession(claim, own, by_id, named, imported)


def _in_succession(
    claim: Claim,
    own: list[TaskRecord],
    by_id: TaskRecord | None,
    named: Iterable[TaskRecord],
    imported: TaskRecord | None,
) -> Match:
    """One task is being put in another's place: the marks tell how far that has come."""
    ordinary, successors, retired, copies = [], [], [], []
    for task in sorted(own, key=lambda one: one.id):
        marker = task.marker
        if marker is None or marker.ordinary:
            ordinary.append(task)
        elif marker.replaces and is_inert(task):
            successors.append(task)
        elif marker.replaced_by and task.intact:
            retired.append(task)
        else:
            copies.append(task)
    heirs = {task.marker.replaced_by for task in retired if task.marker}
    heir = next((task for task in ordinary if task.id in heirs), None)
    if heir is not None:  # status still names the one before
        claim = replace(claim, task_id=heir.id)
    halfway = any(
        task.id == claim.task_id
        or any(new.marker and task.marker and new.id == task.marker.replaced_by for new in successors)
        for task in retired
    )
    if heir is None and halfway:  # whatever carries the ordinary mark meanwhile is somebody's copy
        base = Match(copies=tuple(ordinary))
    else:
        base = _match(claim, ordinary, by_id, named, imported)
    ours = base.ours
    if ours is not None:
        last = [task for task in retired if task.marker and task.marker.replaced_by == ours.id][:1]
        successors.sort(key=lambda task: bool(task.marker and task.marker.replaces != ours.id))
    else:
        last = sorted(retired, key=lambda task: (task.id != claim.task_id, task.id))[:1]
        next_id = last[0].marker.replaced_by if last and last[0].marker else ""
        successors.sort(key=lambda task: task.id != next_id)
        if last and not any(task.id == next_id for task in successors):
            base = Match(ours=last.pop(), copies=base.copies)  # the new one is gone: the old one runs on
    copies += [task for task in retired if task not in last and task is not base.ours]
    return replace(
        base, successors=tuple(successors), retired=last[0] if last else None, copies=(*base.copies, *copies)
    )


def _match(
    claim: Claim,
    marked: list[TaskRecord],
    by_id: TaskRecord | None,
    named: Iterable[TaskRecord],
    imported: TaskRecord | None,
) -> Match:
    if by_id is not None and by_id.marker is None:
        return _lost(claim, by_id, sorted(marked, key=lambda task: task.id))
    candidates = sorted(marked, key=lambda task: _rank(task, claim))
    if candidates and _is_copy_of_the_lost(candidates[0], claim):
        return Match(copies=tuple(candidates))
    if not candidates:
        if claim.import_id and not claim.task_id:
            return _imported(claim, imported)
        strangers = [task for task in named if task.marker is None and task.name == claim.name]
        strangers.sort(key=lambda task: task.id)
        return Match(
            strangers=tuple(strangers), adoptable=strangers[0] if claim.adopt and len(strangers) == 1 else None
        )
    ours = _eldest(candidates[0], candidates)
    others = [task for task in candidates if task is not ours]
    doubles = tuple(task for task in others if _is_double(task, ours, claim))
    copies = tuple(task for task in others if task not in doubles)
    return Match(ours=ours, doubles=doubles, copies=copies)


def _imported(claim: Claim, task: TaskRecord | None) -> Match:
    if task is None:
        message = (
            f"spec.importID names task {claim.import_id}, which this organization does not have: correct the id, or remove "
            "spec.importID to have the task created"
        )
        return Match(refusal=Refusal(Reason.DEPENDENCY_NOT_READY, message))
    if task.marker is not None:
        owner = task.marker.owner
        message = (
            f"spec.importID names task {task.id}, which {owner.kind} {owner.namespace}/{owner.name} of influxops instance "
            f"{owner.instance} manages: let it go there first (spec.deletion: Orphan, then delete that object)"
        )
        return Match(refusal=Refusal(Reason.CONFLICT, message))
    return Match(adoptable=task)


def _lost(claim: Claim, ours: TaskRecord, marked: list[TaskRecord]) -> Match:
    """The task in status has lost its marker; whoever carries it now is a double or somebody's copy."""
    doubles = tuple(task for task in marked if task.intact and task.name == claim.name and task.digest in claim.digests)
    copies = tuple(task for task in marked if task not in doubles)
    return Match(ours=ours, marker_lost=True, doubles=doubles, copies=copies)


def _is_copy_of_the_lost(task: TaskRecord, claim: Claim) -> bool:
    """True for an edited copy of the task in status, which itself is gone: a copy is never taken over."""
    marker = task.marker
    return (
        bool(claim.task_id)
        and task.id != claim.task_id
        and not task.intact
        and marker is not None
        and marker.uid == claim.uid
    )


def _is(task: TaskRecord, owner: Owner) -> bool:
    return task.marker is not None and task.marker.owner == owner


def _rank(task: TaskRecord, claim: Claim) -> tuple[bool, bool, bool, str]:
    """The one in status first, then ours by uid, then one nobody edited, then the oldest id."""
    marker = task.marker
    return (task.id != claim.task_id, marker is None or marker.uid != claim.uid, not task.intact, task.id)


def _eldest(ours: TaskRecord, candidates: list[TaskRecord]) -> TaskRecord:
    """Of our task and those that differ from it in nothing but the id, the oldest.

    Two operators that both believe they lead would otherwise each keep their own and delete the other's, again and again.
    """
    uid = ours.marker.uid if ours.marker is not None else ""
    twins = (
        task
        for task in candidates
        if task.intact and task.marker is not None and task.marker.uid == uid
        if (task.digest, task.name) == (ours.digest, ours.name)
    )
    return min(twins, key=lambda task: task.id, default=ours) if ours.intact else ours


def _is_double(task: TaskRecord, ours: TaskRecord, claim: Claim) -> bool:
    """Marker, name and bytes equal what we rendered."""
    return task.intact and task.name == ours.name and (task.digest in claim.digests or task.digest == ours.digest)
