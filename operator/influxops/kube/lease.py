"""Who may work: one replica, the holder of a Lease.

The holder's right ends by its own monotonic clock, counted from the moment it *sent* its last successful renewal. The
others wait longer than that from the moment they *saw* it. So at most one believes to be the leader, as long as clocks
run at about the same speed; they need not agree on the time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from influxops.kube.errors import Conflict, KubeError, NotLeader, Unavailable
from influxops.kube.lease_state import Observer, Timing, claimed, holder, released

log = logging.getLogger(__name__)

Callback = Callable[[], Awaitable[None]]


class LeaseStore(Protocol):
    """Where Leases are kept; ``KubeClient`` is one."""

    async def get_lease(self, namespace: str, name: str, *, timeout: float | None = None) -> dict[str, Any] | None:
        """Read."""
        ...

    async def create_lease(self, lease: dict[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        """Create; ``Conflict`` when it exists."""
        ...

    async def replace_lease(self, lease: dict[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        """Replace; ``Conflict`` when it changed."""
        ...


class LeaderElector:
    """Takes, renews and gives up one Lease.

    Args:
        store: reads and writes it.
        namespace, name: of the Lease.
        on_started: awaited when the lease was won.
        on_stopped: awaited when it was lost or given up: at once, while ``check`` refuses already. It must stop the
            work; the lease is not sought again, nor given up, before it returns.
        identity: of this process, unique among all that ever run; default ``<hostname>_<uuid>``.
        clock: monotonic seconds.

    """

    def __init__(
        self,
        store: LeaseStore,
        namespace: str,
        name: str,
        on_started: Callback,
        on_stopped: Callback,
        *,
        timing: Timing | None = None,
        identity: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.identity = identity or f"{socket.gethostname() or os.uname().nodename}_{uuid.uuid4()}"
        self.holder = ""
        """Who holds the lease, as far as we last saw."""
        self.transitions = 0
        """How often this process became the leader."""
        self._store = store
        self._namespace = namespace
        self._name = name
        self._on_started = on_started
        self._on_stopped = on_stopped
        self._timing = timing or Timing()
        self._clock = clock
        self._observer = Observer()
        self._lease: dict[str, Any] | None = None
        self._renewed: float | None = None
        """When the last successful claim was sent, by our clock; None: we are not the leader."""

    def is_leader(self) -> bool:
        """Whether work may be done now."""
        return self._renewed is not None and self._clock() <= self._renewed + self._timing.deadline

    def check(self) -> float:
        """The fence: raises ``NotLeader`` unless the lease is surely ours.

        Returns the seconds until another may take it: the limit for a write that starts now.
        """
        renewed, now = self._renewed, self._clock()
        if renewed is None or now > renewed + self._timing.deadline:
            raise NotLeader(f"the lease {self._namespace}/{self._name} is not ours")
        return renewed + self._timing.duration - now

    async def run(self, stop: asyncio.Event) -> None:
        """Seek the lease, hold it, seek it again after a loss, until ``stop``; then give it up."""
        try:
            while not stop.is_set():
                if not await self._seek(stop):
                    return
                self.transitions += 1
                log.info("leader: this replica holds the lease %s/%s", self._namespace, self._name)
                try:
                    await self._on_started()
                    await self._hold(stop)
                finally:
                    lost = not stop.is_set()
                    if lost:
                        self._renewed = None
                        log.error("leader: the lease %s/%s is lost", self._namespace, self._name)
                    # On a clean stop the lease is still ours while the work ends: nobody may start meanwhile.
                    await self._end(renew=not lost)
        finally:
            self._renewed = None

    async def _seek(self, stop: asyncio.Event) -> bool:
        while not stop.is_set():
            try:
                if await self._claim(self._timing.deadline):
                    return True
            except KubeError as error:
                log.warning("the lease %s/%s cannot be sought: %s", self._namespace, self._name, error)
            await _sleep(stop, self._timing.retry * random.uniform(1.0, 1.2))  # noqa: S311 - jitter
        return False

    async def _hold(self, stop: asyncio.Event) -> None:
        """Renew until stop or loss."""
        while not stop.is_set():
            await _sleep(stop, self._timing.retry)
            if stop.is_set() or not await self._renew(stop):
                return

    async def _renew(self, stop: asyncio.Event | None) -> bool:
        """Renew once, trying until the deadline; False: lost."""
        while self._renewed is not None:
            left = self._renewed + self._timing.deadline - self._clock()
            if left <= 0:
                return False
            try:
                # A hung request must leave time for another try.
                return await self._claim(min(left, max(left / 2, self._timing.retry)))
            except KubeError as error:
                log.warning("the lease %s/%s was not renewed: %s", self._namespace, self._name, error)
            if stop is not None and stop.is_set():
                return True  # it is still ours while the work ends, and is renewed meanwhile
            left = self._renewed + self._timing.deadline - self._clock()
            await _sleep(stop, min(self._timing.retry / 2, max(0.0, left)))
        return False

    async def _claim(self, limit: float) -> bool:
        """Take or renew the lease within ``limit`` seconds. False: it is another's. Raises ``KubeError``."""
        sent = self._clock()
        until = sent + limit
        lease = self._lease
        if lease is None or self._renewed is None:
            lease = await self._store.get_lease(self._namespace, self._name, timeout=limit)
            self.holder = holder(lease)
            mine = self.holder == self.identity
            if lease is not None and not mine and not self._observer.expired(lease, self._clock(), self._timing):
                return False
            sent = self._clock()
        wanted = claimed(lease, self._namespace, self._name, self.identity, self._timing, datetime.now(UTC))
        left = max(0.05, until - self._clock())
        try:
            if lease is None:
                self._lease = await self._store.create_lease(wanted, timeout=left)
            else:
                self._lease = await self._store.replace_lease(wanted, timeout=left)
        except Conflict:
            return await self._after_conflict(limit)
        self._renewed = sent
        self.holder = self.identity
        return True

    async def _after_conflict(self, limit: float) -> bool:
        """Somebody wrote the lease. Still our name in it: only our own late reply, or an annotation; try again."""
        self._lease = lease = await self._store.get_lease(self._namespace, self._name, timeout=limit)
        self.holder = holder(lease)
        if self._renewed is None or self.holder != self.identity:
            return False
        raise Unavailable("the lease changed while it was renewed")

    async def _end(self, *, renew: bool) -> None:
        """Let the work end, renewing meanwhile if wanted; then give the lease up."""
        ending = asyncio.ensure_future(self._on_stopped())
        try:
            while renew and not ending.done():
                await asyncio.wait({ending}, timeout=self._timing.retry)
                if not ending.done() and not await self._renew(None):
                    break
            await ending
        finally:
            held, self._renewed = self._renewed is not None, None
            if held:
                await self._release()

    async def _release(self) -> None:
        if self._lease is None:
            return
        try:
            await self._store.replace_lease(released(self._lease, datetime.now(UTC)), timeout=self._timing.retry)
            log.info("leader: the lease %s/%s is given up", self._namespace, self._name)
        except KubeError as error:
            log.warning("the lease %s/%s runs out by itself: %s", self._namespace, self._name, error)


async def _sleep(stop: asyncio.Event | None, seconds: float) -> None:
    if stop is None:
        await asyncio.sleep(seconds)
        return
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
