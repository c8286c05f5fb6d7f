"""The servers' command lines."""

from __future__ import annotations

from pathlib import Path

from devstack import commands

SECRETS = Path("/s")


def flags(command: list[str]) -> dict[str, str]:
    pairs = (argument.removeprefix("--").partition("=") for argument in command[1:])
    return {name: value for name, _, value in pairs}


def every_command() -> list[list[str]]:
    return [
        commands.etcd(Path("etcd"), data=Path("/d"), port=1, peer_port=2),
        commands.kube_apiserver(Path("api"), etcd_port=1, port=3, secrets=SECRETS, audit_log=Path("/l/audit")),
        commands.kube_controller_manager(Path("kcm"), port=4, kubeconfig=Path("/k"), secrets=SECRETS),
        commands.influxd(Path("influxd"), data=Path("/i"), port=5),
    ]


def test_every_server_listens_on_loopback_only() -> None:
    etcd, api, manager, influxd = map(flags, every_command())
    assert {etcd["listen-client-urls"], etcd["listen-peer-urls"]} == {"http://127.0.0.1:1", "http://127.0.0.1:2"}
    assert api["bind-address"] == manager["bind-address"] == "127.0.0.1"
    assert influxd["http-bind-address"] == "127.0.0.1:5"


def test_no_server_skips_checking_certificates() -> None:
    assert not [argument for command in every_command() for argument in command if "insecure" in argument]


def test_the_api_server_enforces_rbac_and_writes_an_audit_log() -> None:
    api = flags(every_command()[1])
    assert api["authorization-mode"] == "RBAC"
    assert api["audit-log-path"] == "/l/audit"
    assert api["audit-policy-file"] == "/s/audit.json"


def test_without_audit_no_flag_speaks_of_it() -> None:
    command = commands.kube_apiserver(Path("api"), etcd_port=1, port=3, secrets=SECRETS, audit_log=None)
    assert not [argument for argument in command if "audit" in argument]


def test_influxd_keeps_all_its_data_in_one_folder_and_calls_nobody() -> None:
    influxd = flags(every_command()[3])
    assert [Path(influxd[name]).parent for name in ("bolt-path", "sqlite-path", "engine-path")] == [Path("/i")] * 3
    assert "reporting-disabled" in influxd
    assert "tls-cert" not in influxd


def test_influxd_with_a_certificate_serves_https() -> None:
    command = commands.influxd(Path("influxd"), data=Path("/i"), port=5, certificate=Path("/c"), key=Path("/k"))
    assert (flags(command)["tls-cert"], flags(command)["tls-key"]) == ("/c", "/k")
