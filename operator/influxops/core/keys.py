"""What an object is called inside the operator: its kind and its key.

The pure core, the caches and the queue all speak of objects by ``Key``; only ``kube/`` turns one into a path.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

GROUP = "influxops.dev"
"""API group of every kind of ours."""

VERSION = "v1alpha1"
"""API version that is read and written."""


class Kind(StrEnum):
    """Our kinds; the value is the ``kind`` of the manifest."""

    CONNECTION = "InfluxConnection"
    TASK = "InfluxTask"
    POLICY = "RetentionPolicy"
    PIPELINE = "InfluxPipeline"
    BACKFILL = "InfluxBackfill"

    @property
    def group(self) -> str:
        """API group, for example ``influxops.dev``."""
        return GROUP

    @property
    def version(self) -> str:
        """API version, for example ``v1alpha1``."""
        return VERSION

    @property
    def api_version(self) -> str:
        """``apiVersion`` as a manifest says it."""
        return f"{GROUP}/{VERSION}"

    @property
    def plural(self) -> str:
        """The word of the kind in a path of the API."""
        return _PLURALS[self.value]

    @classmethod
    def of_plural(cls, plural: str) -> Kind:
        """The kind that a path names. Raises ``ValueError`` for a foreign one."""
        for kind in cls:
            if kind.plural == plural:
                return kind
        raise ValueError(f"{plural!r} is no plural of {GROUP}/{VERSION}")


_PLURALS = {
    "InfluxConnection": "influxconnections",
    "InfluxTask": "influxtasks",
    "RetentionPolicy": "retentionpolicies",
    "InfluxPipeline": "influxpipelines",
    "InfluxBackfill": "influxbackfills",
}


class Key(NamedTuple):
    """One object: unique in a cluster at any moment, and taken again by an object of another uid later."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.namespace}/{self.name}"
