"""Every write that the operator makes for a workload, as the fault proxies name it; test_crash_matrix.py holds it to the truth.

A write that `comes_or_stays_away` depends on the order in which things happen to happen: no plan has to strike it.
"""

from __future__ import annotations

import re

_FIRST = ("kube-patch-task-alpha-metadata-1", "influx-post-task-alpha-1", "kube-patch-task-alpha-status-1")
_COUNTED = "kube-patch-connection-main-status-1"
_PATCHED = ("influx-patch-task-alpha-1", "kube-patch-task-alpha-status-1")
_PATCHED_TWICE = ("influx-patch-task-alpha-1", "influx-patch-task-alpha-2", "kube-patch-task-alpha-status-1")
_DELETED = ("influx-delete-task-alpha-1", "kube-patch-task-alpha-metadata-1", _COUNTED)
_POLICY = ("influx-patch-bucket-managed-1", "kube-patch-policy-keep-status-1")
_RECREATED = (
    "influx-post-task-alpha-1",
    *(f"influx-patch-task-alpha-{step}" for step in (1, 2, 3)),
    "influx-delete-task-alpha-1",
)

WRITES: dict[str, tuple[str, ...]] = {
    "connect": ("kube-patch-connection-main-metadata-1", _COUNTED),
    "apply-all": (
        "kube-patch-connection-main-metadata-1",
        _COUNTED,
        *_FIRST,
        "kube-patch-policy-keep-metadata-1",
        "influx-post-bucket-managed-1",
        "kube-patch-policy-keep-status-1",
        "kube-patch-task-beta-metadata-1",
        "influx-post-task-beta-1",
        "kube-patch-task-beta-status-1",
    ),
    "create": (*_FIRST, _COUNTED),
    "create-delete": (*_FIRST, "influx-delete-task-alpha-1", "kube-patch-task-alpha-metadata-2"),
    "create-orphan": (*_FIRST, "influx-patch-task-alpha-1", "kube-patch-task-alpha-metadata-2"),
    "create-down-delete": (*_FIRST, "influx-delete-task-alpha-1", "kube-patch-task-alpha-metadata-2"),
    "script": _PATCHED,
    "reschedule": _PATCHED_TWICE,
    "cron": _PATCHED_TWICE,
    "suspend": _PATCHED,
    "resume": _PATCHED,
    "first-resume": ("influx-post-task-alpha-1", "kube-patch-task-alpha-status-1", _COUNTED),
    "rename": _PATCHED,
    "everything": _PATCHED_TWICE,
    "two-edits": _PATCHED_TWICE,
    "delete": _DELETED,
    "delete-orphan": ("influx-patch-task-alpha-1", *_DELETED[1:]),
    "delete-suspended": _DELETED,
    "remake": (
        "influx-delete-task-alpha-1",
        "kube-patch-task-alpha-metadata-1",
        "kube-patch-task-alpha-metadata-2",
        "influx-post-task-alpha-1",
        "kube-patch-task-alpha-status-1",
    ),
    "drift": ("influx-patch-task-alpha-1",),
    "marker-lost": ("influx-patch-task-alpha-1",),
    "deleted-in-influx": ("influx-post-task-alpha-1", "kube-patch-task-alpha-status-1"),
    "outage-edit": (_COUNTED, *_PATCHED, "kube-patch-connection-main-status-2"),
    "outage-delete": (
        _COUNTED,
        "kube-patch-task-alpha-status-1",
        "kube-patch-connection-main-status-2",
        *_DELETED[:2],
    ),
    "take-down": (
        "influx-delete-task-alpha-1",
        "kube-patch-task-alpha-metadata-1",
        "kube-patch-connection-main-metadata-1",
    ),
    "policy-create": ("kube-patch-policy-keep-metadata-1", "influx-post-bucket-managed-1", _POLICY[1]),
    "policy-down-delete": (
        "influx-post-bucket-managed-1",
        "kube-patch-policy-keep-status-1",
        "influx-patch-bucket-managed-1",
        "kube-patch-policy-keep-metadata-2",
    ),
    "policy-take": ("kube-patch-policy-keep-metadata-1", *_POLICY, "kube-patch-policy-keep-status-2"),
    "policy-longer": _POLICY,
    "policy-shorter": _POLICY,
    "policy-guarded": ("kube-patch-policy-keep-status-1",),
    "policy-delete": ("influx-patch-bucket-managed-1", "kube-patch-policy-keep-metadata-1"),
    "adopt": ("kube-patch-task-alpha-metadata-1", *_PATCHED_TWICE),
    "adopt-delete": (*_PATCHED_TWICE, "influx-delete-task-alpha-1", "kube-patch-task-alpha-metadata-2"),
    "approve": (*_PATCHED_TWICE, "kube-patch-task-alpha-status-2"),
    "approve-double": (
        "kube-patch-task-alpha-status-1",
        "kube-patch-task-alpha-status-2",
        "influx-delete-task-double-1",
        *_PATCHED_TWICE[:2],
        "kube-patch-task-alpha-status-3",
    ),
    "recreate": (*_RECREATED, "kube-patch-task-alpha-status-1"),
    "recreate-delete": (
        *_RECREATED,
        "kube-patch-task-alpha-status-1",
        "influx-delete-task-alpha-2",
        "kube-patch-task-alpha-metadata-1",
    ),
    "recreate-orphan": (
        *_RECREATED,
        "kube-patch-task-alpha-status-1",
        "influx-patch-task-alpha-4",
        "kube-patch-task-alpha-metadata-1",
    ),
    "move-org": (
        _COUNTED,
        "kube-patch-connection-main-status-2",
        "influx-post-bucket-managed-1",
        "influx-post-task-alpha-1",
        "kube-patch-policy-keep-status-1",
        "kube-patch-task-alpha-status-1",
    ),
    "move-address": _PATCHED,
    "rotate": _PATCHED,
    "rotate-late": (
        _COUNTED,
        "kube-patch-task-alpha-status-1",
        "kube-patch-connection-main-status-2",
        "influx-patch-task-alpha-1",
        "kube-patch-task-alpha-status-2",
    ),
    "delete-namespace": (
        "influx-delete-task-alpha-1",
        "kube-patch-task-alpha-metadata-1",
        "influx-patch-bucket-managed-1",
        "kube-patch-policy-keep-metadata-1",
        "kube-patch-connection-main-metadata-1",
    ),
    "policy-delete-bucket": ("influx-delete-bucket-managed-1", "kube-patch-policy-keep-metadata-1"),
}

OPTIONAL: dict[str, tuple[str, ...]] = {
    # Struck here, the object would go before the operator ever held it.
    "policy-down-delete": ("kube-patch-policy-keep-metadata-1",),
    "adopt-delete": ("kube-patch-task-alpha-metadata-1",),
    "two-edits": ("influx-patch-task-alpha-3", "influx-patch-task-alpha-4"),
}

_STATUS = re.compile(r"kube-patch-(?P<object>.+)-status-(?P<number>\d+)")


def comes_or_stays_away(workload: str, write: str) -> bool:
    """Whether this write depends on the order of things.

    Besides those of OPTIONAL: a connection counts its tasks at each sweep, and whether it sees a number that passes depends
    on the moment; and so does whether an object's status is told once or in steps.
    """
    status = _STATUS.fullmatch(write)
    told_in_steps = status is not None and (status["object"] == "connection-main" or status["number"] != "1")
    return told_in_steps or write in OPTIONAL.get(workload, ())
