"""InfluxConnection: where an InfluxDB is, as whom to speak to it, and who may use it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from influxops.api.base import ApiModel
from influxops.api.common import Resource, SecretKeyRef, SecretRef, Status
from influxops.api.lengths import Interval, ShortInterval
from influxops.api.names import BucketName, FluxPackage, HostName, NamespaceName, OrgName, Url
from influxops.api.rules import Fault, Rule, distinct
from influxops.api.selector import LabelSelector
from influxops.core.durations import parse_duration

_SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}


class Tls(ApiModel):
    """How the server proves who it is, and we to it."""

    ca_secret_ref: SecretKeyRef | None = None
    """Key of a Secret that holds the certificates (PEM) of the authority that signed the server's certificate; by default
    the authorities that the system trusts."""
    client_cert_secret_ref: SecretRef | None = None
    """Secret of type `kubernetes.io/tls` whose `tls.crt` and `tls.key` are shown to the server."""
    server_name: HostName | None = None
    """Name to expect in the server's certificate; by default the host of `url`."""


class Limits(ApiModel):
    """How much influxops asks of this InfluxDB at once."""

    max_concurrent: Annotated[int, Field(ge=1, le=256)] = 16
    """Most requests under way at a time; queries of stages are counted apart, and may be as many again."""
    requests_per_second: Annotated[int, Field(ge=1, le=10000)] | None = None
    """Most requests begun in a second; by default there is no such limit."""


class AllowedNamespaces(ApiModel):
    """Namespaces, besides the connection's own, whose objects may use the connection. A namespace that fits either field
    is allowed.
    """

    names: Annotated[list[NamespaceName], Field(max_length=256, json_schema_extra=_SET), AfterValidator(distinct)] = (
        Field(default_factory=list)
    )
    """Namespaces by name."""
    selector: LabelSelector | None = None
    """Namespaces by their labels; an empty selector allows every namespace."""

    def admits(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether objects of a namespace with these labels may use the connection."""
        return namespace in self.names or (self.selector is not None and self.selector.matches(labels))


class AllowedBuckets(ApiModel):
    """Buckets that scripts may name."""

    read: Annotated[list[BucketName], Field(max_length=256, json_schema_extra=_SET), AfterValidator(distinct)] = Field(
        default_factory=list
    )
    """Buckets that scripts may read with `from`, and stages name as their `source`."""
    write: Annotated[list[BucketName], Field(max_length=256, json_schema_extra=_SET), AfterValidator(distinct)] = Field(
        default_factory=list
    )
    """Buckets that scripts may write with `to`, and stages name as their `destination`; also a ledger of another name than
    `influxops-ledger`."""


class Policy(ApiModel):
    """What tasks may do that use the connection. An empty policy allows everything."""

    denied_flux_packages: Annotated[
        list[FluxPackage], Field(max_length=64, json_schema_extra=_SET), AfterValidator(distinct)
    ] = Field(default_factory=list)
    """Flux packages that scripts may not import, such as `http`; a package stands for those below it, such as
    `http/requests`."""
    min_every: Interval | None = None
    """Shortest time between two runs of a task, for `every` and `cron`."""
    allowed_buckets: AllowedBuckets | None = None
    """Buckets that scripts may use. Where this is given, a script must name every bucket by a literal and may not give
    `host`, `org`, `orgID`, `token` or `bucketID`."""

    def denies(self, package: str) -> bool:
        """Whether scripts may not import the package."""
        return any(package == denied or package.startswith(f"{denied}/") for denied in self.denied_flux_packages)


class InfluxConnectionSpec(ApiModel):
    """Where InfluxDB is, as whom to speak to it, and who may use the connection."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.allowInsecure || !self.url.startsWith('http://')",
            "http sends the token in clear text; write https://, or set allowInsecure: true for a mesh or a local stack",
            lambda m: m.allow_insecure or not m.url.startswith("http://"),
            path=".url",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "!has(self.tls) || !self.url.startsWith('http://')",
            "tls has no meaning with an http:// address; write https:// in url, or remove tls",
            lambda m: m.tls is None or not m.url.startswith("http://"),
            path=".tls",
            fault=Fault.FORBIDDEN,
        ),
    )

    url: Url
    """Address of InfluxDB, such as `https://influxdb.example:8086`, with a path if a proxy needs one. No redirects are
    followed."""
    allow_insecure: bool = False
    """True: `url` may begin with `http://`, which sends the token in clear text; for a mesh that encrypts, or a local
    stack."""
    org: OrgName
    """Name of the organization in InfluxDB."""
    token_secret_ref: SecretKeyRef
    """Key of a Secret in the same namespace that holds the API token. A change is picked up within one `syncInterval`, and
    at once after the server has refused the old token."""
    tls: Tls | None = None
    """Private authority, client certificate and server name; by default the server's certificate is checked against the
    authorities that the system trusts."""
    timeout: ShortInterval = parse_duration("15s")
    """Longest time that one request may take."""
    sync_interval: ShortInterval = parse_duration("30s")
    """Time from one look at all tasks, buckets and runs of the organization to the next. Drift is found, and runs are
    reported, within this time."""
    suspend: bool = False
    """True: influxops leaves this InfluxDB alone, for maintenance, a migration or an incident: it neither reads nor writes,
    and the connection and its objects are `Suspended`. What runs in InfluxDB goes on running, and runs are reported
    afterwards. Once `Ready` of this connection says `Suspended`, no write is under way. Deletion beats suspend: an
    object that is deleted meanwhile has its task or bucket deleted or let go of as its `deletion` says. Set to false,
    everything is looked at at once."""
    limits: Limits = Limits()
    """How much influxops asks of this InfluxDB at once."""
    allowed_namespaces: AllowedNamespaces | None = None
    """Namespaces whose objects may use the connection; by default only its own."""
    policy: Policy = Policy()
    """What tasks may do that use the connection; by default everything."""


