"""Which object and which namespace a user means."""

from __future__ import annotations

from influxops.core.keys import Key, Kind
from influxops.settings import ConfigError

_KINDS = {
    "influxtask": Kind.TASK,
    "task": Kind.TASK,
    "itask": Kind.TASK,
    "retentionpolicy": Kind.POLICY,
    "policy": Kind.POLICY,
    "rp": Kind.POLICY,
    "influxconnection": Kind.CONNECTION,
    "connection": Kind.CONNECTION,
    "iconn": Kind.CONNECTION,
    "influxpipeline": Kind.PIPELINE,
    "pipeline": Kind.PIPELINE,
    "ipl": Kind.PIPELINE,
    "influxbackfill": Kind.BACKFILL,
    "backfill": Kind.BACKFILL,
    "ibf": Kind.BACKFILL,
}


def key_of(name: str, namespace: str) -> Key:
    """The object that a user means. Raises ConfigError for an unknown kind and for a name that is none."""
    named = name.partition("/")[2] if "/" in name else name
    if not named or "/" in named:
        raise ConfigError(f"{name!r} names no object: write KIND/NAME, or the NAME of an InfluxTask")
    return Key(kind_of(name), namespace, named)


def kind_of(name: str) -> Kind:
    """The kind of the object that a user means, whether its name is whole yet or not. Raises ConfigError for an unknown one."""
    kind, slash, _ = name.partition("/")
    if not slash:
        return Kind.TASK
    word = kind.lower().partition(".")[0]
    found = _KINDS.get(word) or _KINDS.get(word.removesuffix("s")) or _KINDS.get(word.removesuffix("ies") + "y")
    if found is None:
        raise ConfigError(
            f"{kind!r} is no kind of influxops: write influxtask, retentionpolicy, influxconnection, influxpipeline or "
            "influxbackfill"
        )
    return found


def home(namespace: str, kubeconfig: str, context: str) -> str:
    """The namespace that a user means: the given one, else that of the kubeconfig's context, as with kubectl."""
    if namespace:
        return namespace
    from influxops.kube.access import context_namespace  # here, so that --help starts fast

    return context_namespace(kubeconfig or None, context or None) or "default"
