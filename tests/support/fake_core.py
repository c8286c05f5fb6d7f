"""What the parts of the fake InfluxDB ask of the whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from influxops.core.observed import Bucket
from tests.support.fake_points import Key, Point

T = TypeVar("T")


class FakeCore(ABC):
    """The state that the parts share, and the one way in which calls are made."""

    buckets: dict[str, Bucket]
    points: dict[str, dict[Key, Point]]

    @abstractmethod
    async def _do(self, method: str, arguments: tuple[Any, ...], act: Callable[[], Awaitable[T]]) -> T:
        """Note a call, fail as a test has said, or act."""

    @abstractmethod
    def _need(self, right: str) -> None:
        """Raise Forbidden when the token lacks a right."""

    @abstractmethod
    def _new_id(self) -> str:
        """An id that nothing has yet."""
