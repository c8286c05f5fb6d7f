"""Every way in which text reaches the log ends in one redacted, well-formed line."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import structlog

from influxops.core.keys import Key, Kind
from influxops.telemetry.logs import MAX_VALUE, configure, get_logger, log_action
from influxops.telemetry.redact import MASK, Redactor

CANARY = "canary-7f3a9c-never-to-be-seen"
KEY = Key(Kind.TASK, "team", "cpu")


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    saved = root.handlers[:], root.level, sys.excepthook, threading.excepthook
    yield
    root.handlers[:], root.level, sys.excepthook, threading.excepthook = saved
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def start(log_format: Any = "json", level: str = "debug") -> io.StringIO:
    logging.getLogger().handlers.clear()  # pytest's: it raises what the library would print
    stream = io.StringIO()
    redactor = Redactor()
    redactor.add(CANARY)
    configure(log_format, level, redactor, stream=stream)
    return stream


def only(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def chained() -> None:
    try:
        raise ValueError(f"inner {CANARY}")
    except ValueError as error:
        error.add_note(f"note {CANARY}")
        raise RuntimeError(f"outer {CANARY}") from error


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("way", ["foreign", "ours"])
def test_the_canary_appears_nowhere(log_format: str, way: str) -> None:
    """Message, arguments, fields, nested values, chained exceptions, notes and stacks, from both kinds of logger."""
    stream = start(log_format)
    log: Any = logging.getLogger("aiohttp.client") if way == "foreign" else get_logger("influxops.test")
    log.warning("plain " + CANARY)  # noqa: G003 - on purpose
    log.warning("args %s %r", CANARY, {"k": CANARY})
    log.warning("stack", stack_info=True)
    try:
        chained()
    except RuntimeError:
        log.exception("failed with %s", CANARY)
    if way == "ours":
        log.warning(
            "fields",
            url=f"http://h/?token={CANARY}",
            nested={"a": [CANARY]},
            raw=CANARY.encode(),
            err=ValueError(CANARY),
        )
        log.bind(bound=CANARY).warning("bound")
        with structlog.contextvars.bound_contextvars(context=CANARY):
            log.warning("context")
    text = stream.getvalue()
    assert CANARY not in text
    assert text.count(MASK) >= 6
    assert "RuntimeError" in text
    assert "inner" in text


def test_a_field_with_a_telling_name_is_masked_unseen() -> None:
    """Even a secret that nobody announced."""
    stream = start()
    get_logger("influxops.test").info("x", token="short", Password="pw")
    entry = only(stream)
    assert (entry["token"], entry["Password"]) == (MASK, MASK)


def test_an_action_is_one_json_object_with_the_fields_people_search_by() -> None:
    """In a stable order, times in UTC."""
    stream = start()
    log_action(get_logger("influxops.x"), "CreateTask", KEY, reason="Creating", connection="team/main", duration=0.0123)
    entry = only(stream)
    assert list(entry) == [
        "ts", "level", "logger", "msg", "kind", "namespace", "name", "action", "reason", "connection", "duration",
    ]  # fmt: skip
    assert entry | {"ts": ""} == {
        "ts": "", "level": "info", "logger": "influxops.x", "msg": "CreateTask", "kind": "InfluxTask",
        "namespace": "team", "name": "cpu", "action": "CreateTask", "reason": "Creating", "connection": "team/main",
        "duration": 0.0123,
    }  # fmt: skip
    assert datetime.fromisoformat(entry["ts"]).utcoffset() is not None
    assert entry["ts"].endswith("Z")


def test_lines_of_other_libraries_look_the_same() -> None:
    """Those of kopf and aiohttp go through the same handler, with the object that is being visited."""
    stream = start()
    with structlog.contextvars.bound_contextvars(kind="InfluxTask", namespace="team", name="cpu"):
        logging.getLogger("kopf.elsewhere").warning("%d things", 3)
    entry = only(stream)
    assert (entry["level"], entry["logger"], entry["msg"], entry["name"]) == (
        "warning",
        "kopf.elsewhere",
        "3 things",
        "cpu",
    )


def test_a_line_break_never_makes_a_second_line() -> None:
    """Nobody can forge a log line through a name or a message."""
    for log_format in ("json", "console"):
        stream = start(log_format)
        get_logger("influxops.x").info("one\ntwo\x1b[31m\u2028x", name="a\nb", other="c\rd")
        assert len(stream.getvalue().splitlines()) == (
            1 if log_format == "console" else 1 + stream.getvalue().count("\u2028")
        )
        assert "\x1b" not in stream.getvalue()


def test_console_is_one_readable_line_without_colour_off_a_terminal() -> None:
    """Object first, then the message, then the fields."""
    stream = start("console")
    log_action(get_logger("influxops.x"), "CreateTask", KEY, reason="Creating", message="created task", duration=0.0123)
    time, rest = stream.getvalue().split(" ", 1)
    assert len(time) == len("12:00:01.042")
    assert rest == "INFO    InfluxTask team/cpu: created task  action=CreateTask reason=Creating duration=0.012\n"


def test_console_is_coloured_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless NO_COLOR is set."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    configure("console", "info", stream=stream)
    get_logger("influxops.x").info("hello")
    assert "\x1b[32m" in stream.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    configure("console", "info", stream=stream)
    get_logger("influxops.x").info("hello")
    assert "\x1b" not in stream.getvalue()


def test_chatter_of_libraries_is_kept_down() -> None:
    """Their INFO appears at level debug only; ours at info."""
    stream = start(level="info")
    logging.getLogger("kopf.activities").info("chatter")
    logging.getLogger("aiohttp.access").info("chatter")
    get_logger("influxops.x").debug("detail")
    assert not stream.getvalue()
    get_logger("influxops.x").info("said")
    assert only(stream)["msg"] == "said"
    stream = start(level="debug")
    logging.getLogger("kopf.activities").info("chatter")
    assert only(stream)["msg"] == "chatter"


def test_a_long_value_is_cut_after_it_was_redacted() -> None:
    """Half a secret at the cut would be a leak."""
    stream = start()
    get_logger("influxops.x").info("x", body="a" * (MAX_VALUE - 10) + CANARY + "b" * 100)
    entry = only(stream)
    assert len(entry["body"]) == MAX_VALUE + 1
    assert CANARY[:10] not in entry["body"]


def test_uncaught_exceptions_and_warnings_are_logged_and_redacted() -> None:
    """From the main thread, from others, and from the warnings module."""
    stream = start()
    try:
        chained()
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=chained)
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"old {CANARY}", stacklevel=1)
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [entry["level"] for entry in entries] == ["critical", "critical", "warning"]
    assert CANARY not in stream.getvalue()


def test_a_line_that_cannot_be_rendered_is_reported_without_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    """The standard library would print them to stderr as they are."""
    stream = start()
    logging.getLogger("foreign").warning("%d", CANARY)
    assert "foreign" in only(stream)["msg"]
    assert CANARY not in stream.getvalue()
    assert not capsys.readouterr().err


def test_configuring_again_replaces_the_handler() -> None:
    """One line stays one line."""
    first = start()
    second = start()
    get_logger("influxops.x").info("once")
    assert not first.getvalue()
    assert only(second)["msg"] == "once"
