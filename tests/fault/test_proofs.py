"""The machine that proves: what it remembers, what it sums up, and what it says of a wrong id."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fault.again import main as again
from tests.fault.again import nodes_by_name
from tests.fault.matrices import KINDS, named
from tests.support.crash import Result
from tests.support.proofs import REPOSITORY, Plans, Total, digest, totals
from tests.support.prove import PARTS, command
from tests.support.prove import main as prove

PROGRAM = """
import sys
from pathlib import Path
import pytest
from tests.support.proven import Proven
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:randomly", sys.argv[1]], [Proven(Path(sys.argv[2]), float(sys.argv[3]))]))
"""


def run(tests: Path, passed: Path, minutes: float) -> str:
    """Run pytest with the plugin."""
    arguments = [str(tests), str(passed), str(minutes)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_what_passed_does_not_run_again_and_what_is_left_comes_next(tmp_path: Path) -> None:
    """A time limit of nothing lets one test run at a time; a failed one runs again."""
    tests, passed = tmp_path / "test_three.py", tmp_path / "passed.txt"
    tests.write_text("def test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pass\n")
    assert "1 passed" in run(tests, passed, 0.0)
    assert "1 failed, 1 deselected" in run(tests, passed, 0.0)
    found = run(tests, passed, 50.0)
    assert "1 failed, 1 passed, 1 deselected" in found
    assert "1 failed, 2 deselected" in run(tests, passed, 50.0)


def test_plans_are_summed_up_by_matrix(tmp_path: Path) -> None:
    """The last result of a plan counts; problems are told apart by how they begin."""
    plans = Plans(tmp_path / "plans.jsonl")
    some = KINDS["objects"].plans
    for plan, problems in zip(
        (some[0], some[0], some[1], some[2], some[3]),
        (["x"], [], ["DOUBLE: y", "ORPHAN: z"], ["VALUES differ"], ["not at rest"]),
        strict=True,
    ):
        plans.add("objects", Result(plan, problems, seconds=2.0))
    assert totals(plans.read()) == [Total("objects", 4, 1, 1, 1, 1, 8.0)]


def test_the_code_is_told_apart(tmp_path: Path) -> None:
    """A changed byte of the operator, the tests, or the CRDs is other code; documentation is none."""
    for folder in ("operator", "tests", "crds", "docs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "operator" / "a.py").write_text("a = 1")
    first = digest(tmp_path)
    (tmp_path / "docs" / "a.py").write_text("b")
    assert digest(tmp_path) == first
    (tmp_path / "tests" / "b.py").write_text("b")
    second = digest(tmp_path)
    shutil.move(tmp_path / "tests" / "b.py", tmp_path / "tests" / "c.py")
    assert len({first, second, digest(tmp_path)}) == 3


def test_every_plan_is_found_by_its_id() -> None:
    """No two matrices have a plan of the same name."""
    every = [plan.id for kind in KINDS.values() for plan in kind.plans]
    assert len(every) == len(set(every)) >= 300
    for kind in KINDS.values():
        assert named(kind.plans[-1].id) == (kind, kind.plans[-1])


def test_a_wrong_id_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of much the same name first, then what ids begin with."""
    assert again(["create-influx-post-task-alpha-1-comitted"]) == 2
    told = capsys.readouterr().err
    assert "There is no plan 'create-influx-post-task-alpha-1-comitted'" in told
    assert "  create-influx-post-task-alpha-1-committed" in told
    assert "ids begin with connect, apply-all, create" in told
    assert again([]) == 2
    assert "Which plan?" in capsys.readouterr().err


def test_a_test_is_found_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of leaders and of late requests have no plan."""
    assert "test_what_arrives_late_changes_nothing[mark-write]" in nodes_by_name()
    assert again(["test_what_arrives_late_changes_nothing[mark]"]) == 2
    assert "  test_what_arrives_late_changes_nothing[mark-write]" in capsys.readouterr().err


def test_parts_name_files_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """And a part that does not exist is refused."""
    assert [path for paths in PARTS.values() for path in paths if not (REPOSITORY / path).exists()] == []
    assert all(f"--ignore={path}" in command("rest") for paths in PARTS.values() for path in paths)
    assert prove(["everything"]) == 2
    assert "there are crashes" in capsys.readouterr().err
