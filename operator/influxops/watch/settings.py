"""kopf's settings for our use of it: watch, and write nothing.

kopf's defaults keep its memory of an object in annotations, its finalizer on objects and a task per object alive for
five seconds. None of it is wanted: the operator keeps its own state, and an object carries only what its user wrote.
"""

from __future__ import annotations

from typing import Any, cast

import kopf

ERROR_BACKOFFS = (1, 1, 2, 3, 5, 8, 13, 21, 30, 60, 60, 60)
"""Seconds between attempts of one request; about four and a half minutes until kopf gives up and is started anew."""

INACTIVITY = 70.0
"""Seconds without event or bookmark after which a watch is begun again; the API sends a bookmark about every minute."""


class NoDiffBase(kopf.DiffBaseStorage):
    """Remembers no last-handled configuration. ``fetch`` must equal ``build``, or every object looks new."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Nothing is worth a comparison; it also saves a deep copy of the body at each event."""
        return cast("kopf.BodyEssence", {})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """The same nothing."""
        return cast("kopf.BodyEssence", {})

    def store(self, **_: Any) -> None:
        """Nothing is stored."""


class NoProgress(kopf.ProgressStorage):
    """Remembers no progress of handlers."""

    def fetch(self, **_: Any) -> None:
        """There is none."""

    def store(self, **_: Any) -> None:
        """Nothing is stored."""

    def purge(self, **_: Any) -> None:
        """Nothing is there."""

    def touch(self, **_: Any) -> None:
        """No object is touched."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """The body is as it is."""
        return essence


def quiet_settings() -> kopf.OperatorSettings:
    """Settings under which kopf sends nothing but LIST and WATCH, and discovery at its start."""
    settings = kopf.OperatorSettings()
    # kopf strips its own finalizer where no handler needs it, so it must not be called as ours.
    settings.persistence.finalizer = "kopf.influxops.dev/unused"
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.persistence.consistency_timeout = 0
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.queueing.worker_limit = None
    settings.queueing.idle_timeout = 0.5
    settings.queueing.exit_timeout = 0.5
    settings.watching.chunk_size = 500
    settings.watching.initial_streaming = False
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.watching.inactivity_timeout = INACTIVITY
    settings.watching.reconnect_backoff = 1.0
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = ERROR_BACKOFFS
    return settings
