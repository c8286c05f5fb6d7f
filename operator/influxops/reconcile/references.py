"""From a ``connectionRef`` to a connection that may be used, or to the reason why not."""

from __future__ import annotations

from influxops.api.common import ConnectionRef
from influxops.core.keys import Key, Kind
from influxops.core.marker import Owner
from influxops.core.outcome import Done, Outcome, Reason, Stalled, Wait
from influxops.core.record import Record
from influxops.reconcile.context import POLL, POLL_FOR, Context, Link

FIRST_ANSWER = 15.0
"""Seconds that a connection without a client is waited for: its spec may be invalid, and then none ever comes."""


RELEASE_TRIES = 5.0
"""Seconds for which taking our mark off is tried before an object is let go of with it."""


_TELLING = frozenset({Reason.UNAUTHORIZED, Reason.NOT_ALLOWED, Reason.TARGET_CHANGED})
"""Reasons of a connection that its objects repeat; all others are ConnectionNotReady to them."""


class NotUsable(Exception):
    """The connection cannot be used; ``outcome`` tells why and for how long."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


def owner_of(context: Context, record: Record) -> Owner:
    """The owner key of a record's object."""
    return Owner.of(context.instance, record.key)


def hopeless(link: Link) -> bool:
    """Whether a connection lacks something that may never come again, such as its Secret; a dead server is no such thing."""
    return link.problem is not None and link.problem.reason is Reason.DEPENDENCY_NOT_READY


def connection_key(record: Record, ref: ConnectionRef) -> Key:
    """The connection that a reference means; its namespace defaults to the referrer's."""
    return Key(Kind.CONNECTION, ref.namespace or record.key.namespace, ref.name)


async def usable_link(context: Context, record: Record, ref: ConnectionRef, *, halfway: bool = False) -> Link:
    """The connection, existing, ready, not suspended, and open to the record's namespace. Raises NotUsable.

    ``halfway``: a change is half done that must not stay so; it is finished although the connection is suspended.
    """
    key = connection_key(record, ref)
    link = context.link(key)
    if link is None:
        raise NotUsable(
            Wait(
                Reason.DEPENDENCY_NOT_READY,
                f"InfluxConnection {key.namespace}/{key.name} (spec.connectionRef) does not exist, or is not valid: "
                f"kubectl describe influxconnection -n {key.namespace} {key.name}",
                after=POLL_FOR,  # its coming wakes the object
            )
        )
    await _admit(context, record, link)
    suspended = link.problem is not None and link.problem.reason is Reason.SUSPENDED
    if link.spec.suspend and halfway and (link.problem is None or suspended) and link.org_id:
        return link
    if link.spec.suspend:
        raise NotUsable(
            Wait(
                Reason.SUSPENDED,
                f"InfluxConnection {key.namespace}/{key.name} is suspended (its spec.suspend is true): nothing is written to "
                "InfluxDB, and what runs there goes on running",
                parked=True,
            )
        )
    if link.problem is not None or not link.trust_snapshot():
        why = link.problem.message if link.problem else "it has not been read yet"
        raise NotUsable(
            Wait(
                link.problem.reason
                if link.problem and link.problem.reason in _TELLING
                else Reason.CONNECTION_NOT_READY,
                f"InfluxConnection {key.namespace}/{key.name} is not ready: {why}",
                parked=True,
                quiet=link.problem is None or suspended,  # resumed a moment ago
            )
        )
    return link


async def _admit(context: Context, record: Record, link: Link) -> None:
    namespace = record.key.namespace
    if namespace == link.key.namespace:
        return
    allowed = link.spec.allowed_namespaces
    labels: dict[str, str] = {}
    if allowed is not None and allowed.selector is not None:
        labels = dict(await context.kube.namespace_labels(namespace) or {})
    if allowed is None or not allowed.admits(namespace, labels):
        raise NotUsable(
            Stalled(
                Reason.NOT_ALLOWED,
                f"InfluxConnection {link.key.namespace}/{link.key.name} does not admit namespace {namespace}: its owner "
                "can add it to spec.allowedNamespaces of the connection, or use a connection of this namespace",
                after=60.0,
            )
        )


def no_bucket(link: Link, bucket: str, where: str) -> str:
    """What to tell about a bucket that ``where`` (``the script``, a field) names and that is not there."""
    return (
        f"{where} names bucket {bucket!r}, which does not exist in organization {link.spec.org!r}: create it, for example with a "
        "RetentionPolicy, or correct the name"
    )


def first_answer(context: Context, record: Record, connection: Key) -> Wait | None:
    """What to wait for before an object that is being deleted may be let go of: the connection's first answer.

    Just after a start, or while it is suspended, a connection has not been read. Whoever lets go then leaves behind what a former life of this
    operator has made. None once the connection has answered, is in trouble, or does not exist.
    """
    link = context.link(connection)
    if link is not None:
        suspended = link.problem is not None and link.problem.reason is Reason.SUSPENDED
        pending = (link.problem is None or suspended) and not link.trust_snapshot()
        if pending and link.spec.suspend:
            link.look()  # deletion beats suspend
    else:
        since = context.deleting_since.of(record, context.clock())
        pending = context.objects.get(connection) is not None and context.clock() - since < FIRST_ANSWER
    return Wait(Reason.CONNECTION_NOT_READY, "", after=0.5, quiet=True) if pending else None


def release_again(context: Context, record: Record) -> Wait | None:
    """What to wait for after our mark could not be taken off an object that is to be let go of.

    One request that fails is repeated for a moment; None then, for letting go must not be held up.
    """
    since = context.deleting_since.of(record, context.clock())
    trying = context.clock() - since < RELEASE_TRIES
    return Wait(Reason.CONNECTION_NOT_READY, "", after=1.0, quiet=True) if trying else None


def park(context: Context, key: Key, connection: Key, outcome: Outcome) -> None:
    """Let the connection wake the object, for what no waiting by time mends."""
    link = context.link(connection)
    if link is None:
        return
    if isinstance(outcome, Stalled) and outcome.reason is Reason.NOT_ALLOWED:
        link.refused.refused(key)
    elif isinstance(outcome, Wait) and outcome.parked:
        link.parked.add(key)
    elif isinstance(outcome, Done):
        link.refused.passed(key)


def poll_after(context: Context, since: float | None, interval: float) -> float:
    """Seconds until the next look for something missing: often at first, then at the connection's own pace."""
    waited = 0.0 if since is None else context.clock() - since
    return POLL if waited < POLL_FOR else interval
