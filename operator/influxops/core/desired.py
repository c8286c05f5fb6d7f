"""What a resource wants InfluxDB to hold, worked out from its spec and the facts of its script; nothing observed yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from influxops.core.cron import parse as parse_cron
from influxops.core.durations import Duration, format_seconds, parse_duration
from influxops.core.flux.facts import NO_FACTS, ScriptFacts, TaskOption
from influxops.core.flux.render import MEMBERS, Prelude, Rendered, TaskHeader, generated, render, renders_to
from influxops.core.marker import Owner, sha256, stamp_script
from influxops.core.observed import TaskStatus
from influxops.core.outcome import Reason
from influxops.core.schedule import Schedule

MAX_SCRIPT = 256 * 1024
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


class SpecFault(Exception):
    """The spec cannot become a task; ``reason`` is InvalidSpec, InvalidScript or NotAllowed."""

    def __init__(self, message: str, reason: Reason = Reason.INVALID_SPEC) -> None:
        super().__init__(message)
        self.reason = reason


class WindowSpec(Protocol):
    """``spec.window``."""

    @property
    def period(self) -> Duration | None: ...
    @property
    def align(self) -> Duration | None: ...
    @property
    def lookback(self) -> Duration: ...


class TaskSpec(Protocol):
    """The part of an InfluxTask's spec that decides what the task is."""

    @property
    def name(self) -> str | None: ...
    @property
    def description(self) -> str: ...
    @property
    def every(self) -> Duration | None: ...
    @property
    def cron(self) -> str | None: ...
    @property
    def offset(self) -> Duration | None: ...
    @property
    def suspend(self) -> bool: ...
    @property
    def window(self) -> WindowSpec | None: ...


class BucketLimits(Protocol):
    """``spec.policy.allowedBuckets`` of an InfluxConnection."""

    @property
    def read(self) -> Sequence[str]: ...
    @property
    def write(self) -> Sequence[str]: ...


class PolicySpec(Protocol):
    """``spec.policy`` of an InfluxConnection."""

    def denies(self, package: str) -> bool: ...
    @property
    def min_every(self) -> Duration | None: ...
    @property
    def allowed_buckets(self) -> BucketLimits | None: ...


@dataclass(frozen=True, slots=True)
class AllowedBuckets:
    """Buckets that scripts may read and write; None allows all."""

    read: frozenset[str]
    write: frozenset[str]


@dataclass(frozen=True, slots=True)
class DesiredTask:
    """The task as it should be. ``script`` is the whole text with the header line, ``digest`` its sha256."""

    owner: Owner
    uid: str
    name: str
    script: str
    digest: str
    status: TaskStatus
    description: str
    schedule: Schedule
    schedule_text: str
    """``every`` or ``cron`` as people write it, with the offset if there is one."""
    rendered: Rendered
    header_lines: int
    buckets: frozenset[str]
    """Every bucket that the script names by a literal."""
    prelude: Prelude | None = None
    """What ``v`` is defined with, where the script uses ``v``."""


def desired_task(
    spec: TaskSpec,
    script: str,
    facts: ScriptFacts,
    owner: Owner,
    uid: str,
    policy: PolicySpec,
    buckets: AllowedBuckets | None,
) -> DesiredTask:
    """Work out the task. Raises SpecFault with a sentence that names the field, the fault and the remedy."""
    _refuse_script(facts)
    header, schedule, text, every = _schedule(spec, facts, owner)
    prelude = _prelude(spec, facts, every)
    check_policy(facts, schedule, policy, buckets)
    rendered = render(script, facts, header, prelude)
    whole = stamp_script(owner, uid, rendered.text)
    if len(whole.encode()) > MAX_SCRIPT + 8192:
        raise SpecFault(f"the script is larger than {MAX_SCRIPT // 1024} KiB: split the task")
    name = header.name if header else (facts.task.name if facts.task else "")
    return DesiredTask(
        owner=owner,
        uid=uid,
        name=name,
        script=whole,
        digest=sha256(whole),
        status=TaskStatus.INACTIVE if spec.suspend else TaskStatus.ACTIVE,
        description=spec.description,
        schedule=schedule,
        schedule_text=text,
        rendered=rendered,
        header_lines=1,
        buckets=facts.reads | facts.writes,
        prelude=prelude,
    )


