"""The command line of each server, as pure functions. What the flags are for stands beside those that need it."""

from __future__ import annotations

from pathlib import Path

from devstack.ports import LOOPBACK

CONTROLLERS = ("garbagecollector", "namespace", "serviceaccount", "serviceaccount-token", "clusterrole-aggregation")
"""What users of custom resources notice: owner references, deletion of namespaces, service accounts, roles."""


def etcd(program: Path, *, data: Path, port: int, peer_port: int) -> list[str]:
    """A single member. Without fsync: the data need not survive the machine, and tests go twice as fast."""
    client, peer = f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{peer_port}"
    return [
        str(program),
        f"--data-dir={data}",
        "--name=devstack",
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=devstack={peer}",
    ]


def kube_apiserver(program: Path, *, etcd_port: int, port: int, secrets: Path, audit_log: Path | None) -> list[str]:
    """The API server. ``secrets`` holds apiserver.crt and .key, sa.key, tokens.csv and, with audit, audit.json."""
    command = [
        str(program),
        f"--etcd-servers=http://{LOOPBACK}:{etcd_port}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--advertise-address={LOOPBACK}",  # else it looks for a default route and fails without one
        "--endpoint-reconciler-type=none",  # loopback is no valid endpoint
        f"--tls-cert-file={secrets / 'apiserver.crt'}",
        f"--tls-private-key-file={secrets / 'apiserver.key'}",
        f"--cert-dir={secrets}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={secrets / 'sa.key'}",
        f"--service-account-signing-key-file={secrets / 'sa.key'}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        f"--token-auth-file={secrets / 'tokens.csv'}",
        "--disable-admission-plugins=ServiceAccount",  # no kubelet gives pods a token here
    ]
    if audit_log is not None:
        command += [
            f"--audit-policy-file={secrets / 'audit.json'}",
            f"--audit-log-path={audit_log}",
            "--audit-log-format=json",
            "--audit-log-maxsize=200",
        ]
    return command


def kube_controller_manager(program: Path, *, port: int, kubeconfig: Path, secrets: Path) -> list[str]:
    """The controllers of :data:`CONTROLLERS`; no others, since there are no nodes."""
    return [
        str(program),
        f"--controllers={','.join(CONTROLLERS)}",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={secrets / 'controller-manager.crt'}",
        f"--tls-private-key-file={secrets / 'controller-manager.key'}",
        f"--service-account-private-key-file={secrets / 'sa.key'}",
        "--leader-elect=false",
        "--kube-api-qps=200",  # the default of 20 makes deleting a full namespace slow
        "--kube-api-burst=400",
        "--concurrent-gc-syncs=5",
    ]


def influxd(
    program: Path, *, data: Path, port: int, certificate: Path | None = None, key: Path | None = None
) -> list[str]:
    """InfluxDB; https when it gets a certificate and key."""
    command = [
        str(program),
        f"--bolt-path={data / 'influxd.bolt'}",
        f"--sqlite-path={data / 'influxd.sqlite'}",
        f"--engine-path={data / 'engine'}",
        f"--http-bind-address={LOOPBACK}:{port}",
        "--reporting-disabled",
        "--storage-write-timeout=1m",  # 10 s by default, and a disk may stand still for longer
        "--log-level=info",
    ]
    if certificate is not None and key is not None:
        command += [f"--tls-cert={certificate}", f"--tls-key={key}"]
    return command
