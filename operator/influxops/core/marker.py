"""Who owns a task or a bucket: the mark that influxops leaves on what it manages.

A task's script begins with one comment line that names the owner key, the uid of the resource and the sha256 of
everything after that line. It is sent in the same request that creates the task, so an answer that is lost on the way
never leads to a second task: the next look finds the mark. A bucket carries the same facts as the end of its
description, because buckets have no script.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from sys import intern
from typing import NamedTuple

from influxops.core.keys import Key

PREFIX = "// influxops/v1 "
_LINE = re.compile(
    r"// influxops/v1 owner=(\S{1,700}) uid=(\S{1,64}) sha256=([0-9a-f]{64})(?: (replaces|replaced-by)=([0-9a-f]{16}))?"
)
_SUFFIX = re.compile(r"(?:^|\s)\[influxops/v1 owner=(\S{1,700}) uid=([^\s\]]{1,64})\]$")


class Owner(NamedTuple):
    """The owner key: ``instance/kind/namespace/name``; ``instance`` tells one cluster's operator from another's."""

    instance: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.instance}/{self.kind}/{self.namespace}/{self.name}"

    @classmethod
    def of(cls, instance: str, key: Key) -> Owner:
        """The owner key of an object of this installation."""
        return cls(instance, key.kind.value, key.namespace, key.name)

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Read an owner key back; None when it has not exactly four non-empty parts."""
        parts = text.split("/")
        if len(parts) != 4 or not all(parts):
            return None
        instance, kind, namespace, name = parts
        # Few different ones, and one of each a task: interned, 10,000 tasks share them.
        return cls(intern(instance), intern(kind), intern(namespace), name)


@dataclass(frozen=True, slots=True)
class Marker:
    """What a managed object says of its owner. ``body_sha256`` is empty for a bucket."""

    owner: Owner
    uid: str
    body_sha256: str = ""
    replaces: str = ""
    """Id of the task in whose place this one is put; while that is under way, and empty otherwise."""
    replaced_by: str = ""
    """Id of the task that is put in this one's place."""

    @property
    def ordinary(self) -> bool:
        """True when no replacement is under way."""
        return not self.replaces and not self.replaced_by


def sha256(text: str) -> str:
    """The hex sha256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def stamp_script(owner: Owner, uid: str, body: str, *, replaces: str = "", replaced_by: str = "") -> str:
    """Put the header line before a script's body."""
    role = f" replaces={replaces}" if replaces else f" replaced-by={replaced_by}" if replaced_by else ""
    return f"{PREFIX}owner={owner} uid={uid} sha256={sha256(body)}{role}\n{body}"


def read_script(script: str) -> tuple[Marker | None, str]:
    """Split a stored script into its marker (None if it has none, or one that cannot be read) and the rest."""
    line, _, body = script.partition("\n")
    match = _LINE.fullmatch(line.rstrip("\r"))
    owner = Owner.parse(match[1]) if match else None
    if match is None or owner is None:
        return None, script
    other = {match[4]: match[5]}
    return Marker(owner, match[2], match[3], other.get("replaces", ""), other.get("replaced-by", "")), body


def stamp_description(owner: Owner, uid: str, description: str) -> str:
    """Put the mark behind a bucket's description."""
    mark = f"[influxops/v1 owner={owner} uid={uid}]"
    return f"{description} {mark}" if description else mark


def read_description(description: str) -> tuple[Marker | None, str]:
    """Split a bucket's description into its marker (None if it has none) and the user's own text."""
    match = _SUFFIX.search(description)
    owner = Owner.parse(match[1]) if match else None
    if match is None or owner is None:
        return None, description
    return Marker(owner, match[2]), description[: match.start()]
