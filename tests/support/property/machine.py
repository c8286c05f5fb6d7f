"""The property machine: Hypothesis chooses what people do and what breaks; ``walk.Walk`` does it and judges."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.support.property.judge import BUCKETS
from tests.support.property.port import Moment, Server, World
from tests.support.property.rolling import BACKFILL, NAME, PIPELINE, WINDOWS
from tests.support.property.sight import CONNECTION, POLICY, TASK
from tests.support.property.walk import Walk

SEED = int(os.environ.get("INFLUXOPS_PROPERTY_SEED", "1"))
"""Which walks are drawn; the same number draws the same ones."""

names = st.sampled_from(("alpha", "beta"))
policies = st.sampled_from(tuple(BUCKETS))
backfills = st.sampled_from(("past", "again"))
flags = st.booleans()
specs = st.fixed_dictionaries(
    {},
    optional={
        "script": st.sampled_from(("one", "two", "three", "broken")),
        "every": st.sampled_from(("6h", "12h")),
        "offset": st.sampled_from(("10m", "20m")),
        "description": st.sampled_from(("some", "other")),
        "name": st.sampled_from(("telemetry", "shared")),
        "suspend": flags,
        "deletion": st.sampled_from(("Delete", "Orphan")),
    },
)
skips = st.integers(0, 5)


class Machine(RuleBasedStateMachine):
    """One walk. A subclass says in which world."""

    make_world: ClassVar[Callable[[], World]]

    def __init__(self) -> None:
        super().__init__()
        self.world = type(self).make_world()
        self.walk = Walk(self.world)
        self.broken = True
        self.walk.begin()
        self.broken = False

    def step(self, step: str, /, **arguments: Any) -> None:
        """Do a step; after a failure there is nothing left to judge in the end."""
        self.broken = True
        self.walk.run(step, **arguments)
        self.broken = False

    def teardown(self) -> None:
        """All faults end; it must come to rest, as it should be, and then be quiet."""
        try:
            if not self.broken:
                self.step("end")
        finally:
            self.world.close()

    @initialize(spec=specs, retention=st.sampled_from(("7d", "30d", "infinite")), rolling=flags, settled=flags)
    def begin(self, spec: dict[str, Any], retention: str, *, rolling: bool, settled: bool) -> None:
        """Nearly every step needs an object to be about."""
        if rolling:
            self.step("apply_pipeline", suspended=False)
        self.step("apply_task", object_name="alpha", **spec)
        self.step("apply_policy", name="keep", retention=retention, approved=False, deletion="Orphan")
        if settled:
            self.step("rest")

    @rule(name=names, spec=specs)
    def apply_task(self, name: str, spec: dict[str, Any]) -> None:
        self.step("apply_task", object_name=name, **spec)

    @rule(name=policies, retention=st.sampled_from(("2d", "7d", "30d", "infinite")), approved=flags, delete=flags)
    def apply_policy(self, name: str, retention: str, *, approved: bool, delete: bool) -> None:
        deletion = "Delete" if delete else "Orphan"
        approved = approved and retention != "infinite"  # nothing is shorter that has no end
        self.step("apply_policy", name=name, retention=retention, approved=approved, deletion=deletion)

    @rule(kind=st.just(TASK), name=names)
    def delete_task(self, kind: str, name: str) -> None:
        self.step("delete", kind=kind, name=name)

    @rule(name=policies)
    def delete_policy(self, name: str) -> None:
        self.step("delete", kind=POLICY, name=name)

    @rule(suspended=flags)
    def apply_pipeline(self, *, suspended: bool) -> None:
        self.step("apply_pipeline", suspended=suspended)

    @rule(kind=st.just(PIPELINE), name=st.just(NAME))
    def delete_pipeline(self, kind: str, name: str) -> None:
        self.step("delete", kind=kind, name=name)

    @rule(window=st.integers(0, WINDOWS - 1))
    def late_point(self, window: int) -> None:
        self.step("late_point", window=window)

    @rule(name=backfills, windows=st.integers(1, WINDOWS), reprocess=st.sampled_from(("None", "Failed", "Completed")))
    def backfill(self, name: str, windows: int, reprocess: str) -> None:
        self.step("backfill", name=name, windows=windows, reprocess=reprocess)

    @rule(name=backfills)
    def delete_backfill(self, name: str) -> None:
        self.step("delete", kind=BACKFILL, name=name)

    @rule(name=names)
    def replace(self, name: str) -> None:
        self.step("replace", name=name)

    @rule(name=names)
    def annotate_task(self, name: str) -> None:
        self.step("annotate", kind=TASK, name=name)

    @rule(name=policies, annotation=st.sampled_from(("reconcile-requested-at", "confirm-delete")))
    def annotate_policy(self, name: str, annotation: str) -> None:
        self.step("annotate", kind=POLICY, name=name, annotation=annotation)

    @rule(name=names)
    def label(self, name: str) -> None:
        self.step("label", kind=TASK, name=name)

    @rule(token=st.sampled_from(("first", "second", "wrong")))
    def rotate(self, token: str) -> None:
        self.step("rotate", token=token)

    @rule(suspended=flags)
    def suspend_connection(self, *, suspended: bool) -> None:
        self.step("suspend_connection", suspended=suspended)

    @rule(name=names)
    def annotate_connection(self, name: str) -> None:
        del name
        self.step("annotate", kind=CONNECTION, name="main")

    @rule(name=names, step=st.sampled_from(("ui_rename", "ui_script", "ui_description", "ui_strip", "ui_delete")))
    def ui_edit(self, name: str, step: str) -> None:
        self.step(step, name=name)

    @rule(name=names, status=st.sampled_from(("active", "inactive")))
    def ui_status(self, name: str, status: str) -> None:
        self.step("ui_status", name=name, status=status)

    @precondition(lambda self: len(self.walk.copies) < 3)
    @rule(name=names, exact=flags)
    def ui_copy(self, name: str, *, exact: bool) -> None:
        self.step("ui_copy", name=name, exact=exact)

    @precondition(lambda self: len(self.walk.foreign) < 6)
    @rule(name=names)
    def ui_task(self, name: str) -> None:
        self.step("ui_task", name=name)

    @rule(bucket=st.sampled_from(("kept", "held")), days=st.sampled_from((0, 2, 7, 30, 90)))
    def ui_retention(self, bucket: str, days: int) -> None:
        self.step("ui_retention", bucket=bucket, days=days)

    @rule(bucket=st.sampled_from(("kept", "held")))
    def ui_delete_bucket(self, bucket: str) -> None:
        self.step("ui_delete_bucket", bucket=bucket)

    @rule()
    def crash(self) -> None:
        self.step("crash")

    @rule(skip=skips, moment=st.sampled_from(tuple(Moment)))
    def crash_at(self, skip: int, moment: Moment) -> None:
        self.step("crash_at", skip=skip, moment=moment.value)

    @rule(server=st.sampled_from(tuple(Server)), skip=skips)
    def lose_answer(self, server: Server, skip: int) -> None:
        self.step("lose_answer", server=server.value, skip=skip)

    @rule(server=st.sampled_from(tuple(Server)), down=flags)
    def outage(self, server: Server, *, down: bool) -> None:
        self.step("outage", server=server.value, down=down)

    @rule(minutes=st.sampled_from((-90, -5, 5, 90)))
    def step_clock(self, minutes: int) -> None:
        self.step("step_clock", minutes=minutes)

    @rule()
    def breathe(self) -> None:
        self.step("breathe")

    @rule()
    def rest(self) -> None:
        self.step("rest")


def explore(make_world: Callable[[], World], *, examples: int, steps: int, seeded: int = SEED, shrink: bool) -> None:
    """Walk so many walks of at most so many steps; fails with the shortest that goes wrong, or the first when not to shrink it."""

    class Here(Machine):
        pass

    Here.make_world = staticmethod(make_world)
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    run_state_machine_as_test(
        seed(seeded)(Here),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            print_blob=True,
            phases=phases,
            verbosity=Verbosity.normal,
            suppress_health_check=list(HealthCheck),
        ),
    )


def replay(make_world: Callable[[], World], steps: list[tuple[str, dict[str, Any]]]) -> None:
    """Walk one walk that is written down, to its end."""
    world = make_world()
    try:
        walk = Walk(world)
        walk.begin()
        for name, arguments in steps:
            walk.run(name, **arguments)
        walk.run("end")
    finally:
        world.close()
