"""kube.errors: each answer of the API becomes the right branch of the tree."""

from __future__ import annotations

import pytest

from influxops.kube import errors
from influxops.kube.errors import from_answer


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.KubeError),
        (401, errors.Unauthorized),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (410, errors.Gone),
        (422, errors.Unprocessable),
        (429, errors.Unavailable),
        (500, errors.Unavailable),
        (503, errors.Unavailable),
    ],
)
def test_the_status_decides(status: int, kind: type[errors.KubeError]) -> None:
    error = from_answer("GET /x", status, {"message": "because", "reason": "R"})
    assert type(error) is kind
    assert (error.status, error.reason) == (status, "R")
    assert str(error) == f"GET /x: {status} because"


def test_a_create_that_came_second_has_its_own_class() -> None:
    assert type(from_answer("POST /x", 409, {"reason": "AlreadyExists"})) is errors.AlreadyExists


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [("3", {}, 3.0), (None, {"details": {"retryAfterSeconds": 2}}, 2.0), ("soon", {}, None), (None, None, None)],
)
def test_the_wanted_pause_is_read(header: str | None, body: object, seconds: float | None) -> None:
    error = from_answer("GET /x", 429, body, header)
    assert isinstance(error, errors.Unavailable)
    assert error.retry_after == seconds


def test_an_answer_that_is_no_status_object_is_an_error_all_the_same() -> None:
    assert str(from_answer("GET /x", 502, ["html"])) == "GET /x: 502"
