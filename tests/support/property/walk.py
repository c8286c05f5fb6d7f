"""Users, faults and the judgement of one walk through the property machine, for any world.

A step is one method with plain arguments, so that a walk is a list of lines that a person can read and run again.
Whatever people want is read from the API server itself; what is kept here is only what cannot be seen there: who made
what by hand, what was consented to, and how things stood before the step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from influxops.core.durations import parse_retention
from influxops.core.marker import Marker, read_description, read_script, sha256
from tests.support.fake_kube import base_path
from tests.support.property.port import INSTANCE, Moment, Object, Server, World, Write
from tests.support.property.scripts import SCRIPTS

CONNECTION, TASK, POLICY = "InfluxConnection", "InfluxTask", "RetentionPolicy"
PLURALS = {CONNECTION: "influxconnections", TASK: "influxtasks", POLICY: "retentionpolicies"}
BUCKETS = {"keep": "kept", "hold": "held", "rival": "kept"}
"""RetentionPolicy -> its bucket; two want the same one."""
MERGE = "application/merge-patch+json"
FINALIZER = "influxops.dev/cleanup"
DAY = 86400


class Violated(AssertionError):
    """Something that must hold does not."""


@dataclass
class Sight:
    """Both servers at one moment."""

    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    """(kind, name) -> object."""
    tasks: dict[str, Object] = field(default_factory=dict)
    buckets: dict[str, Object] = field(default_factory=dict)

    def alive(self, name: str) -> Object | None:
        """The InfluxTask of this name that nobody is deleting."""
        found = self.objects.get((TASK, name))
        return found if found is not None and "deletionTimestamp" not in found["metadata"] else None


class Walk:
    """One world and what is done to it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lines: list[str] = []
        """The steps so far."""
        self.foreign: dict[str, Object] = {}
        """Tasks and buckets of others, by id, as they are to stay."""
        self.copies: dict[str, Object] = {}
        """Tasks made by hand that carry the mark of an object of ours, as they were made."""
        self._seen = Sight()
        self._judged = 0
        self._counter = 0
        self._held: dict[str, int] = {}
        """Bucket id -> the retention that it had before what the operator may have done since."""
        self._specs: dict[str, list[Object]] = {name: [] for name in BUCKETS}
        """RetentionPolicy -> its specs since all was last at rest: the operator may not have seen the latest."""
        self._wanted: dict[str, Object] = {}
        """Uid -> the spec that people gave an object."""

    def begin(self) -> None:
        """Buckets, things of others, a Secret and a connection; then the operator starts."""
        world = self.world
        for name, seconds in (("raw", 0), ("hourly", 0), ("kept", 30 * DAY)):
            world.new_bucket(name, seconds)
        mark = f"// influxops/v1 owner=another/InfluxTask/{world.namespace}/alpha uid=u sha256={'0' * 64}\n"
        for name, header in (("by hand", ""), ("of another installation", mark)):
            made = world.new_task(f'{header}option task = {{name: "{name}", every: 8760h}}\n{SCRIPTS["one"]}')
            self.foreign[made["id"]] = made
        for bucket in world.buckets():
            if bucket["name"] != "kept":
                self.foreign[bucket["id"]] = bucket
        self._secret(world.tokens[0])
        self._create(CONNECTION, "main", world.connection)
        world.start()
        self._seen = self._look()

    # What users do with kubectl

    def apply_task(self, object_name: str, **spec: Any) -> None:
        """Create an InfluxTask, or make its spec this one."""
        script = SCRIPTS[spec.pop("script", "one")]
        whole = {"connectionRef": {"name": "main"}, "flux": script, "every": "6h", **spec}
        self._apply(TASK, object_name, {key: value for key, value in whole.items() if value is not None})

    def apply_policy(self, name: str, retention: str, *, approved: bool = False, deletion: str = "Orphan") -> None:
        """Create a RetentionPolicy, or make its spec this one; ``approved`` names the retention in dataLossApproval."""
        spec = {
            "connectionRef": {"name": "main"},
            "bucket": BUCKETS[name],
            "retention": retention,
            "deletion": deletion,
        }
        if approved:
            spec["dataLossApproval"] = retention
        self._apply(POLICY, name, spec)

    def delete(self, kind: str, name: str) -> None:
        """Delete an object, if it exists."""
        self._kubectl("DELETE", kind, name)

    def replace(self, name: str) -> None:
        """Delete an InfluxTask and create it again under its name, as soon as the name is free."""
        found = self._get(TASK, name)
        if found is None:
            return
        self._kubectl("DELETE", TASK, name)
        for _ in range(5):
            if self._get(TASK, name) is None:
                self._create(TASK, name, found["spec"])
                return
            self.world.breathe()

    def annotate(self, kind: str, name: str, annotation: str = "reconcile-requested-at") -> None:
        """Set an annotation: a new text for most, the bucket's name for confirm-delete."""
        self._counter += 1
        text = BUCKETS.get(name, "") if annotation == "confirm-delete" else str(self._counter)
        body = {"metadata": {"annotations": {f"influxops.dev/{annotation}": text}}}
        self._kubectl("PATCH", kind, name, body)

    def label(self, kind: str, name: str) -> None:
        """Set a label of the users' own."""
        self._counter += 1
        self._kubectl("PATCH", kind, name, {"metadata": {"labels": {"team": f"t{self._counter}"}}})

    def rotate(self, token: str) -> None:
        """Put the ``first`` or the ``second`` token into the Secret, or a ``wrong`` one."""
        first, second = self.world.tokens
        self._secret({"first": first, "second": second}.get(token, "this-token-is-nobodys"))

    def suspend_connection(self, *, suspended: bool) -> None:
        """Suspend the InfluxConnection, or let it go on."""
        self._apply(CONNECTION, "main", {**self.world.connection, "suspend": suspended})

    # What people do in InfluxDB

    def ui_rename(self, name: str) -> None:
        """Give the task of an object another name."""
        self._edit(name, lambda task: {"flux": task["flux"].replace('name: "', 'name: "my ', 1)})

    def ui_script(self, name: str) -> None:
        """Change the script of an object's task."""
        self._edit(name, lambda task: {"flux": task["flux"] + "// by hand\n"})

    def ui_description(self, name: str) -> None:
        """Change the description of an object's task."""
        self._edit(name, lambda _: {"description": "by hand", "status": "active"})

    def ui_status(self, name: str, status: str) -> None:
        """Switch the task of an object on or off."""
        self._edit(name, lambda _: {"status": status})

    def ui_strip(self, name: str) -> None:
        """Save the script in the UI, which drops comments: the mark is lost. Only where the status knows the task."""
        owner = self._get(TASK, name)
        self._edit(
            name,
            lambda task: {"flux": read_script(task["flux"])[1]},
            lambda task: owner is not None and _status(owner).get("taskID") == task["id"],
        )

    def ui_delete(self, name: str) -> None:
        """Delete the task of an object."""
        for task in self._tasks_of(name)[:1]:
            self.world.delete_task(task["id"])

    def ui_copy(self, name: str, *, exact: bool) -> None:
        """Copy the task of an object, byte for byte or under another name; the mark is copied, too."""
        for task in self._tasks_of(name)[:1]:
            flux = task["flux"] if exact else task["flux"].replace('name: "', 'name: "copy of ', 1)
            made = self.world.new_task(flux, task["description"])
            self.copies[made["id"]] = made

    def ui_task(self, name: str) -> None:
        """Make a task without a mark under the name that an object's task would get."""
        made = self.world.new_task(f'option task = {{name: "{self._named(name)}", every: 8760h}}\n{SCRIPTS["one"]}')
        self.foreign[made["id"]] = made

    def ui_retention(self, bucket: str, days: int) -> None:
        """Change the retention of a bucket."""
        for found in self.world.buckets():
            if found["name"] == bucket and found["id"] not in self.foreign:
                self._judge_buckets(self._look())  # before this, and by what was consented to until now
                self.world.edit_bucket(found["id"], days * DAY)
                self._held[found["id"]] = days * DAY

    def ui_delete_bucket(self, bucket: str) -> None:
        """Delete a bucket."""
        for found in self.world.buckets():
            if found["name"] == bucket and found["id"] not in self.foreign:
                self.world.delete_bucket(found["id"])

    # Faults

    def crash(self) -> None:
        """Kill -9."""
        self.world.crash()

    def crash_at(self, skip: int, moment: str) -> None:
        """Kill -9 at one of the next writes."""
        self.world.crash_at(skip, Moment(moment))

    def lose_answer(self, server: str, skip: int) -> None:
        """The answer to one of the next writes gets lost."""
        self.world.lose_answer(Server(server), skip)

    def outage(self, server: str, *, down: bool) -> None:
        """A server goes away, or comes back."""
        self.world.outage(Server(server), down=down)

    def step_clock(self, minutes: int) -> None:
        """The operator's time of day jumps."""
        self.world.step_clock(60.0 * minutes)

    # Time

    def breathe(self) -> None:
        """Some time passes."""
        self.world.breathe()

    def rest(self) -> None:
        """Every fault ends, and everything comes to rest as it should be."""
        self.world.calm()
        self._secret(self.world.tokens[0])
        if (self._get(CONNECTION, "main") or {}).get("spec", {}).get("suspend"):
            self.suspend_connection(suspended=False)
        problems: list[str] = []

        def settled() -> bool:
            problems[:] = self.unsettled(self._look())
            return not problems

        if not self.world.wait(settled):
            self.judge()  # what must never be comes before what should have been
            raise Violated("it does not come to rest:\n  " + "\n  ".join(problems))
        self.judge()
        for name in BUCKETS:
            item = self._seen.objects.get((POLICY, name))
            self._specs[name] = [item["spec"]] if item is not None else []

    def end(self) -> None:
        """The same, and then nobody writes any more."""
        self.rest()
        self.world.sweeps()
        self.rest()
        before = len(self.world.writes())
        self.world.sweeps()
        more = self.world.writes()[before:]
        if more:
            raise Violated("it is not quiet when all is done:\n  " + "\n  ".join(map(str, more)))
        self.judge()

    def run(self, step: str, /, **arguments: Any) -> None:
        """Do a step by its name, and judge what came of it."""
        said = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        self.lines.append(f"{step}({said})")
        try:
            getattr(self, step)(**arguments)
            self.judge()
        except Violated as error:
            raise Violated(f"{error}\nafter these steps:\n  " + "\n  ".join(self.lines)) from None

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
            if not _same(thing, things.get(one))
        ]

    def _spec_problems(self, now: Sight) -> list[str]:
        return [
            f"SPEC: {kind} {name} has a spec that nobody gave it: {item['spec']}"
            for (kind, name), item in now.objects.items()
            if not _covers(item["spec"], self._wanted.get(item["metadata"]["uid"], {}))
        ]

    def _write_problems(self, writes: list[Write], now: Sight) -> list[str]:
        """Writes to tasks that are nobody of ours, and deletes without a reason."""
        problems = []
        made = {write.id for write in writes if write.verb == "create"}
        known = {**self._seen.tasks, **now.tasks, **self.copies}
        ids = {
            str(_status(item).get("taskID"))
            for sight in (self._seen, now)
            for item in sight.objects.values()
            if "taskID" in _status(item)
        }
        for write in writes:
            if write.server is not Server.INFLUX or write.what != "task" or write.id in made:
                continue
            task = known.get(write.id)
            marker = _marker(task) if task is not None else None
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
        return any(one != task_id and _owner(task) == name for one, task in others.items())

    def _is_only_a_copy(self, task_id: str, now: Sight) -> bool:
        """Whether a copy must be left alone: it was edited, and its object had a task of its own all the time."""
        marker, body = read_script(self.copies[task_id]["flux"])
        assert marker is not None
        if marker.body_sha256 == sha256(body):
            return False  # byte for byte our own: a double
        before, after = (sight.alive(marker.owner.name) for sight in (self._seen, now))
        if before is None or after is None or before["metadata"]["uid"] != after["metadata"]["uid"]:
            return False
        own = {_status(one).get("taskID") for one in (before, after)}
        return task_id not in own and None not in own and before["metadata"]["uid"] == marker.uid

    # Buckets: nothing shorter, nothing gone without consent

    def _judge_buckets(self, now: Sight, *, keep: bool = False) -> None:
        """Judge what became shorter since the last look; with ``keep`` only take note of how things stand."""
        problems = [] if keep else self._shortened(now)
        self._held = {one: _retention(bucket) for one, bucket in now.buckets.items()}
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
            old, new = self._held.get(one), _retention(bucket)
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
            if not any(_seconds(one["retention"]) == new == _seconds(one.get("dataLossApproval", "")) for one in specs):
                continue
            item = self._seen.objects.get((POLICY, name))
            applied = {_seconds(str(_status(item).get("appliedRetention", "")))} if item is not None else set()
            taken = applied | {_seconds(one["retention"]) for one in specs}
            if old in taken or marker is None or marker.owner.name != name:
                return True
        return False

    # What must hold in the end

    def unsettled(self, now: Sight) -> list[str]:
        """Why it is not at rest."""
        problems = []
        for (kind, name), item in now.objects.items():
            judge = {TASK: self._task_faults, POLICY: self._policy_faults, CONNECTION: self._connection_faults}[kind]
            problems += [f"{kind} {name}: {fault}; {_told(item)}" for fault in judge(name, item, now)]
        for one, task in now.tasks.items():
            name = _owner(task)
            if name and one not in self.copies and (TASK, name) not in now.objects and not self._left(_marker(task)):
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
        return _not_ready(item, "Synced")

    def _task_faults(self, name: str, item: Object, now: Sight) -> list[str]:
        if "deletionTimestamp" in item["metadata"]:
            return ["is still being deleted"]
        spec, task_id = item["spec"], _status(item).get("taskID")
        own = {one: task for one, task in now.tasks.items() if _owner(task) == name}
        mine = {one: task for one, task in own.items() if one not in self.copies or one == task_id}
        if len(mine) > 1:
            return [f"DOUBLE: {sorted(mine)} are marked for it"]
        if spec["flux"] == SCRIPTS["broken"]:
            # Nothing is planned for it, so a copy by hand that equals its own waits, too.
            return _not_ready(item, "InvalidScript")
        same = [one for one, task in own.items() if one not in mine for it in mine.values() if _twins(task, it)]
        if same:
            return [f"DOUBLE: {same} equal its own"]
        in_the_way = any(task["name"] == self._name_of(item) and not _owner(task) for task in now.tasks.values())
        if not mine and spec.get("suspend"):  # in its way or not, nothing is to be made
            return _not_ready(item, "Suspended", "AlreadyExists" if in_the_way else "Suspended")
        if not mine:
            return _not_ready(item, "AlreadyExists") if in_the_way else ["MISSING: it has no task"]
        ((one, task),) = mine.items()
        faults = _not_ready(item, "Suspended" if spec.get("suspend") else "Synced")
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
            return [] if _reason(item) == "ConfirmDelete" else ["is still being deleted"]
        rivals = [
            other
            for (kind, one), other in now.objects.items()
            if kind == POLICY and BUCKETS[one] == BUCKETS[name] and "deletionTimestamp" not in other["metadata"]
        ]
        first = min(rivals, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["uid"]))
        if first is not item:
            return _not_ready(item, "Conflict")
        if bucket is None:
            return ["its bucket does not exist"]
        has, wants = _retention(bucket), _seconds(item["spec"]["retention"])
        if wants and (has == 0 or wants < has):
            return _not_ready(item, "DataLossGuard")
        faults = _not_ready(item, "Synced")
        if has != wants:
            faults.append(f"its bucket keeps {has} s instead of {wants} s")
        marker = read_description(bucket["description"])[0]
        if marker is None or marker.owner.name != name or marker.uid != item["metadata"]["uid"]:
            faults.append(f"its bucket is described as {bucket['description']!r}")
        return faults

    # Inside

    def _look(self) -> Sight:
        world = self.world
        objects = {}
        for kind, plural in PLURALS.items():
            code, found = world.kubectl("GET", base_path(plural, world.namespace))
            assert code == 200, found
            objects |= {(kind, item["metadata"]["name"]): item for item in found["items"]}
        tasks = {task["id"]: task for task in world.tasks()}
        return Sight(objects, tasks, {bucket["id"]: bucket for bucket in world.buckets()})

    def _get(self, kind: str, name: str) -> Object | None:
        code, found = self.world.kubectl("GET", base_path(PLURALS[kind], self.world.namespace, name))
        return found if code == 200 else None

    def _kubectl(self, method: str, kind: str, name: str, body: Any = None) -> tuple[int, Any]:
        code, answer = self.world.kubectl(
            method, base_path(PLURALS[kind], self.world.namespace, name), body, MERGE if body else "application/json"
        )
        assert code in {200, 202, 404}, answer
        return code, answer

    def _create(self, kind: str, name: str, spec: Object) -> None:
        body = {
            "apiVersion": "influxops.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        }
        code, made = self.world.kubectl("POST", base_path(PLURALS[kind], self.world.namespace), body)
        assert code == 201, made
        self._note(kind, made, spec)

    def _apply(self, kind: str, name: str, spec: Object) -> None:
        found = self._get(kind, name)
        if found is None:
            self._create(kind, name, spec)
        elif "deletionTimestamp" not in found["metadata"]:
            gone = {key: None for key in found["spec"] if key not in spec}
            code, made = self._kubectl("PATCH", kind, name, {"spec": {**gone, **spec}})
            if code == 200:
                self._note(kind, made, spec)

    def _note(self, kind: str, made: Object, spec: Object) -> None:
        self._wanted[made["metadata"]["uid"]] = spec
        if kind == POLICY:
            self._specs[made["metadata"]["name"]].append(spec)

    def _secret(self, token: str) -> None:
        path = f"/api/v1/namespaces/{self.world.namespace}/secrets"
        name = "influx-token"
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"token": token}}
        code, answer = self.world.kubectl("POST", path, body)
        if code == 409:
            code, answer = self.world.kubectl("PATCH", f"{path}/{name}", {"stringData": {"token": token}}, MERGE)
        assert code in {200, 201}, answer

    def _tasks_of(self, name: str) -> list[Object]:
        """The tasks that are marked for an object, but for copies: the one that its status names first."""
        owner = self._get(TASK, name)
        task_id = _status(owner).get("taskID") if owner is not None else None
        found = [task for task in self.world.tasks() if _owner(task) == name and task["id"] not in self.copies]
        return sorted(found, key=lambda task: task["id"] != task_id)

    def _edit(
        self, name: str, change: Callable[[Object], dict[str, str]], fits: Callable[[Object], bool] = lambda _: True
    ) -> None:
        for task in self._tasks_of(name)[:1]:
            if fits(task):
                self.world.edit_task(task["id"], **change(task))

    def _named(self, name: str) -> str:
        return f"{self.world.namespace}/{name}"

    def _name_of(self, item: Object) -> str:
        return str(item["spec"].get("name") or self._named(item["metadata"]["name"]))


