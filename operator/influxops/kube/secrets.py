"""The one place that reads credentials. Nothing else may look into a Secret.

The namespace is always that of the object that refers: no spec can reach into another namespace. A value is neither
logged nor put into an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from influxops.kube.errors import MissingReference


class SecretSource(Protocol):
    """Who can read Secrets; ``KubeClient`` can."""

    async def get_secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """The decoded data, or None."""
        ...


class SecretResolver:
    """Turns a reference in a spec into the value. Args: ``source`` reads Secrets by name."""

    def __init__(self, source: SecretSource) -> None:
        self._source = source

    async def resolve(self, namespace: str, ref: Mapping[str, str]) -> str:
        """The text under ``ref["key"]`` of the Secret ``ref["name"]``, without one newline at its end.

        Raises ``MissingReference`` when Secret or key are missing, or the value is empty or no UTF-8; ``KubeError``
        when the API cannot be asked.
        """
        name, key = ref["name"], ref["key"]
        data = await self._source.get_secret(namespace, name)
        where = f"Secret {namespace}/{name}"

        def missing(message: str) -> MissingReference:
            return MissingReference("Secret", namespace, name, "" if data is None else key, message)

        if data is None:
            raise missing(f"{where} does not exist. Create it with the key {key!r}.")
        if key not in data:
            has = ", ".join(sorted(repr(item) for item in data)) or "no keys"
            raise missing(f"{where} has no key {key!r}; it has {has}.")
        try:
            value = data[key].decode("utf-8")
        except UnicodeDecodeError:
            raise missing(f"the key {key!r} of {where} is no UTF-8 text. Store the text itself there.") from None
        value = value.removesuffix("\n").removesuffix("\r")
        if not value:
            raise missing(f"the key {key!r} of {where} is empty. Store the value there.")
        return value
