"""Logs: structlog and the standard library through one handler at the root, with the redactor as its last step.

kopf and aiohttp log through the standard library, our code through structlog; both end in the same rendered line, and
that line is what the redactor sees: message, arguments, fields, exception texts and stacks alike.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, TextIO

import structlog

from influxops.core.keys import Key
from influxops.telemetry.console import ConsoleRenderer
from influxops.telemetry.redact import MASK, Redactor

Logger = structlog.stdlib.BoundLogger
"""The type of our loggers; get one with ``get_logger(__name__)``."""

MAX_VALUE = 4096
"""Longest text of one field or message, in characters; the rest is cut off after redaction."""

_FIRST = ("ts", "level", "logger", "msg", "kind", "namespace", "name", "action", "reason", "connection", "duration")
_SECRET_FIELDS = frozenset({"token", "authorization", "password", "secret", "api_key", "client_key"})
_CHATTER = ("kopf", "aiohttp", "asyncio", "kubernetes", "influxdb_client", "urllib3", "aiohttp_retry")


def get_logger(name: str) -> Logger:
    """The logger of a module, by its ``__name__``; ``configure`` may come later."""
    return structlog.stdlib.get_logger(name)


def log_action(
    logger: Logger, action: str, key: Key, *, reason: str = "", message: str = "", level: str = "info", **fields: Any
) -> None:
    """One line for one change: ``action`` is a CamelCase verb such as CreateTask, ``reason`` a condition reason.

    Usual fields: ``connection`` (``namespace/name``), ``duration`` (seconds), ``task_id``, ``request_id``.
    """
    named = {"reason": str(reason)} if reason else {}
    getattr(logger, level)(
        message or action,
        kind=str(key.kind),
        namespace=key.namespace,
        name=key.name,
        action=action,
        **named,
        **fields,
    )


def configure(
    log_format: Literal["console", "json"] = "console",
    level: str = "info",
    redactor: Redactor | None = None,
    *,
    stream: TextIO | None = None,
) -> None:
    """Send all logs of the process to one stream (default: stderr), redacted. May be called again.

    Other libraries are heard from WARNING on, with level debug from INFO on. Uncaught exceptions and warnings are logged too.
    """
    redactor = redactor or Redactor()
    stream = stream or sys.stderr
    shared = _shared(redactor)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer = _JsonRenderer() if log_format == "json" else ConsoleRenderer(colour=_has_colour(stream))
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.contextvars.merge_contextvars, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = _Handler(stream, formatter, redactor)
    root = logging.getLogger()
    for old in [item for item in root.handlers if isinstance(item, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    number = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(number)
    chatter = logging.INFO if number <= logging.DEBUG else max(number, logging.WARNING)
    for name in _CHATTER:
        logging.getLogger(name).setLevel(chatter)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _shared(redactor: Redactor) -> list[structlog.typing.Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _timestamp,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("msg"),
        _mask_fields,
        _clipper(redactor),
    ]


def _timestamp(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["ts"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _mask_fields(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in event:
        if name.lower() in _SECRET_FIELDS:
            event[name] = MASK
    return event


def _clipper(redactor: Redactor) -> Callable[[Any, str, MutableMapping[str, Any]], MutableMapping[str, Any]]:
    def clip(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in event.items():
            if isinstance(value, str) and len(value) > MAX_VALUE and name not in {"exception", "stack"}:
                # before the cut, or half a secret would stay
                event[name] = redactor.redact(value)[:MAX_VALUE] + "…"
        return event

    return clip


class _JsonRenderer:
    """One object a line, the fields that people search by in front."""

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
        ordered = {name: event.pop(name) for name in _FIRST if name in event} | dict(event)
        return json.dumps(ordered, default=str, ensure_ascii=False)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes rendered lines after the redactor has seen them."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter, redactor: Redactor) -> None:
        super().__init__(stream)
        self.setFormatter(formatter)
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor.redact(super().format(record))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name of the library
        """Say that a line was lost and why; the library would print message and arguments unredacted."""
        error = sys.exc_info()[1]
        text = f"a log line of {record.name} could not be written: {type(error).__name__}: {error}"
        try:
            self.stream.write(self._redactor.redact(json.dumps({"level": "error", "msg": text})) + self.terminator)
        except (OSError, ValueError):
            return  # the stream is closed: there is no place left to say so


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("influxops").critical("uncaught %s", kind.__name__, exc_info=(kind, error, trace))


def _has_colour(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
