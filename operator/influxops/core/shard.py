"""Which of several operators works a connection and its objects, and how a connection passes from one to another. Pure.

The label says where a connection is wanted, ``status.shard`` who holds it. Only the holder works it; only the holder hands it on,
or the wanted shard takes it when nobody holds it, or its holder's Lease is free.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from influxops.core.keys import GROUP

SHARD = f"{GROUP}/shard"
"""The label of an InfluxConnection that names its shard."""
DEFAULT = "default"
"""The shard of connections without the label, and of objects whose connection does not exist."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Step(StrEnum):
    """What an operator does about one connection."""

    WORK = "Work"
    """It holds the connection and is to."""
    TAKE = "Take"
    """Nobody holds it: write our name into its status, then work it."""
    ASK = "Ask"
    """Another shard holds it: look whether that one's Lease is free."""
    END = "End"
    """It is wanted elsewhere, and something of it is under way here: begin nothing more, and wait for the end."""
    HAND_ON = "HandOn"
    """It is wanted elsewhere, and nothing of it is under way here: write the other's name into its status."""
    LEAVE = "Leave"
    """It is none of our business."""


def is_shard(name: str) -> bool:
    """Whether a shard can have this name."""
    return _NAME.fullmatch(name) is not None


def wanted_shard(labels: Mapping[str, str]) -> str:
    """The shard that is to work a connection; DEFAULT also for a label that no shard can have as its name."""
    name = labels.get(SHARD, "")
    return name if is_shard(name) else DEFAULT


def label_fault(labels: Mapping[str, str]) -> str:
    """What is wrong with the label; empty when nothing is."""
    name = labels.get(SHARD, "")
    if not name or is_shard(name):
        return ""
    return (
        f"label {SHARD} is {name!r}, which is not the name of a shard, so nothing is done: write lower case letters, digits and -, "
        "or take the label off"
    )


def holder_of(status: Mapping[str, Any], *, marked: bool) -> str:
    """The shard that holds a connection; empty when nobody does.

    ``marked``: it has our finalizer. Without a name in its status, a version that knew no shards has worked it, as the default.
    """
    return str(status.get("shard") or "") or (DEFAULT if marked else "")


def step(mine: str, wanted: str, holder: str, *, busy: bool, free: bool) -> Step:
    """What the operator of shard ``mine`` does.

    ``busy``: something of the connection is under way in this process. ``free``: the holder's Lease was seen to be free *after*
    ``wanted`` and ``holder`` were read.
    """
    if wanted != mine or holder != mine:
        if busy:
            return Step.END
        if wanted != mine:
            return Step.HAND_ON if holder == mine else Step.LEAVE
        return Step.TAKE if not holder or free else Step.ASK
    return Step.WORK


def handed_on(wanted: str) -> str:
    """What the status tells between two shards."""
    which = "without --shard" if wanted == DEFAULT else f"with --shard {wanted}"
    return (
        f"handed on to shard {wanted}, which has not taken it up yet: if this stays, no influxops operator runs {which}"
    )
