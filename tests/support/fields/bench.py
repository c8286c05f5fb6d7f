"""The operator's own visits to one object, with an InfluxDB in memory behind every connection that is asked for."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from influxops.api.common import FINALIZER
from influxops.api.connection import InfluxConnectionSpec
from influxops.core.flux.facts import NO_FACTS, ScriptFacts
from influxops.core.flux.memo import ScriptMemo
from influxops.core.keys import Key, Kind
from influxops.core.outcome import Outcome
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.record import Record, pack
from influxops.core.template import render_template
from influxops.engine.compare import enqueue_changed, states_of
from influxops.engine.link import LiveLink
from influxops.engine.sweep import read_all
from influxops.engine.tools import Tools
from influxops.influx.settings import ConnectionSettings
from influxops.kube.cache import Cache
from influxops.preview.world import Silent, Uncounted
from influxops.reconcile.context import Context
from influxops.reconcile.pipeline_state import BackfillOrder, NoRunner
from influxops.reconcile.visit import visit
from influxops.telemetry.metrics import Metrics
from influxops.telemetry.redact import Redactor
from tests.support.fake_influx import FakeInflux
from tests.support.fields.examples import INLINE, WINDOWED

NAMESPACE = "ns"
NOON = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
OPEN = {
    "url": "https://a.example",
    "org": "acme",
    "tokenSecretRef": {"name": "t", "key": "k"},
    "allowedNamespaces": {"selector": {}},
}
"""The spec of a connection that everybody may use for everything."""
_CALL = re.compile(r'\b(from|to)\(\s*bucket: "([^"]+)"')
_IMPORT = re.compile(r'^import (?:\w+ )?"([^"]+)"$', re.MULTILINE)


class Bench:
    """One object of ``ns``, and all that its visits need."""

    def __init__(self, links: Mapping[str, Any] = OPEN) -> None:
        """``links`` is the spec of every connection."""
        self.clock = 1000.0
        self.wall = NOON
        self.cache = Cache(lambda: self.clock)
        self.links: dict[Key, LiveLink] = {}
        self.fakes: dict[Key, FakeInflux] = {}
        self.told: dict[Key, dict[str, Any]] = {}
        self.clients: list[ConnectionSettings] = []
        """With what the clients of connections were made."""
        self.later: dict[str, dict[str, Any]] = {}
        """The statuses that were of no hurry, by uid."""
        self.runner = Taken()
        self.kube = _Kube()
        self._spec = links
        self.context = Context(
            instance="c1",
            kube=self.kube,
            objects=self.cache,
            statuses=self,
            renderer=_Renderer(),
            recorder=Silent(),
            link=self.link,
            links_of_org=lambda _: list(self.links),
            now=lambda: self.wall,
            clock=lambda: self.clock,
            runner=self.runner,
        )
        self.tools = Tools(
            context=self.context,
            secrets=_Secrets(),
            client=self._client,
            enqueue=lambda *_: None,
            retry=lambda _: None,
            later=self._later,
            metrics=Metrics(),
            redactor=Redactor(),
            synced=lambda: True,
        )

    def link(self, key: Key) -> LiveLink:
        """The connection that is asked for: it exists, and has been read."""
        if key not in self.links:
            spec = InfluxConnectionSpec.model_validate(self._spec)
            link = self.links[key] = LiveLink(key, spec, 1, Fence(), Uncounted(), lambda: self.clock)
            fake = self.fakes[key] = _Fake(now=lambda: self.wall)
            fake.orgs = {"acme": f"{len(self.links):016x}"}
            link.port, link.org_id, link.user = fake, fake.orgs["acme"], fake.user
            link.scripts = _Read()
            link.snapshot.started = self.clock
            link.snapshot.org_id = link.org_id
            link.bucket_exists = _yes  # type: ignore[method-assign]
        return self.links[key]

    def fake(self, name: str = "main") -> FakeInflux:
        """The InfluxDB of a connection of ``ns``."""
        key = Key(Kind.CONNECTION, NAMESPACE, name)
        self.link(key)
        return self.fakes[key]

    def put(self, kind: Kind, name: str, spec: Mapping[str, Any], **fields: Any) -> Key:
        """Apply an object."""
        key = Key(kind, NAMESPACE, name)
        record = Record(key, f"uid-{name}", 1, "1", NOON, None, (FINALIZER,), {}, {}, pack(spec), b"")
        self.cache.upsert(replace(record, **fields))
        return key

    def delete(self, key: Key) -> None:
        """As kubectl does; the finalizer holds it."""
        record = self.cache.get(key)
        assert record is not None
        self.cache.upsert(replace(record, deletion_timestamp=self.wall))

    async def settle(self, key: Key) -> Outcome:
        """Visits until none follows at once."""
        for _ in range(20):
            self.clock += 0.1
            self.wall += timedelta(seconds=0.1)
            outcome = await visit(self.context, key)
            if not getattr(outcome, "again", False):
                return outcome
        raise AssertionError(f"no end: {outcome}")

    async def sweep(self) -> None:
        """Look at all that every InfluxDB holds."""
        for link in self.links.values():
            self.clock += 1
            link.snapshot = await read_all(link, lambda: self.clock)
            await enqueue_changed(self.tools, link, states_of(self.tools, link))

    def stored(self) -> dict[str, Any]:
        """What each InfluxDB holds that has anything of the user's, by its connection; without ids and times."""
        return {f"{key.namespace}/{key.name}": found for key, fake in self.fakes.items() if (found := _stored(fake))}

    # What a visit tells, and to whom

    async def now(self, key: Key, uid: str, status: Mapping[str, Any]) -> bool:
        """A status is written."""
        self.told[key] = dict(status)
        return True

    def _later(self, key: Key, uid: str, status: dict[str, Any], *, urgent: bool) -> None:
        self.later[uid] = status

    def _client(self, settings: ConnectionSettings, pace: Callable[[], Awaitable[None]]) -> FakeInflux:
        self.clients.append(settings)
        return _Fake(now=lambda: self.wall)


