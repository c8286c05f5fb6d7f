"""The first sync: kopf does not say when it has told everything, so we count.

Our own key-only list names the uids that have to come. What is still missing after a while is asked for one by one:
an object that was deleted between the two lists never comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from influxops.core.keys import Key, Kind
from influxops.kube.client import KubeClient
from influxops.kube.errors import KubeError

log = logging.getLogger(__name__)

RECHECK = 5.0
"""Seconds without progress after which missing objects are asked for."""

RETRY = 2.0
"""Seconds until a failed list is tried again."""


class Sync:
    """Sets ``done`` when every uid of one list has been seen."""

    def __init__(self, client: KubeClient, namespaces: Sequence[str] | None, done: asyncio.Event) -> None:
        self._client = client
        self._namespaces = namespaces
        self._done = done
        self._seen: set[str] | None = set()
        self._missing: dict[str, Key] | None = None

    def seen(self, uid: str) -> None:
        """An object was told to the sink, as there or as gone."""
        if self._seen is not None:
            self._seen.add(uid)
        if self._missing is not None and self._missing.pop(uid, None) is not None:
            self._check()

    async def run(self) -> None:
        """List, then wait until all is seen."""
        while not self._done.is_set():
            try:
                await self._list()
                break
            except KubeError as error:
                log.warning("the first list failed, tried again in %g s: %s", RETRY, error)
                await asyncio.sleep(RETRY)
        while not self._done.is_set():
            left = len(self._missing or ())
            try:
                await asyncio.wait_for(self._done.wait(), RECHECK)
            except TimeoutError:
                if left == len(self._missing or ()):
                    await self._recheck()

    async def _list(self) -> None:
        missing: dict[str, Key] = {}
        for kind in Kind:
            for line in await self._client.list_keys(kind, self._namespaces):
                missing[line.uid] = line.key
        for uid in self._seen or ():
            missing.pop(uid, None)
        self._seen, self._missing = None, missing
        self._check()

    async def _recheck(self) -> None:
        for uid, key in list((self._missing or {}).items()):
            try:
                body = await self._client.get(*key)
            except KubeError as error:
                log.warning("%s could not be checked: %s", key, error)
                return
            if body is None or body["metadata"]["uid"] != uid:
                self.seen(uid)

    def _check(self) -> None:
        if self._missing is not None and not self._missing:
            self._done.set()
