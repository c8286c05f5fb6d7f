"""One influxd: its process, its first user, and fresh organisations for tests that must not disturb each other."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from devstack import commands
from devstack.certs import Authority, KeyPair
from devstack.endpoint import Endpoint
from devstack.ports import LOOPBACK, Ports
from devstack.process import Server

ORG = "influxops"
BUCKET = "raw"
USERNAME = "admin"

RESOURCES = (
    "annotations", "authorizations", "buckets", "checks", "dashboards", "dbrp", "documents", "labels", "notebooks",
    "notificationEndpoints", "notificationRules", "orgs", "remotes", "replications", "scrapers", "secrets", "sources",
    "tasks", "telegrafs", "users", "variables", "views",
)  # fmt: skip
"""The kinds of resource that a permission can name in InfluxDB 2.7, without those of the whole instance."""


@dataclass(frozen=True, slots=True)
class InfluxOrg:
    """An organisation with one bucket and one user who owns it; the token may do all in this organisation only."""

    url: str
    org: str
    org_id: str
    bucket: str
    bucket_id: str
    user: str
    user_id: str
    token: str


class Influxd(Server):
    """A running influxd with an admin, an organisation and a bucket. Restarts keep port and data."""

    url: str
    org: str = ORG
    bucket: str = BUCKET
    username: str = USERNAME
    password: str
    token: str
    """The operator token: may do everything on this instance."""
    org_id: str
    bucket_id: str
    user_id: str
    ca_pem: str
    """The CA that signed its certificate; empty without TLS."""

    @classmethod
    def begin(
        cls,
        program: Path,
        *,
        name: str,
        data: Path,
        log: Path,
        ports: Ports,
        tls: KeyPair | None = None,
        ca_pem: str = "",
    ) -> Self:
        """Launch it without waiting; :meth:`complete` follows."""
        port = ports.take()
        certificate, key = tls.write(data / "tls", "influxd") if tls is not None else (None, None)
        url = f"{'https' if tls is not None else 'http'}://{LOOPBACK}:{port}"
        endpoint = Endpoint(url, ca_pem)
        command = commands.influxd(program, data=data, port=port, certificate=certificate, key=key)
        server = cls(
            name,
            command,
            directory=data,
            log=log,
            port=port,
            health=f"{url}/health",
            ready=lambda: endpoint.status("/health") == 200,
        )
        server.url, server.ca_pem = url, ca_pem
        server.launch()
        return server

    def complete(self) -> None:
        """Wait until it is ready and make its first user, organisation and bucket. Raises ServerFailed."""
        self.wait_ready()
        self.password, self.token = secrets.token_urlsafe(12), secrets.token_urlsafe(32)
        wanted = {"username": USERNAME, "password": self.password, "token": self.token, "org": ORG, "bucket": BUCKET}
        answer = Endpoint(self.url, self.ca_pem).call("POST", "/api/v2/setup", {**wanted, "retentionPeriodSeconds": 0})
        self.org_id, self.bucket_id = answer["org"]["id"], answer["bucket"]["id"]
        self.user_id = answer["user"]["id"]

    def call(self, method: str, path: str, body: object = None) -> Any:
        """A JSON request with the operator token, such as ``call("GET", "/api/v2/buckets")``. Raises ServerFailed."""
        return Endpoint(self.url, self.ca_pem, f"Token {self.token}").call(method, path, body)

    def new_org(self, name: str = "") -> InfluxOrg:
        """A fresh organisation with a bucket ``raw``, a fresh user who owns it, and a token of this user."""
        name = name or f"org-{secrets.token_hex(5)}"
        org_id = self.call("POST", "/api/v2/orgs", {"name": name})["id"]
        user_id = self.call("POST", "/api/v2/users", {"name": f"{name}-user"})["id"]
        self.call("POST", f"/api/v2/orgs/{org_id}/owners", {"id": user_id})
        bucket_id = self.call("POST", "/api/v2/buckets", {"orgID": org_id, "name": BUCKET, "retentionRules": []})["id"]
        token = self.new_token(org_id, user_id, org_permissions(org_id, user_id))
        return InfluxOrg(self.url, name, org_id, BUCKET, bucket_id, f"{name}-user", user_id, token)

    def new_token(self, org_id: str, user_id: str, permissions: list[dict[str, Any]]) -> str:
        """A token of this user with these permissions."""
        wanted = {"orgID": org_id, "userID": user_id, "permissions": permissions, "description": "made by devstack"}
        return str(self.call("POST", "/api/v2/authorizations", wanted)["token"])

    def drop_org(self, org: InfluxOrg) -> None:
        """Delete the organisation, its tasks first, so that none goes on running, and its user."""
        while tasks := self.call("GET", f"/api/v2/tasks?orgID={quote(org.org_id)}&limit=500&type=basic")["tasks"]:
            for task in tasks:
                self.call("DELETE", f"/api/v2/tasks/{task['id']}")
        self.call("DELETE", f"/api/v2/orgs/{org.org_id}")
        self.call("DELETE", f"/api/v2/users/{org.user_id}")


def org_permissions(org_id: str, user_id: str) -> list[dict[str, Any]]:
    """Read and write of everything in one organisation, and of the user itself: what the UI calls all access."""
    permissions: list[dict[str, Any]] = []
    for kind in RESOURCES:
        resource = {"type": kind, "orgID": org_id}
        if kind in {"orgs", "users"}:  # these two belong to no organisation and are named themselves
            resource = {"type": kind, "id": org_id if kind == "orgs" else user_id}
        permissions += [{"action": action, "resource": resource} for action in ("read", "write")]
    return permissions


def server_certificate(authority: Authority) -> KeyPair:
    """A certificate for an influxd on loopback."""
    return authority.issue("influxd")