def outcome_of(outcome: Outcome) -> str:
    """What a visit came to, without what it says of it: a message may well repeat the spec."""
    return f"{type(outcome).__name__} {getattr(outcome, 'reason', '')}".strip()


class Taken(NoRunner):
    """Keeps what it is told to run."""

    def __init__(self) -> None:
        self.plans: list[tuple[Key, Key, PipelinePlan | None]] = []
        """Each plan with whose it is and its connection."""
        self.orders: list[tuple[Key, BackfillOrder]] = []
        """Each backfill with the pipeline whose windows it runs."""

    def configure(self, key: Key, uid: str, connection: Key, plan: PipelinePlan | None) -> None:
        """Take a plan."""
        self.plans.append((key, connection, plan))

    def backfill(self, pipeline: Key, order: BackfillOrder) -> None:
        """Take a backfill."""
        self.orders.append((pipeline, order))


class Fence:
    """Says that this process leads."""

    def check(self) -> None:
        """We lead."""

    def remaining(self) -> float:
        """Seconds."""
        return 5.0


class _Kube:
    def __init__(self) -> None:
        self.deleted: list[Key] = []

    async def set_finalizers(self, key: Key, uid: str, version: str, finalizers: tuple[str, ...]) -> dict[str, Any]:
        return {"metadata": {"resourceVersion": version}}

    async def delete_object(self, key: Key, uid: str) -> None:
        self.deleted.append(key)

    async def exists(self, key: Key, uid: str, *, deleting: bool = False) -> bool:
        return True

    async def get_configmap(self, namespace: str, name: str) -> dict[str, Any]:
        """Any ConfigMap, with the texts that the examples name."""
        text, windowed = f"{INLINE}// {name}\n", f"{WINDOWED}// {name}\n"
        return {"data": {"a": text, "b": f"{text}// b\n", "window": windowed, "window-too": f"{windowed}// b\n"}}

    async def namespace_labels(self, name: str) -> dict[str, str]:
        return LABELS.get(name, {})


LABELS = {"a": {}, "b": {}, "of-a": {"team": "a"}, "of-b": {"team": "b"}, "of-c": {"team": "c"}, "tier": {"tier": "x"}}
"""Namespaces, and how they are labelled."""


class _Renderer:
    async def render(self, source: str, values: Mapping[str, Any]) -> str:
        return render_template(source, values)


class _Secrets:
    async def resolve(self, namespace: str, ref: Mapping[str, str]) -> str:
        """Every Secret has every key, and each another text."""
        return f"{namespace}/{ref['name']}/{ref['key']}"


class _Fake(FakeInflux):
    async def check_script(self, org_id: str, flux: str) -> None:
        """Every script is well typed."""


class _Read(ScriptMemo):
    """Facts of plain scripts without a parser: types and escapes are not what is tried."""

    def get(self, script: str) -> ScriptFacts:
        found = _CALL.findall(script)
        imports = list(_IMPORT.finditer(script))
        members = frozenset(re.findall(r"\bv\.(\w+)", script))
        return replace(
            NO_FACTS,
            cut=imports[-1].end() if imports else 0,
            imports=tuple(one[1] for one in imports),
            uses_v=bool(members),
            v_members=members,
            reads=frozenset(bucket for call, bucket in found if call == "from"),
            writes=frozenset(bucket for call, bucket in found if call == "to"),
        )

    def well_typed(self, script: str, rendered: str) -> bool:
        return True


async def _yes(name: str) -> bool:
    return True


def _stored(fake: FakeInflux) -> list[tuple[str, ...]]:
    tasks = [
        (one.name, one.status.value, one.description, one.flux, one.every, one.cron, one.offset)
        for one in fake.tasks.values()
    ]
    buckets = [
        (one.name, one.description, f"{one.retention} s", f"{one.shard_group} s")
        for one in fake.buckets.values()
        if one.type == "user"
    ]
    return [*sorted(tasks), *sorted(buckets)]


async def stored_of(kind: Kind, name: str, spec: dict[str, Any], *, delete: bool = False) -> tuple[object, object]:
    """The outcome for an object, or for its deletion once it has settled, and what InfluxDB holds then, by connection."""
    bench = Bench()
    key = bench.put(kind, name, spec)
    outcome = await bench.settle(key)
    if delete:
        await bench.sweep()
        bench.delete(key)
        outcome = await bench.settle(key)
    return outcome_of(outcome), bench.stored()