class TaskCounts(ApiModel):
    """Numbers of tasks."""

    managed: int = 0
    """InfluxTasks that use the connection."""
    drifted: int = 0
    """Tasks that differ from their InfluxTask at present."""
    failing: int = 0
    """Tasks whose latest run failed."""
    late: int = 0
    """Tasks whose latest due slot has no successful run."""


class Breaker(StrEnum):
    """State of the circuit breaker."""

    CLOSED = "Closed"
    OPEN = "Open"
    HALF_OPEN = "HalfOpen"


class InfluxConnectionStatus(Status):
    """What influxops last saw."""

    version: str | None = None
    """Version of the server, such as `v2.7.12`."""
    url: str | None = None
    """Address at which the organization of `orgID` was seen."""
    org_id: str | None = None
    """Id of the organization. Another id later means another target: nothing is written until the annotation
    `influxops.dev/accept-target` names it."""
    found_org_id: str | None = None
    """Id of the organization that `url` and `org` lead to now; only while it is not `orgID` and waits to be accepted."""
    user: str | None = None
    """Name of the InfluxDB user behind the token; tasks run with all rights of this user."""
    user_id: str | None = None
    """Id of the InfluxDB user behind the token."""
    tasks: TaskCounts | None = None
    """Tasks of the connection."""
    shard: str | None = None
    """Shard whose operator works the connection and its objects now, `default` without the label `influxops.dev/shard`. After a change
    of the label the old name stands here until that operator has ended all that it was doing."""
    breaker: Annotated[Breaker, Field(strict=False)] | None = None
    """`Closed`: requests pass. `Open`: the server does not answer and nothing is sent. `HalfOpen`: one request tries."""


class InfluxConnection(Resource):
    """An InfluxDB 2.x server and organization, the token to use there, and who may use it."""

    kind_name: ClassVar[str] = "InfluxConnection"

    spec: InfluxConnectionSpec
    """Where InfluxDB is, as whom to speak to it, and who may use the connection."""
    status: InfluxConnectionStatus = InfluxConnectionStatus()
    """What influxops last saw."""
