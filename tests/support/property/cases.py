"""Walks with a name, walked at every test: each bug that the machine finds becomes one, and so did what finds out operators that are
broken on purpose.

A walk that the machine prints becomes one by copying its lines.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """One walk."""

    name: str
    why: str
    """What it showed."""
    steps: str
    """One step a line, as the machine prints them."""
    finds: str = ""
    """The operator broken on purpose (tests/support/sabotage.py) that this walk finds out."""

    def parsed(self) -> list[tuple[str, dict[str, Any]]]:
        """The steps as names and arguments."""
        return [_parse(line.strip()) for line in self.steps.strip().splitlines()]


def _parse(line: str) -> tuple[str, dict[str, Any]]:
    call = ast.parse(line, mode="eval").body
    assert isinstance(call, ast.Call), line
    assert isinstance(call.func, ast.Name), line
    return call.func.id, {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}


CASES = (
    Case(
        "lost-answer-to-a-create",
        "Without a look for the mark, the task whose creation nobody was told of is made a second time.",
        """
        rest()
        lose_answer(server='influx', skip=0)
        apply_task(object_name='alpha')
        breathe()
        breathe()
        rest()
        lose_answer(server='influx', skip=0)
        ui_delete(name='alpha')
        breathe()
        breathe()
        """,
        "ignore_markers",
    ),
    Case(
        "killed-before-the-status-names-the-task",
        "The create is carried out and the process is gone: only the mark tells whose task it is.",
        """
        rest()
        crash_at(skip=1, moment='committed')
        apply_task(object_name='alpha')
        breathe()
        breathe()
        breathe()
        rest()
        delete(kind='InfluxTask', name='alpha')
        """,
        "ignore_markers",
    ),
    Case(
        "byte-for-byte-copy-while-nobody-looks",
        "A double of our own goes, whoever made it; an edited copy stays.",
        """
        apply_task(object_name='alpha', script='two')
        rest()
        outage(server='influx', down=True)
        ui_copy(name='alpha', exact=True)
        ui_copy(name='alpha', exact=False)
        crash()
        rest()
        delete(kind='InfluxTask', name='alpha')
        """,
        "forget_to_delete",
    ),
    Case(
        "raised-by-hand-in-an-incident",
        "A retention that somebody made longer is never shortened again without consent, also not after a restart.",
        """
        apply_policy(name='keep', retention='30d', approved=False, deletion='Orphan')
        rest()
        ui_retention(bucket='kept', days=90)
        crash()
        rest()
        apply_policy(name='keep', retention='7d', approved=False, deletion='Orphan')
        rest()
        apply_policy(name='keep', retention='7d', approved=True, deletion='Delete')
        rest()
        delete(kind='RetentionPolicy', name='keep')
        """,
        "forget_the_guard",
    ),
    Case(
        "made-again-under-its-name-while-the-apiserver-is-away",
        "The deletion falls into a gap of the watch; the next object of the name takes over what is left.",
        """
        apply_task(object_name='alpha', deletion='Orphan', name='shared')
        apply_task(object_name='beta', name='shared')
        rest()
        outage(server='kube', down=True)
        replace(name='alpha')
        breathe()
        outage(server='kube', down=False)
        breathe()
        replace(name='alpha')
        rotate(token='second')
        rest()
        """,
    ),
    Case(
        "rivals-for-one-bucket",
        "Two policies want one bucket: the older one has it, and when that goes the other one follows.",
        """
        apply_policy(name='keep', retention='30d', approved=False, deletion='Orphan')
        apply_policy(name='rival', retention='7d', approved=True, deletion='Delete')
        rest()
        crash_at(skip=1, moment='committed')
        delete(kind='RetentionPolicy', name='keep')
        breathe()
        rest()
        annotate(kind='RetentionPolicy', name='rival', annotation='confirm-delete')
        delete(kind='RetentionPolicy', name='rival')
        """,
    ),
    Case(
        "late-points-while-nobody-looks",
        "Points that come while the operator or InfluxDB is away, or the pipeline is not there, are in all buckets in the end.",
        """
        apply_pipeline(suspended=False)
        rest()
        outage(server='influx', down=True)
        late_point(window=1)
        crash()
        rest()
        delete(kind='InfluxPipeline', name='roll')
        breathe()
        late_point(window=2)
        apply_pipeline(suspended=False)
        backfill(name='again', windows=2, reprocess='Completed')
        crash_at(skip=3, moment='committed')
        late_point(window=0)
        rest()
        """,
        "never_look_back",
    ),
    Case(
        "clock-set-back-while-late-points-come",
        "The next look for late points was due by the time of day, so that a clock set back put it off by as much.",
        """
        apply_pipeline(suspended=False)
        breathe()
        late_point(window=0)
        step_clock(minutes=-90)
        rest()
        late_point(window=1)
        step_clock(minutes=-90)
        """,
        "never_look_back",
    ),
    Case(
        "operators-clock-ahead-of-influxdb",
        "Runs were asked for from a moment in the server's future: it refused, and nothing of the connection was worked any more.",
        """
        rest()
        step_clock(minutes=90)
        apply_task(object_name='alpha')
        breathe()
        breathe()
        rest()
        step_clock(minutes=-90)
        apply_task(object_name='alpha', every='12h')
        rest()
        """,
    ),
)
