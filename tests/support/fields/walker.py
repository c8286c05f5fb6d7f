"""Walks the fields of one kind on real servers: each field has an object of its own, and all take each step together.

Set, change, unset, revert. After each step the object is Ready for its present spec, or says which field it cannot follow; a value
that the API does not take changes nothing; a change shows; and after the way back everything is as it was before.
"""

from __future__ import annotations

import difflib
import json
import time
from dataclasses import dataclass, field, replace

from tests.support.expect import PATIENCE, condition, observed
from tests.support.fields.examples import (
    BACKFILL,
    CONNECTION,
    LOCALHOST,
    PIPELINE,
    POLICY,
    TASK,
    Example,
    example,
)
from tests.support.fields.schema import ITEM, fields
from tests.support.fields.specs import STEPS, Object, least, spec_after
from tests.support.lab import Lab

LONG = max(PATIENCE, 60.0)
"""Seconds that a step is given: a status that is of no hurry is written every half minute."""
CALM = 35.0
"""Seconds without a change, after which no status follows any more."""
_UNDER_WAY = frozenset({"Creating", "Updating", ""})
_EVERYWHERE = frozenset({ITEM, "name", "key", "namespace", "stages"})
"""Parts of paths that messages have for other reasons."""
_TASK_FIELDS = ("id", "name", "description", "status", "flux", "every", "cron", "offset")
_BUCKET_FIELDS = ("id", "description", "retentionRules")


@dataclass
class Course:
    """One field of one object."""

    path: str
    example: Example
    name: str
    base: Object
    before: str = ""
    """The picture at the start."""
    last: str = ""
    refused: str = ""
    """Why the API has not taken the last step."""
    done: list[str] = field(default_factory=list)
    """Steps that went as they should, with how, and whether anything showed: ``set followed, seen``."""
    problems: list[str] = field(default_factory=list)

    def spec(self, step: str) -> Object:
        """The spec after a step."""
        return spec_after(step, self.path, self.example, self.base)


