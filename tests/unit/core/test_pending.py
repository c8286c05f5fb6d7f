"""The plan that waits: what it shows, and the hash that an approval names."""

from __future__ import annotations

from typing import Any

import pytest

from influxops.core.bucket_plan import DesiredBucket, plan_bucket
from influxops.core.marker import Owner
from influxops.core.observed import Bucket
from influxops.core.pending import MAX_DIFF, bucket_actions, bucket_basis, in_words, is_rest_of, pending, script_diff

ACTIONS: list[dict[str, Any]] = [{"action": "update", "id": "0b", "changes": [{"field": "x", "old": "1", "new": "2"}]}]
T0, T1 = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"


def test_the_same_plan_keeps_its_hash_and_its_time() -> None:
    first = pending(ACTIONS, ["world"], None, T0)
    assert pending(ACTIONS, ["world"], first, T1) == first


@pytest.mark.parametrize(("actions", "basis"), [(ACTIONS, ["another world"]), ([], ["world"])])
def test_another_world_or_other_actions_make_another_hash(actions: list[dict[str, Any]], basis: list[str]) -> None:
    first = pending(ACTIONS, ["world"], None, T0)
    second = pending(actions, basis, first, T1)
    assert second["hash"] != first["hash"]
    assert second["createdAt"] == T1


def test_an_approval_counts_once() -> None:
    """The same change that is found again later, when the first plan is gone, has another hash."""
    first = pending(ACTIONS, ["world"], None, T0)
    assert pending(ACTIONS, ["world"], None, T1)["hash"] != first["hash"]


DELETE: dict[str, Any] = {"action": "delete", "id": "0d"}


def test_what_is_left_after_a_deletion_is_the_plan_that_was_shown() -> None:
    """In the same world only, and only what was part of it."""
    whole = pending([DELETE, *ACTIONS], ["world"], None, T0)
    assert is_rest_of(whole, [DELETE, *ACTIONS], ["world"])
    assert is_rest_of(whole, ACTIONS, ["world"])
    assert not is_rest_of(whole, ACTIONS, ["another world"])
    assert not is_rest_of(whole, [{"action": "update", "id": "0b"}], ["world"])
    assert not is_rest_of(whole, [DELETE, DELETE, *ACTIONS], ["world"])


def test_only_deletions_may_have_been_done() -> None:
    """An update that is gone from the plan was perhaps made by somebody else, and is another plan."""
    whole = pending([*ACTIONS, DELETE], ["world"], None, T0)
    assert not is_rest_of(whole, [DELETE], ["world"])


def test_a_plan_that_somebody_wrote_into_status_is_not_believed() -> None:
    forged = {"hash": "0" * 16, "actions": ACTIONS, "createdAt": T0}
    assert pending(ACTIONS, ["world"], forged, T1)["createdAt"] == T1


def test_the_difference_of_two_scripts() -> None:
    assert script_diff("a\nb\nc\n", "a\nB\nc\n").splitlines() == ["@@ -1,3 +1,3 @@", " a", "-b", "+B", " c"]
    assert script_diff("a\n", "a\n") == ""


def test_a_difference_that_no_line_shows_is_told() -> None:
    assert script_diff("a\r\nb", "a\nb") != ""


def test_a_long_difference_is_cut() -> None:
    assert len(script_diff("", "x\n" * MAX_DIFF)) == MAX_DIFF


def test_taking_a_bucket_over_shows_as_adoption() -> None:
    """From the second time on it is an update."""
    owner = Owner("c1", "RetentionPolicy", "ns", "raw")
    wanted = DesiredBucket(owner, "u1", "raw", 3600, 3600, None, create=True, approval=None)
    bucket = Bucket("0b", "o", "raw", "user", "by hand", 7200, 3600)
    shown = bucket_actions(plan_bucket(wanted, bucket), {})
    assert in_words(shown) == "adopt 0b (retention, description)"
    ours = Bucket("0b", "o", "raw", "user", wanted.stored_description("by hand"), 7200, 3600)
    assert in_words(bucket_actions(plan_bucket(wanted, ours), {})) == "update 0b (retention)"
    assert bucket_basis(wanted, bucket) != bucket_basis(wanted, ours)
