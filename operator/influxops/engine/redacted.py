"""Status writes that pass the redactor: an error of InfluxDB may quote what it was sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from influxops.core.keys import Key
from influxops.kube.status import StatusWriter

Redact = Callable[[str], str]


class RedactedStatuses:
    """A ``StatusWriter`` behind the redactor."""

    def __init__(self, writer: StatusWriter, redact: Redact) -> None:
        self._writer = writer
        self._redact = redact

    async def now(self, key: Key, uid: str, status: Mapping[str, Any]) -> bool:
        return await self._writer.now(key, uid, redacted(status, self._redact))

    def later(self, key: Key, uid: str, status: Mapping[str, Any], *, urgent: bool) -> None:
        self._writer.later(key, uid, redacted(status, self._redact), urgent=urgent)


def redacted(status: Mapping[str, Any], redact: Redact) -> dict[str, Any]:
    """The status with its free texts redacted: messages of conditions, errors of runs and windows, and what a plan shows."""
    clean = dict(status)
    if "conditions" in clean:
        clean["conditions"] = [
            {**item, "message": redact(str(item.get("message", "")))} for item in clean["conditions"]
        ]
    if "lastRun" in clean:
        clean["lastRun"] = _run(clean["lastRun"], redact)
    if "history" in clean:
        clean["history"] = [_run(run, redact) for run in clean["history"]]
    for name in ("exceptions", "failures"):
        if name in clean:
            clean[name] = [{**item, "message": redact(str(item.get("message", "")))} for item in clean[name]]
    if clean.get("plan"):
        clean["plan"] = {**clean["plan"], "actions": [_action(action, redact) for action in clean["plan"]["actions"]]}
    return clean


def _action(action: Mapping[str, Any], redact: Redact) -> dict[str, Any]:
    clean = dict(action)
    if clean.get("diff"):
        clean["diff"] = redact(str(clean["diff"]))
    if clean.get("changes"):
        clean["changes"] = [
            {**change, "old": redact(str(change["old"])), "new": redact(str(change["new"]))}
            for change in clean["changes"]
        ]
    return clean


def _run(run: Mapping[str, Any], redact: Redact) -> dict[str, Any]:
    return {**run, "error": redact(str(run["error"]))} if run.get("error") else dict(run)
