"""What the operator can be told: one table of options for flags, environment and help.

Every field is a flag of ``influxops operator`` (``--log-format``) and a variable (``INFLUXOPS_LOG_FORMAT``); the flag wins.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from influxops.core.shard import DEFAULT, is_shard

PREFIX = "INFLUXOPS_"
"""What the variables of the environment begin with."""

POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LEASE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_INSTANCE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


class ConfigError(Exception):
    """The operator was started in a way that cannot work; the text is one sentence for whoever started it."""


class Settings(BaseSettings):
    """The options of ``influxops operator``. Frozen; the descriptions are the help of the flags."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    namespaces: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Namespaces to watch, separated by commas. Empty: the whole cluster."
    )
    instance_id: str = Field(
        default="",
        description="Name of this installation in the owner marks of tasks and buckets; never change it. "
        "Empty: the uid of namespace kube-system. Must be set together with --namespaces.",
    )
    kubeconfig: str = Field(
        default_factory=lambda: os.environ.get("KUBECONFIG", ""),
        description="Kubeconfig file. Empty: the variable KUBECONFIG, then the account of the Pod.",
    )
    context: str = Field(default="", description="Context of the kubeconfig. Empty: its current one.")
    workers: int = Field(default=32, ge=1, le=1000, description="Objects that are reconciled at the same time.")
    status_writes_per_second: float = Field(
        default=50.0, gt=0, le=10_000, description="Most status writes a second, over all objects; oldest first."
    )
    status_interval: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="Seconds between two routine status writes of an object, such as one more run of the same outcome; "
        "what changes the outcome is written at once.",
    )
    shard: str = Field(
        default="",
        description="Shard to work: only the InfluxConnections with this label influxops.dev/shard, and their objects. "
        "Empty: those without the label.",
    )
    relist_seconds: float = Field(
        default=600.0, ge=1, le=86_400, description="Seconds between two lists that find deletions a watch has missed."
    )
    leader_elect: bool = Field(default=True, description="Work only while holding the Lease; without, run one replica.")
    lease_namespace: str = Field(
        default="", description="Namespace of the Lease. Empty: that of the Pod; outside a cluster: default."
    )
    lease_name: str = Field(
        default="influxops", description="Name of the Lease; that of a shard has - and the shard's name behind it."
    )
    lease_duration: float = Field(default=15.0, gt=0, le=600, description="Seconds that a Lease is valid unrenewed.")
    lease_renew_deadline: float = Field(
        default=10.0, gt=0, le=600, description="Seconds without a renewal after which the holder stops working."
    )
    lease_retry_period: float = Field(default=2.0, gt=0, le=600, description="Seconds between two tries for the Lease.")
    shutdown_grace: float = Field(
        default=20.0,
        ge=0,
        le=600,
        description="Seconds for work in flight after SIGTERM; keep terminationGracePeriodSeconds above it.",
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="console: lines to read; json: one object a line."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least grave lines that are written."
    )
    probe_address: str = Field(
        default="0.0.0.0:8080",
        description="Address of /healthz, /readyz and /metrics, as host:port; port 0 takes a free one.",
    )
    unready_after: float = Field(
        default=120.0, gt=0, description="Age of the last watch activity or due object, in seconds, that fails /readyz."
    )
    unhealthy_after: float = Field(
        default=300.0, gt=0, description="The same age at which /healthz fails and the kubelet restarts the Pod."
    )

    @field_validator("namespaces", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = value.split(",")
        return tuple(dict.fromkeys(part.strip() for part in value if part.strip()))

    @field_validator("namespaces")
    @classmethod
    def _are_namespaces(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            _match(_NAMESPACE, name, "the name of a namespace; write lower case letters, digits and - only")
        return value

    @field_validator("lease_namespace")
    @classmethod
    def _is_namespace(cls, value: str) -> str:
        return value and _match(_NAMESPACE, value, "the name of a namespace; write lower case letters, digits and -")

    @field_validator("lease_name")
    @classmethod
    def _is_lease(cls, value: str) -> str:
        return _match(_LEASE, value, "the name of a Lease; write lower case letters, digits, - and .")

    @field_validator("shard")
    @classmethod
    def _is_shard(cls, value: str) -> str:
        if value and not is_shard(value):
            raise ValueError(
                f"{value!r} is not the name of a shard; write 1 to 63 lower case letters, digits and -, such as team-a"
            )
        return value

    @field_validator("instance_id")
    @classmethod
    def _is_instance(cls, value: str) -> str:
        return value and _match(_INSTANCE, value, "an instance id; write 1 to 63 letters, digits, -, _ and .")

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("probe_address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        split_address(value)
        return value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.namespaces and not self.instance_id:
            raise ValueError(
                f"--namespaces needs --instance-id (or {PREFIX}INSTANCE_ID): with rights in some namespaces only, the "
                "uid of kube-system cannot be read; write a name that no other installation at the same InfluxDB uses"
            )
        if self.shard_name != DEFAULT and not self.leader_elect:
            raise ValueError(
                "--shard needs the Lease: without it no other shard can tell whether this one works; leave --no-leader-elect out"
            )
        if not self.lease_duration > self.lease_renew_deadline > self.lease_retry_period:
            raise ValueError(
                "--lease-duration must be longer than --lease-renew-deadline, and that longer than "
                "--lease-retry-period; the defaults are 15, 10 and 2"
            )
        if self.unhealthy_after < self.unready_after:
            raise ValueError("--unhealthy-after must not be shorter than --unready-after; the defaults are 300 and 120")
        return self

    @property
    def shard_name(self) -> str:
        """The shard, also when it is the default one."""
        return self.shard or DEFAULT

    def lease_of(self, shard: str) -> str:
        """The name of a shard's Lease."""
        return self.lease_name if shard == DEFAULT else f"{self.lease_name}-{shard}"

    @property
    def clusterwide(self) -> bool:
        """Whether the operator watches every namespace."""
        return not self.namespaces

    @property
    def probe_host_port(self) -> tuple[str, int]:
        """Host and port of the probes; an empty host means every address."""
        return split_address(self.probe_address)

    def own_namespace(self) -> str:
        """The namespace of the Lease: as set, else the Pod's own, else ``default``."""
        if self.lease_namespace:
            return self.lease_namespace
        try:
            return POD_NAMESPACE.read_text(encoding="utf-8").strip() or "default"
        except OSError:
            return "default"


def load(flags: Mapping[str, Any] | None = None) -> Settings:
    """Settings from flags (None means not given), environment and defaults.

    Raises ConfigError with one sentence that names the option, the fault and what to write.
    """
    try:
        return Settings(**{name: value for name, value in (flags or {}).items() if value is not None})
    except ValidationError as error:
        raise ConfigError("; ".join(_sentence(item) for item in error.errors(include_url=False))) from None


def flag(field: str) -> str:
    """The flag of a field: ``log_format`` is ``--log-format``."""
    return "--" + field.replace("_", "-")


def split_address(text: str) -> tuple[str, int]:
    """Host and port of ``host:port``, ``:port`` or ``[::1]:port``. Raises ValueError with the remedy."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not an address; write host:port, such as 0.0.0.0:8080 or [::]:8080")
    return host, int(port)


def _match(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(f"{value!r} is not {what}")
    return value


def _sentence(error: Mapping[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return message
    field = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return f"{flag(field)}: there is no such option"
    given = "" if error["type"] == "value_error" else f" {error['input']!r}:"
    return f"{flag(field)} (or {PREFIX}{field.upper()}):{given} {message[:1].lower()}{message[1:]}"
