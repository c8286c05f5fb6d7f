"""What must hold of both servers at every moment of a walk, and when all has come to rest.

Whatever people want is read from the API server itself; what is kept here is only what cannot be seen there: who made
what by hand, what was consented to, and how things stood before the step.
"""

from __future__ import annotations

from influxops.core.marker import Marker, read_description, read_script, sha256
from tests.support.fake_kube import base_path
from tests.support.property.port import INSTANCE, Object, Server, World, Write
from tests.support.property.rolling import BACKFILL, NAME, PIPELINE, Rolling
from tests.support.property.scripts import SCRIPTS
from tests.support.property.sight import (
    CONNECTION,
    POLICY,
    TASK,
    Sight,
    covers,
    marker_of,
    not_ready,
    owner_of,
    reason_of,
    retention_of,
    same,
    seconds_of,
    status_of,
    told,
    twins,
)

PLURALS = {
    CONNECTION: "influxconnections",
    TASK: "influxtasks",
    POLICY: "retentionpolicies",
    PIPELINE: "influxpipelines",
    BACKFILL: "influxbackfills",
}
BUCKETS = {"keep": "kept", "hold": "held", "rival": "kept"}
"""RetentionPolicy -> its bucket; two want the same one."""


class Violated(AssertionError):
    """Something that must hold does not."""


