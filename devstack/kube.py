"""The Kubernetes control plane of a stack: etcd, kube-apiserver and kube-controller-manager."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack import commands
from devstack.binaries import Binaries
from devstack.certs import Authority, signing_key, write_private
from devstack.endpoint import Endpoint
from devstack.kubeconfig import write_kubeconfig
from devstack.ports import LOOPBACK, Ports
from devstack.process import Server

ADMIN = "admin"
CONTROLLER_MANAGER = "system:kube-controller-manager"
SYSTEM_NAMESPACES = ("default", "kube-system")


@dataclass(frozen=True, slots=True)
class KubeAccess:
    """What a client needs. The user is ``admin`` of group ``system:masters``."""

    host: str
    ca: str
    """The CA of the API server (PEM)."""
    ca_file: Path
    token: str
    kubeconfig: Path

    def endpoint(self) -> Endpoint:
        """The API server for plain requests as the admin."""
        return Endpoint(self.host, self.ca, f"Bearer {self.token}")

    def call(self, method: str, path: str, body: object = None) -> Any:
        """A JSON request as the admin, such as ``call("GET", "/api/v1/namespaces")``. Raises ServerFailed."""
        return self.endpoint().call(method, path, body)


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The started servers, in the order of their start, and the way in."""

    servers: tuple[Server, ...]
    access: KubeAccess
    audit_log: Path | None


def start_control_plane(
    binaries: Binaries,
    directory: Path,
    logs: Path,
    ports: Ports,
    authority: Authority,
    *,
    controllers: bool,
    audit: bool,
) -> ControlPlane:
    """Start it and wait until it is ready. Raises ServerFailed, with what was started ended again."""
    etcd_port, peer_port, port = ports.take(), ports.take(), ports.take()
    access = _write_secrets(directory, f"https://{LOOPBACK}:{port}", authority)
    secret_folder = directory / "secrets"
    audit_log = logs / "audit.jsonl" if audit else None
    etcd_endpoint = Endpoint(f"http://{LOOPBACK}:{etcd_port}")
    api_endpoint = access.endpoint()
    servers = [
        Server(
            "etcd",
            commands.etcd(binaries.etcd, data=directory / "etcd", port=etcd_port, peer_port=peer_port),
            directory=directory / "work",
            log=logs / "etcd.log",
            port=etcd_port,
            health=f"{etcd_endpoint.url}/health",
            ready=lambda: etcd_endpoint.status("/health") == 200,
        ),
        Server(
            "kube-apiserver",
            commands.kube_apiserver(
                binaries.kube_apiserver, etcd_port=etcd_port, port=port, secrets=secret_folder, audit_log=audit_log
            ),
            directory=directory / "work",
            log=logs / "kube-apiserver.log",
            port=port,
            health=f"{access.host}/readyz",
            ready=lambda: _api_ready(api_endpoint),
        ),
    ]
    if controllers:
        manager_port = ports.take()
        manager = Endpoint(f"https://{LOOPBACK}:{manager_port}", access.ca)
        servers.append(
            Server(
                "kube-controller-manager",
                commands.kube_controller_manager(
                    binaries.kube_controller_manager,
                    port=manager_port,
                    kubeconfig=secret_folder / "controller-manager.kubeconfig",
                    secrets=secret_folder,
                ),
                directory=directory / "work",
                log=logs / "kube-controller-manager.log",
                port=manager_port,
                health=f"{manager.url}/healthz",
                ready=lambda: manager.status("/healthz") == 200,
            )
        )
    try:
        for server in servers:
            server.start()
    except BaseException:
        for server in reversed(servers):
            server.kill()
        raise
    return ControlPlane(tuple(servers), access, audit_log)


def audit_policy() -> dict[str, object]:
    """Who did what to which object, without bodies; the API server's requests to itself are left out."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "users": ["system:apiserver", CONTROLLER_MANAGER]},
            {"level": "None", "nonResourceURLs": ["/readyz*", "/healthz*", "/livez*"]},
            {"level": "Metadata"},
        ],
    }


def tokens_csv(tokens: dict[str, str]) -> str:
    """The static token file: token, user name, user id, groups. All are in ``system:masters``."""
    return "".join(f'{token},{user},{user},"system:masters"\n' for user, token in tokens.items())


def _write_secrets(directory: Path, host: str, authority: Authority) -> KubeAccess:
    folder = directory / "secrets"
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    tokens = {user: secrets.token_urlsafe(32) for user in (ADMIN, CONTROLLER_MANAGER)}
    names = ("127.0.0.1", "localhost", "10.0.0.1", "kubernetes.default.svc")
    authority.issue("kube-apiserver", names).write(folder, "apiserver")
    authority.issue("kube-controller-manager").write(folder, "controller-manager")
    write_private(folder / "ca.crt", authority.pem)
    write_private(folder / "sa.key", signing_key())
    write_private(folder / "tokens.csv", tokens_csv(tokens))
    write_private(folder / "audit.json", json.dumps(audit_policy()))
    write_kubeconfig(folder / "controller-manager.kubeconfig", host, authority.pem, tokens[CONTROLLER_MANAGER])
    kubeconfig = write_kubeconfig(directory / "kubeconfig", host, authority.pem, tokens[ADMIN])
    return KubeAccess(host, authority.pem, folder / "ca.crt", tokens[ADMIN], kubeconfig)


def _api_ready(endpoint: Endpoint) -> bool:
    """Ready, and past the moment in which the first namespaces do not exist yet."""
    paths = ("/readyz", *(f"/api/v1/namespaces/{name}" for name in SYSTEM_NAMESPACES))
    return all(endpoint.status(path) == 200 for path in paths)
