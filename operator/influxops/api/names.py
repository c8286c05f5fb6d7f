"""Names and addresses in manifests: what each may hold, and what a user reads when it does not."""

from __future__ import annotations

from typing import Annotated

from influxops.api.patterns import pattern_rule
from influxops.api.rules import Checked, Rule

_control = pattern_rule(
    "[\\x00-\\x1f\\x7f]",
    "the name has a line break, a tab or another control character; write it on one line of plain text",
    negate=True,
)
_edges = pattern_rule("^ | $", "the name begins or ends with a space; remove it", negate=True)

TaskName = Annotated[str, Checked((_control, _edges), min_length=1)]
"""A task's name in InfluxDB; quotes, slashes, ``${`` and any language are fine."""

OrgName = Annotated[str, Checked((_control, _edges), min_length=1)]
"""An organization's name in InfluxDB."""

BucketName = Annotated[
    str,
    Checked(
        (
            _control,
            _edges,
            pattern_rule(
                "^_",
                "{self} is a system bucket: names that begin with _ belong to InfluxDB; write the name of a bucket of your own",
                negate=True,
            ),
            pattern_rule(
                '"', "{self} has a double quote, which InfluxDB refuses in bucket names; remove it", negate=True
            ),
        ),
        min_length=1,
    ),
]
"""The name of a user's bucket."""

InfluxID = Annotated[
    str,
    Checked(
        (
            pattern_rule(
                "^[0-9a-f]{16}$",
                "{self} is no id of InfluxDB: write its 16 digits of 0-9 and a-f, as `influx task list` shows it",
            ),
        ),
        max_length=16,
    ),
]
"""An id as InfluxDB makes them."""

KUBERNETES_NAME = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_NAMESPACE = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

ObjectName = Annotated[
    str,
    Checked(
        (
            pattern_rule(
                KUBERNETES_NAME,
                "{self} is not the name of a Kubernetes object; write lower case letters, digits, - and . only, "
                "beginning and ending with a letter or digit",
            ),
        ),
        max_length=253,
    ),
]
"""The name of a Kubernetes object (RFC 1123 subdomain)."""

NamespaceName = Annotated[
    str,
    Checked(
        (
            pattern_rule(
                _NAMESPACE,
                "{self} is not the name of a namespace; write lower case letters, digits and - only, beginning and "
                "ending with a letter or digit",
            ),
        ),
        max_length=63,
    ),
]
"""The name of a namespace (RFC 1123 label)."""

StageName = Annotated[
    str,
    Checked(
        (
            pattern_rule(
                _NAMESPACE,
                "{self} is not the name of a stage; write lower case letters, digits and - only, beginning and ending with a "
                "letter or digit",
            ),
        ),
        max_length=63,
    ),
]
"""The name of a stage in its pipeline (RFC 1123 label)."""

ColumnName = Annotated[
    str,
    Checked(
        (
            _control,
            pattern_rule(
                "^_", "{self} begins with _, as only InfluxDB's own columns do; write a name of your own", negate=True
            ),
        ),
        min_length=1,
        max_length=256,
    ),
]
"""The name of a measurement, a field or a tag."""

TimeZone = Annotated[
    str,
    Checked(
        (
            pattern_rule(
                "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$",
                "{self} is not the name of a time zone; write one of the IANA data base, such as Europe/Berlin, or UTC",
            ),
        ),
        max_length=64,
    ),
]
"""An IANA time zone."""

DataKey = Annotated[
    str,
    Checked(
        (
            pattern_rule(
                "^[-._a-zA-Z0-9]+$",
                "{self} is not a key of a Secret or ConfigMap; write letters, digits, -, _ and . only",
            ),
        ),
        max_length=253,
    ),
]
"""A key in the data of a Secret or ConfigMap."""

HostName = Annotated[
    str,
    Checked(
        (
            pattern_rule(
                "^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
                "{self} is not a host name; write the name in the server's certificate, such as influxdb.example, "
                "without scheme or port",
            ),
        ),
        max_length=253,
    ),
]
"""A DNS name."""

FluxPackage = Annotated[
    str,
    Checked(
        (
            pattern_rule(
                "^[a-z0-9_]+(/[a-z0-9_]+)*$",
                "{self} is not the path of a Flux package; write it as after import, without quotes, such as http or "
                "experimental/http",
            ),
        )
    ),
]
"""The import path of a Flux package."""

_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_URL = (
    "^https?://([A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|\\[[0-9A-Fa-f:.]+\\])"
    f"(:{_PORT})?(/[A-Za-z0-9._~%!&*+,;=:-]+)*/?$"
)
_HTTP = "^https?://"

_scheme = pattern_rule(
    _HTTP, "the address does not begin with https:// or http://; write one such as https://influxdb.example:8086"
)
_user = pattern_rule(
    "@",
    "the address has a user or password before the host; remove it and put a token into the Secret of tokenSecretRef",
    negate=True,
)
_query = pattern_rule("[?#]", "the address has a query or fragment; end it after the path", negate=True)
_address = pattern_rule(_URL, "")

# No rule of an address quotes it: it may hold a password.
Url = Annotated[
    str,
    Checked(
        (
            _scheme,
            _user,
            _query,
            Rule(
                f"!({_scheme.cel} && {_user.cel} && {_query.cel}) || {_address.cel}",
                "the address is malformed; write scheme, host, port if needed and path if needed, such as "
                "https://influxdb.example:8086 or https://proxy.example/influx",
                lambda text: not all(rule.check(text) for rule in (_scheme, _user, _query)) or _address.check(text),
            ),
        ),
        lambda text: text.rstrip("/"),
        max_length=2048,
    ),
]
"""The base address of an InfluxDB."""
