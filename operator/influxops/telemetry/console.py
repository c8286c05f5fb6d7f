"""Log lines for people: one line an event, coloured on a terminal, tracebacks below."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

_RESET = "\x1b[0m"
_DIM = "\x1b[2m"
_BOLD = "\x1b[1m"
_LEVELS = {"debug": "\x1b[2m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}
_OBJECT = ("kind", "namespace", "name")
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F, 0x85, 0x9B)} | {
    0x0A: "\\n",
    0x0D: "\\r",
    0x09: "\\t",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}
"""Control characters would let a name or a message of others forge lines or steer the terminal."""


class ConsoleRenderer:
    """The last processor for the console format."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
        """``12:00:01.042 INFO  InfluxTask ns/name: message  reason=Synced duration=0.012``."""
        time = str(event.pop("ts", ""))[11:23]
        level = str(event.pop("level", "info"))
        logger = str(event.pop("logger", ""))
        message = str(event.pop("msg", "")).translate(_CONTROL)
        trace = [str(event.pop(name)) for name in ("exception", "stack") if event.get(name)]
        subject = _subject(event)
        fields = " ".join(f"{self._paint(_DIM, f'{name}=')}{_value(value)}" for name, value in event.items())
        parts = [
            self._paint(_DIM, time),
            self._paint(_LEVELS.get(level, ""), f"{level.upper():7}"),
            f"{self._paint(_BOLD, subject)}: {message}" if subject else message,
        ]
        if fields:
            parts.append(f" {fields}")
        if not logger.startswith("influxops"):
            parts.append(self._paint(_DIM, f" ({logger})"))
        return "\n".join([" ".join(parts), *trace])

    def _paint(self, code: str, text: str) -> str:
        return f"{code}{text}{_RESET}" if self._colour and code and text else text


def _subject(event: MutableMapping[str, Any]) -> str:
    kind, namespace, name = (str(event.pop(part, "")) for part in _OBJECT)
    place = f"{namespace}/{name}" if namespace and name else namespace or name
    return f"{kind} {place}".strip().translate(_CONTROL)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value).translate(_CONTROL)
    if not text or " " in text or "=" in text or isinstance(value, Mapping):
        escaped = text.replace('"', '\\"')
        return f'"{escaped}"'
    return text
