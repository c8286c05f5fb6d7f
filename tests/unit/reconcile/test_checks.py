"""Which scripts InfluxDB is asked to type-check."""

from __future__ import annotations

from influxops.core.flux.shape import shape_of
from tests.support.desk import SCRIPT, Desk


def _other_string() -> str:
    """The script of the desk with another text in its last plain string."""
    shape = shape_of(SCRIPT)
    assert shape is not None
    assert shape.strings
    return SCRIPT.replace(f'"{shape.strings[-1]}"', '"another"')


async def test_a_script_that_differs_in_a_string_alone_is_not_checked_again() -> None:
    desk = Desk()
    task = await desk.start()
    assert desk.fake.checks == 1
    desk.change(flux=_other_string())
    await desk.settle()
    assert '"another"' in desk.fake.tasks[task].flux
    assert desk.fake.checks == 1


async def test_another_schedule_is_another_shape() -> None:
    """The generated lines are of the script, and are checked with it."""
    desk = Desk()
    await desk.start()
    desk.change(every="2h")
    await desk.settle()
    assert desk.fake.checks == 2


async def test_a_fault_is_not_remembered() -> None:
    """Each script of a shape with a fault is told of its own place; and what is right later on is."""
    desk = Desk()
    await desk.start()
    desk.fake.fault = "expected int but found string"
    desk.change(every="2h")
    await desk.settle()
    assert desk.ready() == ("False", "InvalidScript")
    desk.change(every="2h", flux=_other_string())
    await desk.settle()
    assert desk.ready() == ("False", "InvalidScript")
    desk.fake.fault = ""
    desk.change(every="2h", flux=SCRIPT)
    await desk.settle()
    assert desk.ready() == ("True", "Synced")
    assert desk.fake.checks == 4


async def test_another_version_of_the_server_is_asked_anew() -> None:
    """Only another one: the same version is told again and again."""
    desk = Desk()
    await desk.start()
    desk.link.serves("2.7.12")
    known = desk.link.scripts
    desk.link.serves("2.7.12")
    assert desk.link.scripts is known
    desk.link.serves("2.8.0")
    assert desk.link.scripts is not known
    assert (desk.link.version, desk.link.scripts.get(SCRIPT)) == ("2.8.0", None)
