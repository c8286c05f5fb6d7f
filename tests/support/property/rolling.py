"""The pipeline of a walk and its backfills: two stages that copy windows of points, so that what must be there is plain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.support import windowed
from tests.support.property.port import Object, World

PIPELINE, BACKFILL = "InfluxPipeline", "InfluxBackfill"
NAME = "roll"
EVERY = timedelta(hours=6)
WINDOWS = 4
"""That have closed when a walk begins."""
SOURCES = {"first": "raw", "second": "first"}
"""Stage, and the bucket that it writes -> the bucket that it reads."""


class Rolling:
    """The points of one world, and what of them each bucket must hold."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.begin = _floor(world.now()) - WINDOWS * EVERY
        self._points = 0

    def prepare(self) -> None:
        """Make the buckets, and a point in each window."""
        for name in (*SOURCES, windowed.LEDGER):
            self._world.new_bucket(name, 0)
        for window in range(WINDOWS):
            self.add_point(window)

    def add_point(self, window: int) -> None:
        """Write a point that was never there into a window that has closed."""
        self._points += 1
        moment = self.begin + window * EVERY + timedelta(seconds=self._points)
        self._world.write_point("raw", f"env,sensor=s0 temperature={self._points}.5 {int(moment.timestamp())}000000000")

    def pipeline(self, *, suspended: bool) -> Object:
        """The spec."""
        stages = [
            windowed.stage(
                name,
                source,
                source={"bucket": source, "measurement": "env"},
                destination={"bucket": name, "measurement": "env"},
                dependsOn=[source] if source in SOURCES else [],
            )
            for name, source in SOURCES.items()
        ]
        lateness = {"allowed": "60d", "checkEvery": self._world.look_every}
        return windowed.pipeline(self.begin, "6h", *stages, lateness=lateness, suspend=suspended)

    def backfill(self, windows: int, reprocess: str) -> Object:
        """The spec of one over the first windows."""
        return {
            "pipelineRef": {"name": NAME},
            "start": windowed.stamp(self.begin),
            "stop": windowed.stamp(self.begin + windows * EVERY),
            "reprocess": reprocess,
        }

    def window(self) -> datetime:
        """The end of the latest window that has closed by both clocks."""
        return _floor(min(self._world.now(), self._world.operators_now()))

    def missing(self) -> list[str]:
        """What the stages have not written, or should not have."""
        until, problems = self.window(), []
        wanted = {point for point in self._world.points("raw") if self.begin <= point[0] < until}
        for stage in SOURCES:
            found = {point for point in self._world.points(stage) if self.begin <= point[0] < until}
            if found != wanted:
                problems.append(
                    f"VALUES: bucket {stage} lacks {_told(wanted - found)}, and holds {_told(found - wanted)}"
                )
        return problems

    def strange(self) -> list[str]:
        """Points that nobody has written: a stage copies, and does nothing else."""
        written = set(self._world.points("raw"))
        return [
            f"VALUES: bucket {stage} holds {_told(odd)}, which was never in raw"
            for stage in SOURCES
            if (odd := set(self._world.points(stage)) - written)
        ]


def _floor(moment: datetime) -> datetime:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return moment - since % EVERY


def _told(points: set[tuple[datetime, float]]) -> str:
    return ", ".join(f"{value} at {moment:%m-%dT%H:%M:%S}" for moment, value in sorted(points)) or "nothing"