class Judge:
    """One world, and what is known of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lines: list[str] = []
        """The steps so far."""
        self.foreign: dict[str, Object] = {}
        """Tasks and buckets of others, by id, as they are to stay."""
        self.copies: dict[str, Object] = {}
        """Tasks made by hand that carry the mark of an object of ours, as they were made."""
        self.rolling = Rolling(world)
        self._seen = Sight()
        self._judged = 0
        self._made: set[str] = set()
        """Ids of the tasks that the operator has made."""
        self._counter = 0
        self._held: dict[str, int] = {}
        """Bucket id -> the retention that it had before what the operator may have done since."""
        self._specs: dict[str, list[Object]] = {name: [] for name in BUCKETS}
        """RetentionPolicy -> its specs since all was last at rest: the operator may not have seen the latest."""
        self._wanted: dict[str, Object] = {}
        """Uid -> the spec that people gave an object."""

    # What must hold at every moment

    def judge(self) -> None:
        """Raise Violated for what must never be."""
        now = self._look()
        writes = self.world.writes()
        recent, self._judged = writes[self._judged :], len(writes)
        problems = [
            *self._foreign_problems(now),
            *self._spec_problems(now),
            *self._write_problems(recent, now),
            *self._bucket_problems(recent, now),
            *self.world.bugs(),
        ]
        self._seen = now
        self._judge_buckets(now, keep=True)
        if problems:
            raise Violated("\n".join(problems))

    def _foreign_problems(self, now: Sight) -> list[str]:
        things = {**now.tasks, **now.buckets}
        return [
            f"FOREIGN: {thing['name']!r} of others was {thing} and is {things.get(one)}"
            for one, thing in self.foreign.items()
            if not same(thing, things.get(one))
        ]

    def _spec_problems(self, now: Sight) -> list[str]:
        return [
            f"SPEC: {kind} {name} has a spec that nobody gave it: {item['spec']}"
            for (kind, name), item in now.objects.items()
            if not covers(item["spec"], self._wanted.get(item["metadata"]["uid"], {}))
        ]

    def _write_problems(self, writes: list[Write], now: Sight) -> list[str]:
        """Writes to tasks that are nobody of ours, and deletes without a reason."""
        problems = []
        made = {write.id for write in writes if write.verb == "create"}
        self._made |= made
        known = {**self._seen.tasks, **now.tasks, **self.copies}
        ids = {
            str(status_of(item).get("taskID"))
            for sight in (self._seen, now)
            for item in sight.objects.values()
            if "taskID" in status_of(item)
        }
        for write in writes:
            if write.server is not Server.INFLUX or write.what != "task" or write.id in made:
                continue
            task = known.get(write.id)
            if task is None and write.id in self._made:
                continue  # made and gone between two looks
            marker = marker_of(task) if task is not None else None
            if write.id not in ids and (marker is None or marker.owner.instance != INSTANCE):
                problems.append(f"NOT OURS: {write}, which is {task}")
            elif write.verb == "delete" and not self._may_go(write.id, marker, now):
                problems.append(f"DELETED: {write} without a reason; it was {task}")
            if write.id in self.copies and self._is_only_a_copy(write.id, now):
                problems.append(f"COPY: {write}, which somebody has made: {self.copies[write.id]}")
        return problems

    def _may_go(self, task_id: str, marker: Marker | None, now: Sight) -> bool:
        """Whether a task may be deleted: its object goes or has gone, or there was another one like it."""
        if task_id in self.copies or marker is None:
            return True  # judged apart; without a mark only the status knows it, and its object then goes
        name = marker.owner.name
        before, after = self._seen.objects.get((TASK, name)), now.objects.get((TASK, name))
        if before is None or after is None or before["metadata"]["uid"] != after["metadata"]["uid"]:
            return True
        if "deletionTimestamp" in before["metadata"] or "deletionTimestamp" in after["metadata"]:
            return True
        others = {**self._seen.tasks, **now.tasks, **self.copies}
        return any(one != task_id and owner_of(task) == name for one, task in others.items())

    def _is_only_a_copy(self, task_id: str, now: Sight) -> bool:
        """Whether a copy must be left alone: it was edited, and its object had a task of its own all the time."""
        marker, body = read_script(self.copies[task_id]["flux"])
        assert marker is not None
        if marker.body_sha256 == sha256(body):
            return False  # byte for byte our own: a double
        before, after = (sight.alive(marker.owner.name) for sight in (self._seen, now))
        if before is None or after is None or before["metadata"]["uid"] != after["metadata"]["uid"]:
            return False
        own = {status_of(one).get("taskID") for one in (before, after)}
        return task_id not in own and None not in own and before["metadata"]["uid"] == marker.uid

    # Buckets: nothing shorter, nothing gone without consent

    def _judge_buckets(self, now: Sight, *, keep: bool = False) -> None:
        """Judge what became shorter since the last look; with ``keep`` only take note of how things stand."""
        problems = [] if keep else self._shortened(now)
        self._held = {one: retention_of(bucket) for one, bucket in now.buckets.items()}
        self._seen = Sight(now.objects, self._seen.tasks, now.buckets) if not keep else self._seen
        if problems:
            raise Violated("\n".join(problems))

    def _bucket_problems(self, writes: list[Write], now: Sight) -> list[str]:
        problems = self._shortened(now)
        for write in writes:
            if write.server is Server.INFLUX and (write.verb, write.what) == ("delete", "bucket"):
                bucket = self._seen.buckets.get(write.id)
                if bucket is not None and not self._bucket_may_go(bucket, now):
                    problems.append(f"BUCKET: {write} without consent; it was {bucket}")
        return problems

    def _bucket_may_go(self, bucket: Object, now: Sight) -> bool:
        for name, wanted in BUCKETS.items():
            for sight in (self._seen, now):
                item = sight.objects.get((POLICY, name))
                said = {one.get("deletion") for one in self._specs[name]}
                if wanted != bucket["name"] or item is None or "Delete" not in said:
                    continue
                confirmed = (item["metadata"].get("annotations") or {}).get("influxops.dev/confirm-delete")
                if bucket["name"] != "kept" or confirmed == bucket["name"]:
                    return True
        return False

    def _shortened(self, now: Sight) -> list[str]:
        problems = []
        for one, bucket in now.buckets.items():
            old, new = self._held.get(one), retention_of(bucket)
            if old is None or not (new and (old == 0 or new < old)) or self._consented(bucket, old, new):
                continue
            problems.append(f"DATA LOSS: bucket {bucket['name']!r} kept {old} s and keeps {new} s, unasked")
        return problems

    def _consented(self, bucket: Object, old: int, new: int) -> bool:
        before = self._seen.buckets.get(bucket["id"])
        marker = read_description(before["description"])[0] if before is not None else None
        for name, wanted in BUCKETS.items():
            if wanted != bucket["name"]:
                continue
            specs = self._specs[name]
            if not any(
                seconds_of(one["retention"]) == new == seconds_of(one.get("dataLossApproval", "")) for one in specs
            ):
                continue
            item = self._seen.objects.get((POLICY, name))
            applied = {seconds_of(str(status_of(item).get("appliedRetention", "")))} if item is not None else set()
            taken = applied | {seconds_of(one["retention"]) for one in specs}
            if old in taken or marker is None or marker.owner.name != name:
                return True
        return False

    # What must hold in the end

    def unsettled(self, now: Sight) -> list[str]:
        """Why it is not at rest."""
        problems = []
        for (kind, name), item in now.objects.items():
            judge = {
                TASK: self._task_faults,
                POLICY: self._policy_faults,
                CONNECTION: self._connection_faults,
                PIPELINE: self._pipeline_faults,
                BACKFILL: self._backfill_faults,
            }[kind]
            problems += [f"{kind} {name}: {fault}; {told(item)}" for fault in judge(name, item, now)]
        for one, task in now.tasks.items():
            name = owner_of(task)
            if name and one not in self.copies and (TASK, name) not in now.objects and not self._left(marker_of(task)):
                problems.append(f"ORPHAN: task {one} is marked for InfluxTask {name}, which does not exist")
        for bucket in now.buckets.values():
            marker = read_description(bucket["description"])[0]
            if marker is not None and (POLICY, marker.owner.name) not in now.objects and not self._left(marker):
                problems.append(f"ORPHAN: bucket {bucket['name']} is marked for {marker.owner}, which does not exist")
        return problems

    def _left(self, marker: Marker | None) -> bool:
        """Whether the object of a mark asked to be let go of: where InfluxDB could not be asked then, the mark stays, and an event says so."""
        return marker is not None and self._wanted.get(marker.uid, {}).get("deletion") == "Orphan"

    def _connection_faults(self, _: str, item: Object, __: Sight) -> list[str]:
        return not_ready(item, "Synced")

    def _task_faults(self, name: str, item: Object, now: Sight) -> list[str]:
        if "deletionTimestamp" in item["metadata"]:
            return ["is still being deleted"]
        spec, task_id = item["spec"], status_of(item).get("taskID")
        own = {one: task for one, task in now.tasks.items() if owner_of(task) == name}
        mine = {one: task for one, task in own.items() if one not in self.copies or one == task_id}
        if len(mine) > 1:
            return [f"DOUBLE: {sorted(mine)} are marked for it"]
        if spec["flux"] == SCRIPTS["broken"]:
            # Nothing is planned for it, so a copy by hand that equals its own waits, too.
            return not_ready(item, "InvalidScript")
        same = [one for one, task in own.items() if one not in mine for it in mine.values() if twins(task, it)]
        if same:
            return [f"DOUBLE: {same} equal its own"]
        in_the_way = any(task["name"] == self._name_of(item) and not owner_of(task) for task in now.tasks.values())
        if not mine and spec.get("suspend"):  # in its way or not, nothing is to be made
            return not_ready(item, "Suspended", "AlreadyExists" if in_the_way else "Suspended")
        if not mine:
            return not_ready(item, "AlreadyExists") if in_the_way else ["MISSING: it has no task"]
        ((one, task),) = mine.items()
        faults = not_ready(item, "Suspended" if spec.get("suspend") else "Synced")
        if task_id != one:
            faults.append(f"status.taskID is {task_id}, its task is {one}")
        wanted = {
            "name": self._name_of(item),
            "description": spec.get("description", ""),
            "status": "inactive" if spec.get("suspend") else "active",
            "every": spec["every"],
            "offset": spec.get("offset") or "",
        }
        faults += [
            f"its task has {key} {task.get(key)!r} instead of {value!r}"
            for key, value in wanted.items()
            if (task.get(key) or "") != value
        ]
        marker, body = read_script(task["flux"])
        if not body.endswith(spec["flux"]) or marker is None or marker.body_sha256 != sha256(body):
            faults.append(f"its task has another script: {task['flux']}")
        elif marker.uid != item["metadata"]["uid"]:
            faults.append(f"its task is marked for uid {marker.uid}")
        return faults

    def _policy_faults(self, name: str, item: Object, now: Sight) -> list[str]:
        bucket = next((one for one in now.buckets.values() if one["name"] == BUCKETS[name]), None)
        if "deletionTimestamp" in item["metadata"]:
            return [] if reason_of(item) == "ConfirmDelete" else ["is still being deleted"]
        rivals = [
            other
            for (kind, one), other in now.objects.items()
            if kind == POLICY and BUCKETS[one] == BUCKETS[name] and "deletionTimestamp" not in other["metadata"]
        ]
        first = min(rivals, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["uid"]))
        if first is not item:
            return not_ready(item, "Conflict")
        if bucket is None:
            return ["its bucket does not exist"]
        has, wants = retention_of(bucket), seconds_of(item["spec"]["retention"])
        if wants and (has == 0 or wants < has):
            return not_ready(item, "DataLossGuard")
        faults = not_ready(item, "Synced")
        if has != wants:
            faults.append(f"its bucket keeps {has} s instead of {wants} s")
        marker = read_description(bucket["description"])[0]
        if marker is None or marker.owner.name != name or marker.uid != item["metadata"]["uid"]:
            faults.append(f"its bucket is described as {bucket['description']!r}")
        return faults

    def _pipeline_faults(self, _: str, item: Object, now: Sight) -> list[str]:
        if "deletionTimestamp" in item["metadata"]:
            return ["is still being deleted"]
        if item["spec"]["suspend"]:
            return not_ready(item, "Suspended")
        return not_ready(item, "Synced") or self.rolling.missing()

    def _backfill_faults(self, _: str, item: Object, now: Sight) -> list[str]:
        if "deletionTimestamp" in item["metadata"]:
            return ["is still being deleted"]
        pipeline = now.objects.get((PIPELINE, NAME))
        if pipeline is None:
            return []
        if reason_of(item) == "DependencyNotReady":  # as after a start, until the pipeline has been visited
            return ["waits for a pipeline that is there"]
        if pipeline["spec"]["suspend"] or status_of(item).get("phase") == "Succeeded":
            return []
        return [f"its phase is {status_of(item).get('phase')}"]

    # Inside

    def _look(self) -> Sight:
        world = self.world
        objects: dict[tuple[str, str], Object] = {}
        for kind, plural in PLURALS.items():
            code, found = world.kubectl("GET", base_path(plural, world.namespace))
            assert code == 200, found
            objects |= {(kind, item["metadata"]["name"]): item for item in found["items"]}
        tasks = {task["id"]: task for task in world.tasks()}
        return Sight(objects, tasks, {bucket["id"]: bucket for bucket in world.buckets()})

    def _get(self, kind: str, name: str) -> Object | None:
        code, found = self.world.kubectl("GET", base_path(PLURALS[kind], self.world.namespace, name))
        return found if code == 200 else None

    def _named(self, name: str) -> str:
        return f"{self.world.namespace}/{name}"

    def _name_of(self, item: Object) -> str:
        return str(item["spec"].get("name") or self._named(item["metadata"]["name"]))