def is_rendering(spec: TaskSpec, script: str, owner: Owner, body: str) -> bool:
    """Whether a body that we stored is what this spec and script render to, as far as can be told without a syntax tree.

    True is certain for a body that nobody has changed since; False only means that the script has to be rendered.
    Raises SpecFault as ``desired_task`` does.
    """
    if not spec.every and not spec.cron:
        header, every = None, ""
    else:
        header, _, _, every = _schedule(spec, NO_FACTS, owner)
    if renders_to(script, body, *generated(header, None)):
        return True
    prelude = _prelude(spec, _USES_V, every) if header is not None else None
    return prelude is not None and renders_to(script, body, *generated(header, prelude))


_USES_V = replace(NO_FACTS, uses_v=True)


def _refuse_script(facts: ScriptFacts) -> None:
    if facts.task_options > 1:
        raise SpecFault("the script has more than one `option task`: keep one", Reason.INVALID_SCRIPT)
    if facts.task is None:
        return
    useless = [name for name in facts.task.unknown if name in {"concurrency", "retry"}]
    if useless:
        raise SpecFault(
            f"`option task` sets {' and '.join(useless)}, which InfluxDB 2.x accepts and ignores: remove it",
            Reason.INVALID_SCRIPT,
        )
    if facts.task.unknown:
        raise SpecFault(
            f"`option task` has the unknown property {facts.task.unknown[0]}: it takes name, every, cron and offset",
            Reason.INVALID_SCRIPT,
        )
    if not facts.task.literal:
        raise SpecFault(
            "`option task` must hold literals only (InfluxDB refuses variables and expressions there)",
            Reason.INVALID_SCRIPT,
        )


def _schedule(spec: TaskSpec, facts: ScriptFacts, owner: Owner) -> tuple[TaskHeader | None, Schedule, str, str]:
    """The generated header (None when the script brings its own), the schedule, its text, and ``every`` as written."""
    own = facts.task
    if own is not None:
        for field in ("name", "every", "cron", "offset"):
            if getattr(spec, field):
                raise SpecFault(
                    f"spec.{field} is set, and the script brings its own `option task`: remove spec.{field}, or remove "
                    "`option task` from the script and let the spec's fields make it"
                )
        if not own.name:
            raise SpecFault("the script's `option task` has no name", Reason.INVALID_SCRIPT)
        return None, *_parse(own, "the script's `option task`", Reason.INVALID_SCRIPT)
    if not spec.every and not spec.cron:
        raise SpecFault("spec.every or spec.cron is missing: give one, or an `option task` in the script")
    given = TaskOption(every=str(spec.every or ""), cron=spec.cron or "", offset=str(spec.offset or ""))
    schedule, text, every = _parse(given, "spec", Reason.INVALID_SPEC)
    header = TaskHeader(
        name=spec.name or f"{owner.namespace}/{owner.name}",
        every=_hms(schedule.every) if schedule.every else "",
        cron=given.cron,
        offset=_hms(schedule.offset) if schedule.offset else "",
    )
    return header, schedule, text, every


def _parse(option: TaskOption, where: str, reason: Reason) -> tuple[Schedule, str, str]:
    if bool(option.every) == bool(option.cron):
        raise SpecFault(f"{where} must give exactly one of every and cron", reason)
    offset = _seconds(option.offset, f"{where}: offset", reason) if option.offset else 0
    suffix = (
        f" +{option.offset}"
        if option.offset and not option.offset.startswith("-")
        else (f" {option.offset}" if option.offset else "")
    )
    if option.every:
        if where != "spec" and any(unit in option.offset for unit in ("d", "w")):
            raise SpecFault(f"{where}: InfluxDB fails on offset {option.offset}; write it in h, m and s", reason)
        every = _seconds(option.every, f"{where}: every", reason, server_spelling=where != "spec")
        if every < 1:
            raise SpecFault(f"{where}: every is {option.every}; InfluxDB takes whole seconds from 1s up", reason)
        return Schedule(every, None, offset), f"{option.every}{suffix}", option.every
    try:
        cron = parse_cron(option.cron)
    except ValueError as error:
        raise SpecFault(f"{where}: cron {option.cron!r}: {error}", reason) from None
    if cron.next_after(_EPOCH) is None:
        raise SpecFault(f"{where}: cron {option.cron!r} never comes: correct its day and month", reason)
    if _breaks_server(option.cron):
        raise SpecFault(
            f"{where}: cron {option.cron!r} names days of the month and of the week that do not meet for so long that "
            "InfluxDB 2.7 crashes looking for them: name one of the two with *",
            reason,
        )
    return Schedule(None, cron, offset), f"{option.cron}{suffix}", ""


@lru_cache(maxsize=1024)
def _breaks_server(expression: str) -> bool:
    return parse_cron(expression).breaks_server(2024, 2080) is not None


