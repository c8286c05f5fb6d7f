"""What a pipeline tells people: Kubernetes events at its object and log lines, few even when much goes wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from influxops.core.durations import format_seconds
from influxops.core.keys import Key
from influxops.core.outcome import Reason
from influxops.core.pipeline.agenda.entry import Entry, Place
from influxops.core.pipeline.agenda.late import Change
from influxops.core.pipeline.agenda.too_late import TooLate
from influxops.engine.pipeline.late_look import Found
from influxops.reconcile.context import Context

GIVEN_UP_EVERY = 600.0
"""Seconds between two messages of windows that are given up: with short windows that may be every second."""
SHOWN = 5
"""Windows that one message names."""


class Voice:
    """Of one object."""

    def __init__(self, context: Context, key: Key) -> None:
        self._context = context
        self._key = key
        self._quiet_until = float("-inf")
        self._told_old: set[tuple[str, TooLate]] = set()

    def failed(self, entry: Entry, error: str) -> None:
        """All attempts of a window are spent."""
        attempts = "1 attempt" if entry.attempt == 1 else f"{entry.attempt} attempts"
        self._say(Reason.RUN_FAILING, f"stage {entry.stage} failed over {entry.window} after {attempts}: {error}")

    def warnings(self, entry: Entry, warnings: Iterable[str]) -> None:
        """Checks of severity Warn that did not pass."""
        for warning in warnings:
            self._say(Reason.CHECK_FAILED, f"stage {entry.stage} over {entry.window}: {warning}")

    def undecided(self, entry: Entry) -> None:
        """Attempts of a window come to no verdict, again and again."""
        what = f"stage {entry.stage} over {entry.window}"
        self._say(Reason.RETRYING, f"{what} is tried again and again, for no attempt comes to an end: {entry.error}")

    def opened(self, stage: str, failures: int, seconds: float, error: str) -> None:
        """A circuit has opened."""
        self._say(
            Reason.CIRCUIT_OPEN,
            f"stage {stage} failed {failures} times in a row and is left alone for {format_seconds(round(seconds))}, then tried with one window: "
            f"{error}",
        )

    def closed(self, stage: str) -> None:
        """A circuit has closed."""
        self._say(Reason.CIRCUIT_CLOSED, f"stage {stage} runs again; what had failed runs once more", warning=False)

    def given_up(self, places: Iterable[Place], limit: int) -> None:
        """More windows waited than catchUp allows."""
        what = _up_to(places)
        if not what or self._context.clock() < self._quiet_until:
            return
        self._quiet_until = self._context.clock() + GIVEN_UP_EVERY
        self._say(
            Reason.GIVEN_UP,
            f"more than {limit} windows (spec.catchUp.maxWindows) waited; older ones are not run, nor what is made of them: {what}. "
            "An InfluxBackfill of that range runs them",
        )

    def dropped(self, places: Iterable[Place]) -> None:
        """Windows are left out at a start, for good."""
        what = _up_to(places)
        if what:
            self._say(
                Reason.GIVEN_UP,
                f"windows that had failed or waited are not run any more: {what}. They begin before spec.begin, more than spec.catchUp.maxWindows "
                "newer ones wait, or what they are made of is gone. An InfluxBackfill of that range runs them",
            )

    def forgotten(self, places: Iterable[Place]) -> None:
        """Nobody can tell any more which windows have run."""
        what = _up_to(places)
        if what:
            self._say(
                Reason.GIVEN_UP,
                "windows are older than the records that the ledger keeps, so nobody can tell whether they ran, and what they are made of has "
                f"begun to expire: they are not run, nor what is made of them: {what}. Keep the ledger's records for longer than a window may "
                "stay failed",
            )

    def unmade(self, places: Iterable[Place]) -> None:
        """Stages that are new, or were away, cannot make up for what has begun."""
        what = _up_to(places)
        if what:
            self._say(
                Reason.GIVEN_UP,
                "what windows of stages that are new, or were away, are made of has begun to expire, or is not made up for itself: they are not run, nor the "
                f"windows under way that would be made of a part: {what}",
            )

    def expired(self, entry: Entry) -> None:
        """It is too late to run a window again."""
        self._say(
            Reason.SOURCE_EXPIRED,
            f"stage {entry.stage} was to run again over {entry.window} ({entry.cause.value}), and its source has begun to expire; the window "
            "keeps what it has, for a run would lose points",
        )

    def blind(self, error: str) -> None:
        """A look for late data could not be made."""
        self._say(Reason.LATE_DATA, f"the sources could not be looked at for late data: {error}")

    def late(self, found: Found, *, rerun: bool) -> None:
        """Sources have changed since their windows ran; without ``rerun`` that is only told."""
        if found.changes:
            lost = len(found.reruns) - len(found.changes)
            what = _first([_counts(one) for one in found.changes])
            again = f"; {len(found.changes)} windows and {max(lost, 0)} made of them run again" if found.reruns else ""
            if not rerun:
                again = (
                    "; they are not run again, for spec.lateness.onLate is Report. An InfluxBackfill of that range with "
                    "reprocess: Completed runs them"
                )
            self._say(Reason.LATE_DATA, f"sources have changed since their windows ran: {what}{again}", warning=False)
        if found.expired:
            what = _first([_counts(one) for one in found.expired[:SHOWN]])
            self._say(
                Reason.SOURCE_EXPIRED,
                f"{len(found.expired)} windows have changed whose source has begun to expire; they are not run again, for that "
                f"would lose points: {what}",
            )
        if found.partial:
            what = _first([f"{stage} {window}" for stage, window in found.partial], ", ")
            self._say(
                Reason.SOURCE_EXPIRED,
                f"{len(found.partial)} windows made of some that run again keep what they had, for their own source has begun to "
                f"expire and they would lose points: {what}. Keep that bucket longer than spec.lateness.allowed and the longest "
                "window together",
            )

    def too_late(self, found: Iterable[tuple[str, TooLate]]) -> None:
        """Old windows have changed; the same is told once."""
        all_ = list(found)
        fresh = [one for one in all_ if one not in self._told_old]
        self._told_old = set(all_)
        if not fresh:
            return
        what = _first([f"{stage} {one.span.window} {one.span.was} -> {one.now} points" for stage, one in fresh])
        self._say(
            Reason.TOO_LATE,
            f"sources of windows older than spec.lateness.allowed have changed, and these are not run again: {what}. An "
            "InfluxBackfill of that range with reprocess: Completed runs them",
        )

    def _say(self, reason: Reason, message: str, *, warning: bool = True) -> None:
        record = self._context.objects.get(self._key)
        if record is not None:
            self._context.recorder.event(record, reason, message, warning=warning)
        self._context.recorder.action(self._key, "window", reason, message=message)


def _counts(change: Change) -> str:
    return f"{change.record.stage} {change.record.window} {change.was} -> {change.now} points"


def _first(texts: Sequence[str], between: str = "; ") -> str:
    """As many as one message names, and how many more there are."""
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return between.join(texts[:SHOWN]) + more


def _up_to(places: Iterable[Place]) -> str:
    """Of each stage the newest window that is meant; empty when there is none."""
    return ", ".join(f"{stage} up to {window.stop:%Y-%m-%dT%H:%M:%SZ}" for stage, window in places)
