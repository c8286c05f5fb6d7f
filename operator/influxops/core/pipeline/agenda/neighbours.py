"""Which windows of a plan wait for which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from influxops.core.pipeline.agenda.entry import Place
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.windows.cadence import Cadence
from influxops.core.pipeline.windows.edges import children_of, parents_of


@dataclass(slots=True)
class Neighbours:
    """Of the windows of one plan."""

    plan: PipelinePlan
    _alike: set[tuple[str, str]] = field(default_factory=set)
    """Parent and child whose windows are the same: of these no calendar is asked."""

    def __post_init__(self) -> None:
        """Find the stages that are alike."""
        for parent, children in self.plan.graph.children.items():
            own = self.plan.stages[parent].cadence
            self._alike |= {(parent, one) for one in children if _same(own, self.plan.stages[one].cadence)}

    def parents(self, place: Place) -> Iterator[Place]:
        """What a window is made of, nearest only."""
        stage, window = place
        own = self.plan.stages[stage].cadence
        for parent in self.plan.graph.parents[stage]:
            if (parent, stage) in self._alike:
                yield parent, window
                continue
            for before in parents_of(own, window, self.plan.stages[parent].cadence):
                yield parent, before

    def children(self, place: Place) -> Iterator[Place]:
        """What is made of a window, nearest only."""
        stage, window = place
        own = self.plan.stages[stage].cadence
        for child in self.plan.graph.children[stage]:
            if (stage, child) in self._alike:
                yield child, window
                continue
            for behind in children_of(own, window, self.plan.stages[child].cadence):
                yield child, behind


def _same(parent: Cadence, child: Cadence) -> bool:
    """Whether each window of the one is made of exactly that window of the other."""
    return parent == child and parent.tumbling
