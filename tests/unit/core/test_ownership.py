"""Finding our own task: marker first, id second, never by name; doubles and copies told apart."""

from __future__ import annotations

from datetime import UTC, datetime

from influxops.core.marker import Owner, sha256, stamp_script
from influxops.core.observed import Task, TaskRecord, TaskStatus
from influxops.core.ownership import Claim, match

OWNER = Owner("c1", "InfluxTask", "ns", "cpu")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(task_id: str, flux: str, name: str = "ns/cpu") -> TaskRecord:
    task = Task(task_id, "o", "u", name, TaskStatus.ACTIVE, "", flux, "1h", "", "", NOW, NOW)
    return TaskRecord.of(task)


def claim(task_id: str = "", digests: tuple[str, ...] = (), uid: str = "u1") -> Claim:
    return Claim(OWNER, uid, task_id, "ns/cpu", frozenset(digests))


SCRIPT = stamp_script(OWNER, "u1", "x = 1")


def test_nothing_found_means_create() -> None:
    assert match(claim(), [], None, []).ours is None


def test_the_marker_finds_the_task_under_any_name() -> None:
    """A rename in the UI does not lose the task."""
    task = record("01", SCRIPT, name="renamed")
    assert match(claim(), [task], None, []).ours == task


def test_an_old_uid_is_still_ours() -> None:
    """A cluster rebuilt from Git has new uids and takes its tasks back."""
    task = record("01", stamp_script(OWNER, "an-old-uid", "x = 1"))
    assert match(claim(), [task], None, []).ours == task


def test_the_id_in_status_finds_a_task_whose_marker_was_lost() -> None:
    task = record("01", "x = 1")
    found = match(claim("01"), [], task, [task])
    assert found.ours == task
    assert found.marker_lost


def test_a_task_at_our_id_with_another_owners_marker_is_not_ours() -> None:
    other = record("01", stamp_script(Owner("c1", "InfluxTask", "ns", "other"), "u9", "x = 1"))
    found = match(claim("01"), [], other, [other])
    assert found.ours is None
    assert not found.marker_lost


def test_an_unmarked_task_of_the_name_is_a_stranger() -> None:
    task = record("07", "x = 1")
    assert match(claim(), [], None, [task]).strangers == (task,)


def test_a_marked_task_of_the_name_is_no_stranger() -> None:
    """Names need not be unique."""
    other = record("01", stamp_script(Owner("c2", "InfluxTask", "ns", "cpu"), "u9", "x = 1"))
    assert match(claim(), [], None, [other]).strangers == ()


def test_our_double_is_told_from_a_copy() -> None:
    """Bytes and name as we rendered them: ours twice. Edited or renamed: somebody's copy."""
    ours, double = record("01", SCRIPT), record("02", SCRIPT)
    renamed = record("03", SCRIPT, name="copy of cpu")
    edited = record("04", SCRIPT + "\n// mine now")
    found = match(claim("01", (sha256(SCRIPT),)), [edited, renamed, double, ours], ours, [])
    assert found.ours == ours
    assert found.doubles == (double,)
    assert set(found.copies) == {renamed, edited}


def test_the_one_in_status_wins_over_an_older_id() -> None:
    """Unless they differ in nothing but the id."""
    older, known = record("01", stamp_script(OWNER, "u1", "x = 2")), record("02", SCRIPT)
    assert match(claim("02"), [older, known], known, []).ours == known


def test_of_twins_everybody_keeps_the_oldest() -> None:
    """Two operators that both believe they lead each know another one as theirs, and delete the same one."""
    twins = [record("01", SCRIPT), record("02", SCRIPT), record("03", SCRIPT)]
    for mine in twins:
        found = match(claim(mine.id, (sha256(SCRIPT),)), twins, mine, [])
        assert found.ours == twins[0]
        assert set(found.doubles) == set(twins[1:])


def test_a_twin_of_another_uid_or_name_is_not_taken_for_ours() -> None:
    """An older task of a former object, or one that was renamed, does not come in the place of the one in status."""
    known = record("03", SCRIPT)
    others = [record("01", stamp_script(OWNER, "u0", "x = 1")), record("02", SCRIPT, name="copy of cpu")]
    assert match(claim("03"), [*others, known], known, []).ours == known


def test_a_copy_does_not_replace_the_task_in_status_that_lost_its_marker() -> None:
    """The header was removed from ours in the UI while an edited copy still carries it."""
    ours, copy = record("01", "x = 1"), record("02", SCRIPT + "\n// mine now", name="copy")
    found = match(claim("01", (sha256(SCRIPT),)), [copy], ours, [])
    assert found.ours == ours
    assert found.marker_lost
    assert found.copies == (copy,)


def test_an_edited_copy_of_a_deleted_task_is_not_taken_over() -> None:
    """Ours was deleted by hand: it is made anew, and the copy stays what it is."""
    copy = record("02", SCRIPT + "\n// mine now", name="copy")
    found = match(claim("01", (sha256(SCRIPT),)), [copy], None, [])
    assert found.ours is None
    assert found.copies == (copy,)


def test_without_an_id_in_status_an_edited_task_with_our_marker_is_ours() -> None:
    """Status was lost and somebody edited the task: drift, not a copy."""
    task = record("02", SCRIPT + "\n// edited")
    assert match(claim(), [task], None, []).ours == task


# Taking over


ADOPT = Claim(OWNER, "u1", "", "ns/cpu", frozenset(), adopt=True)
IMPORT = Claim(OWNER, "u1", "", "ns/cpu", frozenset(), import_id="09")


def test_the_one_unmarked_task_of_the_name_is_adopted_when_asked() -> None:
    task = record("07", "x = 1")
    found = match(ADOPT, [], None, [task])
    assert found.adoptable == task
    assert found.ours is None


def test_of_several_unmarked_tasks_of_the_name_none_is_adopted() -> None:
    """Nobody can tell which is meant; they are listed, oldest first."""
    later, earlier = record("08", "x = 2"), record("07", "x = 1")
    found = match(ADOPT, [], None, [later, earlier])
    assert found.adoptable is None
    assert found.strangers == (earlier, later)


def test_a_task_that_is_ours_already_comes_before_any_adoption() -> None:
    ours, stranger = record("01", SCRIPT), record("07", "x = 1")
    assert match(ADOPT, [ours], None, [stranger]).adoptable is None
    assert match(IMPORT, [ours], None, [], record("09", "x = 1")).ours == ours


def test_an_imported_task_may_have_any_name() -> None:
    task = record("09", "x = 1", name="something else")
    assert match(IMPORT, [], None, [], task).adoptable == task


def test_a_managed_task_is_never_imported() -> None:
    """The message says who manages it."""
    other = record("09", stamp_script(Owner("c2", "InfluxTask", "ns", "other"), "u9", "x = 1"))
    found = match(IMPORT, [], None, [], other)
    assert found.adoptable is None
    assert found.refusal is not None
    assert "ns/other of influxops instance c2" in found.refusal.message


def test_an_import_of_nothing_is_refused_and_nothing_is_created() -> None:
    found = match(IMPORT, [], None, [record("07", "x = 1")])
    assert found.refusal is not None
    assert "09" in found.refusal.message
    assert found.strangers == ()