def _seconds(text: str, where: str, reason: Reason, *, server_spelling: bool = False) -> int:
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise SpecFault(f"{where}: {error}", reason) from None
    if duration.calendar:
        counts = "InfluxDB counts it in multiples of 28 days; " if server_spelling else ""
        raise SpecFault(
            f"{where} is {text}: {counts}use cron for calendar months and years (0 0 1 * * is the first of each month)",
            reason,
        )
    if not duration.whole:
        raise SpecFault(f"{where} is {text}: InfluxDB takes whole seconds", reason)
    return duration.seconds


def _hms(seconds: int) -> str:
    """A duration in h, m and s: InfluxDB fails on an offset in days (measured on 2.7.12)."""
    return format_seconds(seconds, "hms")


def _prelude(spec: TaskSpec, facts: ScriptFacts, every: str) -> Prelude | None:
    given = spec.window
    period = str((given.period if given else None) or every)
    align = str((given.align if given else None) or (every or period))
    lookback = str(given.lookback) if given else ""
    if facts.defines_v or not facts.uses_v:
        return None
    unknown = sorted(facts.v_members - MEMBERS)
    if unknown:
        raise SpecFault(
            f"the script uses v.{unknown[0]}, which only dashboards know: a task has v.timeRangeStart, "
            "v.timeRangeStop and v.windowPeriod; write the value itself, or define `option v` in the script",
            Reason.INVALID_SCRIPT,
        )
    if not period:
        raise SpecFault("the script uses v, and with cron its window is unknown: set spec.window.period, such as 1d")
    for field, text in (("period", period), ("align", align), ("lookback", lookback)):
        if text:
            _positive(text, f"spec.window.{field}", zero=field == "lookback")
    no_lookback = not lookback or _is_zero(lookback)
    return Prelude(period, align, "" if no_lookback else lookback)


def _positive(text: str, where: str, *, zero: bool) -> None:
    try:
        parse_duration(text)
    except ValueError as error:
        raise SpecFault(f"{where}: {error}") from None
    if text.startswith("-") or (_is_zero(text) and not zero):
        raise SpecFault(f"{where} is {text}: it must be longer than zero, such as 1h")


def _is_zero(text: str) -> bool:
    duration = parse_duration(text)
    return duration.nanoseconds == 0 and duration.months == 0


def allowed_buckets(policy: PolicySpec) -> AllowedBuckets | None:
    """The buckets that a connection's policy lets be used; None: all of them."""
    limits = policy.allowed_buckets
    return AllowedBuckets(frozenset(limits.read), frozenset(limits.write)) if limits else None


def check_bucket(bucket: str, where: str, verb: str, buckets: AllowedBuckets | None) -> None:
    """Hold a bucket that a field names against the connection's policy. Raises SpecFault(NotAllowed).

    ``verb``: ``read`` or ``write``.
    """
    allowed = None if buckets is None else buckets.read if verb == "read" else buckets.write
    if allowed is not None and bucket not in allowed:
        raise SpecFault(
            f"{where}: the connection's policy does not let bucket {bucket!r} be "
            f"{'read' if verb == 'read' else 'written'}: it allows {', '.join(sorted(allowed)) or 'none'}",
            Reason.NOT_ALLOWED,
        )


def check_policy(facts: ScriptFacts, schedule: Schedule, policy: PolicySpec, buckets: AllowedBuckets | None) -> None:
    """Hold a script against its connection's policy. Raises SpecFault(NotAllowed)."""
    for package in facts.imports:
        if policy.denies(package):
            raise SpecFault(
                f"the connection's policy denies the Flux package {package}: do without it, or ask whoever owns the "
                "InfluxConnection to take it off spec.policy.deniedFluxPackages",
                Reason.NOT_ALLOWED,
            )
    if policy.min_every and schedule.shortest_gap() < policy.min_every.seconds:
        raise SpecFault(
            f"the schedule runs every {_hms(schedule.shortest_gap())}, and the connection's policy allows no less than "
            f"{policy.min_every}",
            Reason.NOT_ALLOWED,
        )
    if buckets is None:
        return
    if facts.opaque_targets:
        raise SpecFault(
            "the connection's policy limits buckets, so from() and to() must name theirs by a string literal and without "
            "host, org, orgID, token or bucketID",
            Reason.NOT_ALLOWED,
        )
    for verb, used, allowed in (("read", facts.reads, buckets.read), ("write", facts.writes, buckets.write)):
        extra = sorted(used - allowed)
        if extra:
            raise SpecFault(
                f"the connection's policy does not let scripts {verb} bucket {extra[0]!r}: it allows "
                f"{', '.join(sorted(allowed)) or 'none'}",
                Reason.NOT_ALLOWED,
            )
