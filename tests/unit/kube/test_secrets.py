"""kube.secrets: every way a reference can fail has its own sentence, and no value is ever in it."""

from __future__ import annotations

import pytest

from influxops.kube.errors import MissingReference
from influxops.kube.secrets import SecretResolver

REF = {"name": "influx-token", "key": "token"}


class Secrets:
    def __init__(self, data: dict[str, bytes] | None) -> None:
        self.data = data
        self.asked: list[tuple[str, str]] = []

    async def get_secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        self.asked.append((namespace, name))
        return self.data


@pytest.mark.parametrize("stored", [b"s3cret", b"s3cret\n", b"s3cret\r\n"])
async def test_one_newline_at_the_end_is_not_part_of_the_value(stored: bytes) -> None:
    source = Secrets({"token": stored})
    assert await SecretResolver(source).resolve("team", REF) == "s3cret"
    assert source.asked == [("team", "influx-token")]


async def test_only_one_newline_is_taken_off() -> None:
    assert await SecretResolver(Secrets({"token": b" a \n\n"})).resolve("team", REF) == " a \n"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "Secret team/influx-token does not exist"),
        ({}, "has no key 'token'; it has no keys"),
        ({"other": b"x"}, "has no key 'token'; it has 'other'"),
        ({"token": b""}, "is empty"),
        ({"token": b"\n"}, "is empty"),
        ({"token": b"hidden\xff\xfe"}, "is no UTF-8 text"),
    ],
)
async def test_what_is_missing_is_named(data: dict[str, bytes] | None, says: str) -> None:
    with pytest.raises(MissingReference) as caught:
        await SecretResolver(Secrets(data)).resolve("team", REF)
    assert says in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert (caught.value.kind, caught.value.namespace, caught.value.name) == ("Secret", "team", "influx-token")
