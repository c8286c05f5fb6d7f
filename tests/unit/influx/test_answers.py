"""HTTP answers become errors of the tree, in words for users and without the token."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from influxops.influx.answers import MAX_MESSAGE, Reply, Speaker, json_of, raise_for, retry_after
from influxops.influx.errors import (
    Conflict,
    Forbidden,
    InfluxError,
    Invalid,
    NotFound,
    RateLimited,
    Unauthorized,
    Unavailable,
)

SPEAKER = Speaker("https://influx.example:8086", "s3cr3t-token==")


def reply(status: int, content: str | dict[str, str], method: str = "GET", **headers: str) -> Reply:
    text = json.dumps(content) if isinstance(content, dict) else content
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(method, "/api/v2/tasks", "write:tasks", status, named, text.encode())


def error_of(answer: Reply) -> InfluxError:
    with pytest.raises(InfluxError) as caught:
        raise_for(answer, SPEAKER)
    return caught.value


def test_success_raises_nothing() -> None:
    """2xx with and without content is fine."""
    raise_for(reply(204, ""), SPEAKER)
    assert json_of(reply(204, ""), SPEAKER) is None
    assert json_of(reply(200, '{"a": 1}'), SPEAKER) == {"a": 1}


@pytest.mark.parametrize(
    ("status", "method", "message", "kind"),
    [
        (400, "POST", "missing flux", Invalid),
        (401, "GET", "unauthorized access", Unauthorized),
        (401, "GET", "token is inactive", Unauthorized),
        (403, "GET", "User is inactive", Forbidden),
        (404, "GET", "failed to find task: task not found", NotFound),
        (404, "GET", "failed to find task: unauthorized", Forbidden),
        (408, "GET", "took too long", Unavailable),
        (409, "POST", "exists", Conflict),
        (413, "POST", "request too large", Invalid),
        (422, "POST", "bucket with name raw already exists", Conflict),
        (422, "PATCH", "shard-group duration must also be updated to be smaller than new retention duration", Invalid),
        (500, "POST", "retention policy duration must be at least 1h0m0s", Invalid),
        (500, "POST", 'failed to create task: time: unknown unit "d" in duration "1d"', Invalid),
        (500, "PATCH", "failed to update task: unauthorized", Forbidden),
        (500, "GET", "An internal error has occurred - check server logs", Unavailable),
        (503, "GET", "", Unavailable),
    ],
)
def test_status_and_message_decide(status: int, method: str, message: str, kind: type[InfluxError]) -> None:
    """InfluxDB's own error JSON is mapped by status and words, and its message reaches the user."""
    error = error_of(reply(status, {"code": "x", "message": message}, method))
    assert type(error) is kind
    assert message in str(error)
    assert str(error).startswith("InfluxDB at https://influx.example:8086: ")


def test_a_missing_right_is_named() -> None:
    """The right comes from the message when it says so, else from the call."""
    said = error_of(reply(401, {"message": "write:orgs/0c3b5a1b2c3d4e5f/buckets is unauthorized"}))
    assert isinstance(said, Forbidden)
    assert said.right == "write:buckets"
    unsaid = error_of(reply(500, {"message": "failed to create task: unauthorized"}))
    assert isinstance(unsaid, Forbidden)
    assert unsaid.right == "write:tasks"
    assert "write:tasks" in str(unsaid)


def test_a_call_is_no_right() -> None:
    """Nobody can grant one to POST somewhere: where neither the message nor the call names a right, none is named."""
    message = {"message": 'error calling function "to": user not authorized to write'}
    error = error_of(Reply("POST", "/api/v2/query", "", 403, {}, json.dumps(message).encode()))
    assert isinstance(error, Forbidden)
    assert error.right == ""
    assert "the token has no right to POST /api/v2/query: error calling function" in str(error)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!DOCTYPE html><html>login</html>", "answered HTML, not JSON"),
        ("<html>", "answered HTML, not JSON"),
        ('{"tasks": [{"id": "1', "cut or broken JSON"),
        ("404 page not found", "without InfluxDB's JSON"),
    ],
)
@pytest.mark.parametrize("status", [200, 404, 502])
def test_what_is_not_influxdb_is_unavailable(text: str, words: str, status: int) -> None:
    """HTML, cut JSON and foreign texts are told apart in the message, whatever the status."""
    answer = reply(status, text)
    with pytest.raises(Unavailable, match=words):
        json_of(answer, SPEAKER) if status == 200 else raise_for(answer, SPEAKER)


@pytest.mark.parametrize("status", [401, 403])
def test_a_proxy_that_refuses_is_unauthorized(status: int) -> None:
    """A gateway with its own login page refuses the token too."""
    assert isinstance(error_of(reply(status, "<html>")), Unauthorized)


def test_a_redirect_names_the_other_host_but_not_its_query() -> None:
    """Location may hold secrets; its origin is what helps."""
    error = error_of(reply(307, "", Location="https://evil.example:99/x?token=abc"))
    assert type(error) is Unavailable
    assert "https://evil.example:99" in str(error)
    assert "abc" not in str(error)
    assert "redirect" in str(error_of(reply(301, "", Location="http://[broken")))


def test_rate_limits_carry_their_pause() -> None:
    """Retry-After is seconds or a date."""
    error = error_of(reply(429, {"message": "slow down"}, Retry_After="17"))
    assert isinstance(error, RateLimited)
    assert error.retry_after == 17
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < (retry_after({"Retry-After": later}) or 0) <= 60
    assert retry_after({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}) == 0
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({}) is None


def test_messages_are_short_single_lines_without_the_token() -> None:
    """A server that echoes the token cannot bring it into a message."""
    error = error_of(reply(400, {"message": f"bad\nheader\x1b[31m {SPEAKER.token} " + "x" * 1000}))
    assert SPEAKER.token not in str(error)
    assert "***" in str(error)
    assert "\n" not in str(error)
    assert "\x1b" not in str(error)
    assert len(str(error)) <= MAX_MESSAGE
    assert SPEAKER.token not in repr(SPEAKER)