def _status(item: Object) -> Object:
    return item.get("status") or {}


def _ready(item: Object) -> Object:
    conditions: list[Object] = _status(item).get("conditions") or []
    return next((one for one in conditions if one["type"] == "Ready"), {})


def _reason(item: Object) -> str:
    return str(_ready(item).get("reason", ""))


def _told(item: Object) -> str:
    generation = item["metadata"]["generation"]
    return f"generation {generation}, observed {_status(item).get('observedGeneration')}, Ready {_ready(item)}"


def _not_ready(item: Object, *reasons: str) -> list[str]:
    """Faults of a status that should have one of these reasons for the present spec."""
    generation = item["metadata"]["generation"]
    if _status(item).get("observedGeneration") != generation or _ready(item).get("observedGeneration") != generation:
        return ["its status is not of its present spec"]
    return [] if _reason(item) in reasons else [f"Ready has not the reason {' or '.join(reasons)}"]


def _marker(task: Object) -> Marker | None:
    return read_script(task["flux"])[0]


def _owner(task: Object) -> str:
    """The name of the InfluxTask of ours that a task is marked for; empty for none."""
    marker = _marker(task)
    return marker.owner.name if marker is not None and marker.owner.instance == INSTANCE else ""


def _twins(one: Object, other: Object) -> bool:
    return bool(one["flux"] == other["flux"] and one["name"] == other["name"])


def _same(one: Object, other: Object | None) -> bool:
    return other is not None and all(other.get(key) == value for key, value in one.items())


def _covers(spec: Any, wanted: Any) -> bool:
    """Whether a spec is what was given, but for what the schema fills in."""
    if isinstance(wanted, dict):
        return isinstance(spec, dict) and all(_covers(spec.get(key), value) for key, value in wanted.items())
    return bool(spec == wanted)


def _retention(bucket: Object) -> int:
    """Seconds; 0 keeps for ever."""
    return int(next((rule["everySeconds"] for rule in bucket["retentionRules"]), 0))


def _seconds(text: str) -> int | None:
    return parse_retention(text).seconds if text else None
