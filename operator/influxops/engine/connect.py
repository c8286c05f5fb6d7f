"""From an InfluxConnection's spec to a client: its Secrets are read by name, each turn anew, and never kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from influxops.api.connection import InfluxConnectionSpec
from influxops.core.marker import sha256
from influxops.core.record import canonical
from influxops.influx.port import InfluxPort
from influxops.influx.settings import ConnectionSettings, Pace


class Secrets(Protocol):
    """The credential resolver."""

    async def resolve(self, namespace: str, ref: dict[str, str]) -> str:
        """The text of a key; raises ``kube.errors.MissingReference``."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Settings for a client and a digest by which a change shows; the digest cannot be turned back into the token."""

    settings: ConnectionSettings
    digest: str


async def credentials(secrets: Secrets, namespace: str, spec: InfluxConnectionSpec) -> Credentials:
    """Read what a client needs. Raises ``kube.errors.MissingReference`` and other errors of Kubernetes."""
    ref = spec.token_secret_ref
    token = await secrets.resolve(namespace, {"name": ref.name, "key": ref.key})
    ca = cert = key = server_name = ""
    if spec.tls is not None:
        server_name = spec.tls.server_name or ""
        if spec.tls.ca_secret_ref is not None:
            ca_ref = spec.tls.ca_secret_ref
            ca = await secrets.resolve(namespace, {"name": ca_ref.name, "key": ca_ref.key})
        if spec.tls.client_cert_secret_ref is not None:
            name = spec.tls.client_cert_secret_ref.name
            cert = await secrets.resolve(namespace, {"name": name, "key": "tls.crt"})
            key = await secrets.resolve(namespace, {"name": name, "key": "tls.key"})
    settings = ConnectionSettings(
        url=spec.url,
        token=token,
        timeout=float(spec.timeout.seconds),
        ca_pem=ca,
        client_cert_pem=cert,
        client_key_pem=key,
        server_name=server_name,
        max_connections=0,  # the link counts requests and queries apart; one must not wait for the other's connections
    )
    parts = [spec.url, token, ca, cert, key, server_name, settings.timeout, spec.org]
    return Credentials(settings, sha256(canonical(parts).decode()))


ClientFactory = Callable[[ConnectionSettings, Pace], InfluxPort]
