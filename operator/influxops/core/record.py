"""An object of the API as the operator keeps it: small, frozen, and with nothing that no one reads.

A parsed object of 4 KB takes about 15 KB as Python dicts. A record keeps ``spec`` and ``status`` as compact JSON
bytes instead, deflated when that pays, and decodes them for the moment they are looked at.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from influxops.core.jsontext import parse
from influxops.core.keys import Key

DEFLATE_ABOVE = 2048
"""Bytes of JSON above which deflating pays: it costs more time than all the rest of taking note of an object."""

_DEFLATED = b"z"
_PLAIN = b"j"


def canonical(value: object) -> bytes:
    """The one JSON spelling of a value: sorted names, no blanks, UTF-8. Equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def pack(value: Mapping[str, Any] | None) -> bytes:
    """Canonical JSON of a mapping, deflated when large; equal mappings give equal bytes."""
    if not value:
        return b""
    plain = canonical(value)
    if len(plain) <= DEFLATE_ABOVE:
        return _PLAIN + plain
    return _DEFLATED + zlib.compress(plain, 1)


def plain(packed: bytes) -> bytes:
    """The canonical JSON of what ``pack`` was given; ``{}`` for an absent one."""
    if not packed:
        return b"{}"
    return zlib.decompress(packed[1:]) if packed[:1] == _DEFLATED else packed[1:]


def unpack(packed: bytes) -> dict[str, Any]:
    """The mapping that ``pack`` was given; an absent one is empty."""
    decoded: dict[str, Any] = parse(plain(packed)) if packed else {}
    return decoded


@dataclass(frozen=True, slots=True)
class Record:
    """What the watch knows of one object."""

    key: Key
    uid: str
    generation: int
    resource_version: str
    created: datetime
    """``metadata.creationTimestamp``, UTC."""
    deletion_timestamp: datetime | None
    """Set from the moment somebody asked for the deletion, UTC."""
    finalizers: tuple[str, ...]
    annotations: Mapping[str, str]
    """Those of influxops.dev only."""
    labels: Mapping[str, str]
    """Those of influxops.dev only."""
    packed_spec: bytes
    packed_status: bytes
    mangled: bool = False
    """Whether more is stored as its status than the CRD allows; ``status`` is what is left without that."""

    @property
    def deleting(self) -> bool:
        """Whether the object waits for its finalizers."""
        return self.deletion_timestamp is not None

    def spec(self) -> dict[str, Any]:
        """A fresh copy of ``spec``: changing it changes nothing here."""
        return unpack(self.packed_spec)

    def status(self) -> dict[str, Any]:
        """A fresh copy of ``status``."""
        return unpack(self.packed_status)
