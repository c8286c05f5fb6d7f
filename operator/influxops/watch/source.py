"""Our objects as they come and change, watched by kopf: the only module that runs it.

kopf lists and watches, reconnects, and calls one handler per event; the handler projects and passes on, as does what takes
the objects out of its lists. Whatever ends kopf (an error in a stream, an API that was away for minutes, a removed CRD) only ends this attempt: it is started
again, and the caller looks for what was missed meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import kopf

from influxops.core.keys import GROUP, VERSION, Kind
from influxops.core.record import Record
from influxops.kube.client import KubeClient
from influxops.kube.errors import KubeError
from influxops.watch.activity import Activity
from influxops.watch.inbox import Event, Inbox, Sink
from influxops.watch.listing import Listing
from influxops.watch.projection import key_of, project
from influxops.watch.settings import quiet_settings
from influxops.watch.sync import Sync
from influxops.watch.thread import LoopFactory, LoopThread

log = logging.getLogger(__name__)

CRD_POLL = 2.0
"""Seconds between two looks for the CRDs."""

CRD_REMIND = 60.0
"""Seconds between two log lines about missing CRDs."""

BACKOFF = (1.0, 60.0)
"""Shortest and longest pause in seconds before kopf is started again."""

BLIND_AT_START = 20.0
"""Seconds after a start of kopf by which every stream must have been heard. Right after a restart of the API server, its
discovery may leave our kinds out for a moment, and kopf then watches nothing, for ever."""

BLIND = 180.0
"""Seconds of silence of a stream after which kopf is started anew: bookmarks come every minute."""

HEALTHY = 120.0
"""Seconds of running after which the pause starts over from the shortest."""


class KopfSource:
    """Tells a sink of every object of our kinds.

    Args:
        client: for discovery and the first key-only list; its credentials are kopf's as well.
        sink: called on the loop that ``run`` is called on.
        namespaces: what to watch; None for the whole cluster.
        loop_factory: makes the loop of kopf's thread, for example ``uvloop.new_event_loop``.
        on_gap: called after each start but the first, and after each break of a watch: deletions meanwhile are to be looked for.

    """

    def __init__(
        self,
        client: KubeClient,
        sink: Sink,
        namespaces: Sequence[str] | None = None,
        *,
        loop_factory: LoopFactory | None = None,
        on_gap: Callable[[], None] | None = None,
    ) -> None:
        self.activity = Activity(namespaces)
        self.synced = asyncio.Event()
        """Set once every object of our first own list has been told to the sink; it stays set."""
        self.restarts = 0
        self.last_error = ""
        self._client = client
        self._sink = sink
        self._namespaces = None if namespaces is None else list(namespaces)
        self._loop_factory = loop_factory
        self._on_gap = on_gap
        self._anew = False
        self._inner: asyncio.AbstractEventLoop | None = None
        self._sync = Sync(client, self._namespaces, self.synced)

    def begin_anew(self) -> None:
        """Start kopf again: its watches would wait for a future that the cluster no longer has."""
        self._anew = True

    def tasks(self) -> int:
        """Tasks of asyncio in the loop that kopf runs on; 0 while it does not run."""
        inner = self._inner
        return 0 if inner is None else len(asyncio.all_tasks(inner))

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until ``stop`` is set. Raises nothing but cancellation."""
        silence_kopf()
        loop = asyncio.get_running_loop()
        inbox = Inbox(loop, self._deliver)
        syncing: asyncio.Task[None] | None = None
        pause = BACKOFF[0]
        try:
            while not stop.is_set() and await self._crds(stop):
                if syncing is None:
                    syncing = asyncio.create_task(self._sync.run(), name="first sync")
                elif self._on_gap is not None:
                    self._on_gap()
                began = loop.time()
                try:
                    self.last_error = await self._life(inbox, stop)
                except Exception as error:  # noqa: BLE001 - any end of kopf leads to a new start
                    self.last_error = f"{type(error).__name__}: {error}"
                if stop.is_set():
                    return
                pause = BACKOFF[0] if loop.time() - began > HEALTHY else min(pause * 2, BACKOFF[1])
                log.warning("the watches ended (%s); started again in %.0f s", self.last_error, pause)
                self.restarts += 1
                await _sleep(stop, pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
                await self._client.access.reload()  # a refused token is one of the reasons
        finally:
            if syncing is not None:
                syncing.cancel()
                await asyncio.gather(syncing, return_exceptions=True)

    async def _life(self, inbox: Inbox, stop: asyncio.Event) -> str:
        """One life of kopf: until ``stop``, its own end, or a stream that is not heard. Tells why it ended."""
        ending = asyncio.Event()
        watchdog = asyncio.create_task(self._watchdog(ending, stop), name="watchdog")
        try:
            await LoopThread(lambda flag: self._watch(inbox, flag), "kopf", self._loop_factory).run(ending)
            return watchdog.result() if watchdog.done() else "kopf ended by itself"
        finally:
            watchdog.cancel()

    async def _watchdog(self, ending: asyncio.Event, stop: asyncio.Event) -> str:
        """Set ``ending`` with ``stop``, or when a stream is silent for too long; tells which."""
        loop = asyncio.get_running_loop()
        reason = "stopped"
        self._anew = False
        self.activity.forget()
        began, heard_before, gaps = loop.time(), self.activity.clock(), self.activity.gaps
        while not stop.is_set():
            if self._anew:
                reason = "the cluster was set back to an older state"
                break
            if self.activity.gaps > gaps and self._on_gap is not None:
                self._on_gap()
            gaps = self.activity.gaps
            age = loop.time() - began
            silent = [kind.value for kind in Kind if self.activity.last(kind) < heard_before]
            if silent and age > BLIND_AT_START:
                reason = f"nothing was heard of {', '.join(silent)} for {age:.0f} s"
                break
            if not silent and self.activity.age() > BLIND:
                reason = f"a watch was silent for {self.activity.age():.0f} s"
                break
            await _sleep(stop, 1.0)
        ending.set()
        return reason

    async def _crds(self, stop: asyncio.Event) -> bool:
        """Wait until our kinds are served; False when stopped before."""
        reminded = float("-inf")
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            why = "CRDs are not installed: kubectl apply -f crds/"
            try:
                if await self._client.served():
                    return True
            except KubeError as error:
                why = f"the API of Kubernetes does not answer: {error}"
            if loop.time() - reminded >= CRD_REMIND:
                reminded = loop.time()
                log.warning("%s (waiting for %s/%s)", why, GROUP, VERSION)
            await _sleep(stop, CRD_POLL)
        return False

    def _deliver(self, event: Event) -> None:
        try:
            if isinstance(event, Record):
                self._sync.seen(event.uid)
                self._sink.upsert(event)
            else:
                self._sync.seen(event[1])
                self._sink.remove(*event)
        except Exception:
            log.exception("an event was not taken")

    async def _watch(self, inbox: Inbox, stop: asyncio.Event) -> None:
        """In kopf's thread: one life of kopf."""
        scope: dict[str, Any] = (
            {"clusterwide": True} if self._namespaces is None else {"namespaces": list(self._namespaces)}
        )
        self._inner = asyncio.get_running_loop()
        self._inner.set_exception_handler(_untidy)
        listing = Listing(lambda kind, body: _take(kind, body, inbox.put))
        session = self._client.access.session((self.activity.middleware, listing.middleware), limit=0)
        try:
            await kopf.operator(
                registry=registry(inbox.put, lambda: self._login(session)),
                settings=quiet_settings(),
                standalone=True,
                stop_flag=stop,
                **scope,
            )
        finally:
            self._inner = None
            await session.close()

    def _login(self, session: Any) -> kopf.AiohttpSession:
        """Kopf's credentials: our own session. Asked for a second time, they are not valid: kopf then ends."""
        if getattr(session, "_handed_out", False):
            raise kopf.LoginError("the credentials are refused")
        session._handed_out = True  # noqa: SLF001
        return kopf.AiohttpSession(aiohttp_session=session, server=self._client.access.server)


def registry(put: Callable[[Event], None], login: Callable[[], kopf.AiohttpSession]) -> kopf.OperatorRegistry:
    """A private registry: one login, and one handler of events per kind. The handlers return None: kopf would write
    anything else to the status.
    """
    handlers = kopf.OperatorRegistry()

    async def log_in(**_: Any) -> kopf.AiohttpSession:
        return login()

    kopf.on.login(registry=handlers, errors=kopf.ErrorsMode.PERMANENT)(log_in)
    for kind in Kind:
        watch = kopf.on.event(group=GROUP, version=VERSION, plural=kind.plural, id=kind.plural, registry=handlers)
        watch(_handler(kind, put))
    return handlers


def _handler(kind: Kind, put: Callable[[Event], None]) -> Callable[..., Any]:
    async def handle(event: Any, **_: Any) -> None:
        _take(kind, event["object"], put, deleted=event["type"] == "DELETED")

    return handle


def _take(kind: Kind, body: Mapping[str, Any], put: Callable[[Event], None], *, deleted: bool = False) -> None:
    """Pass on what has become of an object."""
    try:
        put((key_of(kind, body), body["metadata"]["uid"]) if deleted else project(kind, body))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        log.warning("an event of %s is not understood: %s: %s", kind, type(error).__name__, error)


def silence_kopf() -> None:
    """Leave of kopf's log lines what an operator can act on: not those about single events and signals, and no tracebacks.

    Whatever ends a watch, such as an answer cut in the middle of a line, ends kopf with three of them; it is started again.
    """
    for name in ("kopf.objects", "kopf._core.reactor.running"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in ("kopf._core.reactor.running", "kopf._core.reactor.orchestration"):
        logging.getLogger(name).addFilter(_without_traceback)


def _untidy(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What goes wrong in callbacks of kopf's loop, as when kopf ends while requests are under way, is no news by itself."""
    log.debug("in the loop of kopf: %s: %s", context.get("message"), context.get("exception"))


def _without_traceback(record: logging.LogRecord) -> bool:
    """A log filter: the message alone, cut where it holds a whole answer."""
    record.msg, record.args = record.getMessage()[:300], None
    record.exc_info = record.exc_text = None
    return True


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but not longer than until ``stop``."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
