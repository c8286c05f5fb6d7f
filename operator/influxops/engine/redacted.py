"""Status writes that pass the redactor: an error of InfluxDB may quote what it was sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from influxops.core.keys import Key
from influxops.kube.status import StatusWriter
from influxops.telemetry.redact import MIN_SECRET

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
    """The status with every text in it redacted: also a name that InfluxDB answers may hold what it was sent."""
    return {name: _redacted(value, redact) for name, value in status.items()}


def _redacted(value: Any, redact: Redact) -> Any:
    match value:
        case str():
            return redact(value) if len(value) >= MIN_SECRET else value
        case Mapping():
            return {name: _redacted(item, redact) for name, item in value.items()}
        case list() | tuple():
            return [_redacted(item, redact) for item in value]
        case _:
            return value
