"""Users and faults of one walk through the property machine, for any world.

A step is one method with plain arguments, so that a walk is a list of lines that a person can read and run again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from influxops.core.marker import read_script
from tests.support.fake_kube import base_path
from tests.support.property.judge import BUCKETS, PLURALS, Judge, Violated
from tests.support.property.port import Moment, Object, Server
from tests.support.property.rolling import BACKFILL, NAME, PIPELINE
from tests.support.property.scripts import SCRIPTS
from tests.support.property.sight import CONNECTION, POLICY, TASK, owner_of, status_of

MERGE = "application/merge-patch+json"
DAY = 86400


class Walk(Judge):
    """One world and what is done to it."""

    def begin(self) -> None:
        """Buckets, things of others, a Secret and a connection; then the operator starts."""
        world = self.world
        for name, seconds in (("raw", 0), ("hourly", 0), ("kept", 30 * DAY)):
            world.new_bucket(name, seconds)
        mark = f"// influxops/v1 owner=another/InfluxTask/{world.namespace}/alpha uid=u sha256={'0' * 64}\n"
        for name, header in (("by hand", ""), ("of another installation", mark)):
            made = world.new_task(f'{header}option task = {{name: "{name}", every: 8760h}}\n{SCRIPTS["one"]}')
            self.foreign[made["id"]] = made
        self.rolling.prepare()
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

    def apply_pipeline(self, *, suspended: bool) -> None:
        """Create the InfluxPipeline, or make its spec this one."""
        self._apply(PIPELINE, NAME, self.rolling.pipeline(suspended=suspended))

    def backfill(self, name: str, windows: int, reprocess: str) -> None:
        """Create an InfluxBackfill of the first windows, unless there is one of that name: its spec cannot change."""
        if self._get(BACKFILL, name) is None:
            self._create(BACKFILL, name, self.rolling.backfill(windows, reprocess))

    # What people do in InfluxDB

    def late_point(self, window: int) -> None:
        """Write a point into a window that has closed."""
        self.rolling.add_point(window)

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
            lambda task: owner is not None and status_of(owner).get("taskID") == task["id"],
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
        if strange := self.rolling.strange():
            raise Violated("\n".join(strange))
        for name in BUCKETS:
            item = self._seen.objects.get((POLICY, name))
            self._specs[name] = [item["spec"]] if item is not None else []

    def end(self) -> None:
        """The same, and then nobody writes any more."""
        self.rest()
        while True:
            self.world.sweeps()
            self.rest()
            before, changed, window = len(self.world.writes()), self.world.changed(), self.rolling.window()
            self.world.sweeps()
            more, points = self.world.writes()[before:], self.world.changed() - changed
            if not points:
                break
            if self.rolling.window() == window:  # none has closed meanwhile
                told = "\n  ".join(map(str, more))
                raise Violated(f"it is not quiet when all is done: {points} changes, among them\n  {told}")
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

    # Inside

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
        task_id = status_of(owner).get("taskID") if owner is not None else None
        found = [task for task in self.world.tasks() if owner_of(task) == name and task["id"] not in self.copies]
        return sorted(found, key=lambda task: task["id"] != task_id)

    def _edit(
        self, name: str, change: Callable[[Object], dict[str, str]], fits: Callable[[Object], bool] = lambda _: True
    ) -> None:
        for task in self._tasks_of(name)[:1]:
            if fits(task):
                self.world.edit_task(task["id"], **change(task))
