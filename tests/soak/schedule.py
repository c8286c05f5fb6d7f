"""Which fault strikes when: made from a seed, so that a run can be had again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

LEAST, MOST = 10.0, 30.0
"""Seconds between two faults."""
ENDING_SHARE = 0.4
"""Share of the storm in which operators are ended; afterwards they live on, so that their growth can be measured."""


class Kind(StrEnum):
    """What a fault does."""

    KILL_LEADER = "leader killed"
    TERM_LEADER = "leader ended by SIGTERM"
    KILL_STANDBY = "standby killed"
    PAUSE_LEADER = "leader paused by SIGSTOP"
    PAUSE_STANDBY = "standby paused by SIGSTOP"
    KILL_INFLUXD = "influxd killed"
    PAUSE_INFLUXD = "influxd paused by SIGSTOP"
    KILL_APISERVER = "apiserver killed"
    PAUSE_APISERVER = "apiserver paused by SIGSTOP"
    CUT_OFF_LEADER = "leader cut off from the apiserver"
    INFLUX_RESETS = "InfluxDB: connections reset"
    INFLUX_LOST = "InfluxDB: replies dropped"
    INFLUX_500 = "InfluxDB: 500"
    INFLUX_503 = "InfluxDB: 503"
    INFLUX_429 = "InfluxDB: 429"
    INFLUX_CUT = "InfluxDB: JSON cut"
    INFLUX_HTML = "InfluxDB: HTML for JSON"
    INFLUX_SLOW = "InfluxDB: slow"
    INFLUX_HANGS = "InfluxDB: hangs"
    KUBE_RESETS = "apiserver: connections reset"
    KUBE_LOST = "apiserver: replies dropped"
    KUBE_500 = "apiserver: 500"
    KUBE_503 = "apiserver: 503"
    KUBE_429 = "apiserver: 429"
    KUBE_CUT = "apiserver: JSON cut"
    KUBE_REDIRECT = "apiserver: redirects"
    KUBE_SLOW = "apiserver: slow"
    WATCHES_SILENT = "watches silent"
    WATCHES_GONE = "watches end with 410"
    WATCHES_BROKEN = "watches break in the middle of a line"
    SECRET_ROTATED = "token rotated, the old one revoked"


ENDINGS = frozenset({Kind.KILL_LEADER, Kind.TERM_LEADER, Kind.KILL_STANDBY})
"""Faults that end an operator."""

HANDOVERS = ENDINGS | {
    Kind.PAUSE_LEADER,
    Kind.KILL_APISERVER,
    Kind.PAUSE_APISERVER,
    Kind.CUT_OFF_LEADER,
    Kind.KUBE_SLOW,
    Kind.KUBE_RESETS,
    Kind.KUBE_500,
    Kind.KUBE_503,
    Kind.KUBE_429,
}
"""Faults after which another operator may lead."""

_SECONDS = {
    Kind.PAUSE_LEADER: (2.0, 25.0),
    Kind.PAUSE_STANDBY: (2.0, 25.0),
    Kind.KILL_LEADER: (0.5, 4.0),
    Kind.TERM_LEADER: (0.5, 4.0),
    Kind.KILL_STANDBY: (0.5, 4.0),
    Kind.KILL_INFLUXD: (0.0, 8.0),
    Kind.PAUSE_INFLUXD: (1.0, 20.0),
    Kind.KILL_APISERVER: (0.0, 5.0),
    Kind.PAUSE_APISERVER: (1.0, 12.0),
    Kind.CUT_OFF_LEADER: (2.0, 25.0),
    Kind.SECRET_ROTATED: (0.0, 3.0),
}


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault. ``at``: seconds after the begin of the storm."""

    at: float
    kind: Kind
    seconds: float
    """How long it lasts; of what is ended: until it is started again; of a Secret: until the old token is revoked."""
    count: int
    """Most requests that it strikes, where it strikes requests."""


def schedule(seed: int, seconds: float) -> list[Strike]:
    """The faults of a storm of so many seconds, in their order.

    Kinds are dealt like cards, so that each comes about as often as any other.
    """
    chance = random.Random(seed)
    found: list[Strike] = []
    deck: list[Kind] = []
    at = chance.uniform(LEAST, MOST) / 2
    while at < seconds:
        if not deck:
            deck = list(Kind)
            chance.shuffle(deck)
        kind = deck.pop()
        if kind in ENDINGS and at > ENDING_SHARE * seconds:
            continue
        length = chance.uniform(*_SECONDS.get(kind, (3.0, 15.0)))
        found.append(Strike(round(at, 1), kind, round(length, 1), chance.randint(1, 60)))
        at += chance.uniform(LEAST, MOST)
    return found