class Walker:
    """The fields of a kind, in a lab that has a connection ``main``."""

    def __init__(self, lab: Lab, kind: str, only: frozenset[str] = frozenset()) -> None:
        self.lab = lab
        self.kind = kind
        self.courses = []
        for number, path in enumerate(sorted(fields(kind))):
            if only and path not in only:
                continue
            found = example(kind, path)
            assert found is not None, f"{kind} {path} has no example"
            if found.first == LOCALHOST:
                found = replace(found, first=lab.org.url.replace("127.0.0.1", "localhost"))
            name = f"walk-{kind.lower()}-{number}"
            self.courses.append(Course(path, found, name, {**base(lab, kind, name), **found.base}))

    def walk(self) -> None:
        """All steps of all fields; fails with every problem found."""
        lab = self.lab
        for course in self.courses:
            lab.create(self.kind, course.name, course.base)
        for course in self.courses:
            item = self._rest(course)
            if self.kind == PIPELINE:
                lab.until(PIPELINE, course.name, "has begun", lambda one: "stages" in one["status"], LONG)
                item = self._rest(course)
            if condition(item).get("status") != "True" and self.kind != BACKFILL:
                course.problems.append(f"the object that all begins with is not Ready: {condition(item)}")
        self._calm()
        for course in self.courses:
            course.before = course.last = self._picture(self._rest(course))
        for step in STEPS:
            for course in self.courses:
                self._take(course, step)
            self._calm()
            for course in self.courses:
                self._judge(course, step)

    def problems(self) -> list[str]:
        """What went wrong, field by field."""
        return [f"{self.kind} {course.path}: {problem}" for course in self.courses for problem in course.problems]

    def report(self) -> dict[str, list[str]]:
        """Field -> the steps that went as they should."""
        return {course.path: course.done for course in self.courses}

    # Inside

    def _take(self, course: Course, step: str) -> None:
        for _ in range(20):
            item = self.lab.get(self.kind, course.name)
            assert item is not None
            code, answer = self.lab.call(
                "PUT", self.lab.path(self.kind, course.name), {**item, "spec": course.spec(step)}
            )
            if code != 409:
                break
        course.refused = "" if code == 200 else str(answer.get("message"))
        if code not in {200, 400, 422}:
            course.problems.append(f"{step}: {code} {answer}")

    def _judge(self, course: Course, step: str) -> None:
        item = self._rest(course)
        picture = self._picture(item)
        ready = condition(item)
        names = {part for part in course.path.split(".") if part not in _EVERYWHERE} | set(course.example.says.split())
        if course.refused:
            how = "refused by the API"
            if not any(name in course.refused for name in names):
                course.problems.append(f"{step}: the refusal does not name the field: {course.refused}")
            if picture != course.last:
                course.problems.append(f"{step}: refused, and yet it changed\n{_difference(course.last, picture)}")
        elif not observed(item) or ready.get("reason", "") in _UNDER_WAY:
            how = ""
            course.problems.append(f"{step}: it does not come to rest: {item.get('status')}")
        elif ready["status"] == "True" or (self.kind == BACKFILL and "Stalled" not in _types(item)):
            how = "followed"
            if step in {"set", "change"} and course.example.shows and picture == course.last:
                course.problems.append(f"{step}: nothing shows that it was followed\n{picture}")
        else:
            how = "refused by the operator"
            if not any(name in ready["message"] for name in names):
                course.problems.append(f"{step}: the message does not name the field: {ready}")
        limit = time.monotonic() + LONG
        while step == "revert" and picture != course.before and not course.example.stays and time.monotonic() < limit:
            time.sleep(0.2)  # a status that is of no hurry follows
            picture = self._picture(self._rest(course))
        if step == "revert" and picture != course.before and not course.example.stays:
            course.problems.append(f"{step}: it did not come back\n{_difference(course.before, picture)}")
        told = ", seen" if picture != course.last else ""
        course.last = picture
        if not any(problem.startswith(step) for problem in course.problems):
            course.done.append(f"{step} {how}{told}")

    def _calm(self) -> None:
        """Wait until the statuses of pipelines tell no more: what is of no hurry follows half a minute later."""
        now = time.monotonic
        pictures: list[str] = []
        since, limit = now(), now() + 3 * LONG
        while self.kind == PIPELINE and now() - since < CALM and now() < limit:
            seen = [self._picture(self._rest(course)) for course in self.courses]
            if seen != pictures:
                pictures, since = seen, now()
            time.sleep(1.0)

    def _rest(self, course: Course) -> Object:
        limit = time.monotonic() + LONG
        while True:
            item = self.lab.get(self.kind, course.name)
            assert item is not None, f"{self.kind} {course.name} is gone"
            if (observed(item) and condition(item).get("reason", "") not in _UNDER_WAY) or time.monotonic() > limit:
                return item
            time.sleep(0.1)

    def _picture(self, item: Object) -> str:
        """What of InfluxDB and of status belongs to an object, without times."""
        status = {key: value for key, value in (item.get("status") or {}).items() if key != "observedGeneration"}
        status["conditions"] = [
            {key: value for key, value in one.items() if key not in {"lastTransitionTime", "observedGeneration"}}
            for one in status.get("conditions") or []
        ]
        if self.kind == CONNECTION:
            status = {key: status.get(key) for key in ("conditions", "url", "orgID", "version", "user")}
        seen: Object = {"status": status}
        if self.kind == TASK and status.get("taskID"):
            seen["task"] = _only(self.lab.influx.task(status["taskID"]), _TASK_FIELDS)
        if self.kind == POLICY:
            seen["bucket"] = _only(self.lab.influx.bucket(item["spec"]["bucket"]), _BUCKET_FIELDS)
        return json.dumps(seen, indent=1, sort_keys=True)


def base(lab: Lab, kind: str, name: str) -> Object:
    """A spec that is right in this lab, with as few fields as it can be."""
    return least(kind, name, lab.org.url, lab.org.org)


def _difference(before: str, after: str) -> str:
    return "\n".join(difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", n=1, lineterm=""))


def _types(item: Object) -> set[str]:
    return {str(one["type"]) for one in (item.get("status") or {}).get("conditions") or []}


def _only(thing: Object, names: tuple[str, ...]) -> Object:
    return {name: thing.get(name) for name in names}
