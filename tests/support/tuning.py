"""Operators whose patience is shorter than what users have, where a test would only wait. Called like tests/support/sabotage.py."""

from __future__ import annotations

LET_GO = 4.0
"""Seconds instead of 300."""


def let_go_soon() -> None:
    """Objects that can never be cleaned up are let go of after a few seconds, not after five minutes."""
    from influxops.reconcile import policy_delete, task_delete

    task_delete.LET_GO_AFTER = policy_delete.LET_GO_AFTER = LET_GO
