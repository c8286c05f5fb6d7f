"""Small pure pieces: progress, kubeconfig, certificates, permissions, the stand-in for pkg-config."""

from __future__ import annotations

import base64
import io
import json
import socket
import ssl
import threading
from pathlib import Path

import pytest

from devstack import influx, kube, pkgconfig
from devstack.certs import Authority
from devstack.kubeconfig import kubeconfig, write_kubeconfig
from devstack.progress import Progress, elapsed


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min 00 s"), (305, "5 min 05 s")])
def test_durations_read_well(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text


def test_a_terminal_has_one_line_that_is_refreshed() -> None:
    stream = Terminal()
    progress = Progress(stream)
    for count in range(3):
        progress.tick(f"building {count}")
    progress.say("done")
    assert stream.getvalue() == "building 0\r\x1b[Kbuilding 1\r\x1b[Kbuilding 2\r\x1b[Kdone\n"


def test_elsewhere_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    stream = io.StringIO()
    progress = Progress(stream)
    progress.say("begin")
    for second in range(31):
        now = 1000.0 + second
        progress.tick(f"at {second}")
    assert stream.getvalue().splitlines() == ["begin", "at 15", "at 30"]


def test_a_kubeconfig_checks_the_server_and_is_private(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "kubeconfig", "https://127.0.0.1:1", "PEM", "secret")
    content = json.loads(path.read_text())
    assert content == json.loads(kubeconfig("https://127.0.0.1:1", "PEM", "secret"))
    (cluster,) = content["clusters"]
    assert base64.b64decode(cluster["cluster"]["certificate-authority-data"]) == b"PEM"
    assert "insecure" not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_certificates_are_accepted_for_their_hosts_by_their_own_ca_only(tmp_path: Path) -> None:
    authority, other = Authority("one"), Authority("two")
    certificate, key = authority.issue("server").write(tmp_path, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def handshake(ca: str, host: str) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            thread = threading.Thread(target=_serve, args=(context, theirs))
            thread.start()
            try:
                client = ssl.create_default_context(cadata=ca)
                client.verify_flags |= ssl.VERIFY_X509_STRICT
                client.wrap_socket(ours, server_hostname=host).close()
            finally:
                ours.close()
                thread.join()

    handshake(authority.pem, "127.0.0.1")
    handshake(authority.pem, "localhost")
    for ca, host in ((other.pem, "localhost"), (authority.pem, "example.org")):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(ca, host)


def _serve(context: ssl.SSLContext, end: socket.socket) -> None:
    try:
        context.wrap_socket(end, server_side=True).close()
    except OSError:
        end.close()


def test_the_audit_policy_logs_all_but_the_control_planes_own_requests() -> None:
    policy = kube.audit_policy()
    assert isinstance(policy["rules"], list)
    assert policy["rules"][-1] == {"level": "Metadata"}
    assert all(rule["level"] == "None" for rule in policy["rules"][:-1])


def test_the_token_file_names_users_and_their_group() -> None:
    assert kube.tokens_csv({"admin": "abc"}) == 'abc,admin,admin,"system:masters"\n'


def test_a_token_of_an_organisation_reaches_no_other() -> None:
    for permission in influx.org_permissions("o1", "u1"):
        resource = permission["resource"]
        assert resource.get("orgID") == "o1" or resource.get("id") in {"o1", "u1"}


def test_the_stand_in_answers_what_building_libflux_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "prefix=/p\nlibdir=${prefix}/lib\nName: Flux\nLibs: -L${libdir} -lflux-1 -lm\nCflags: -I${prefix}/include\n"
    (tmp_path / "flux.pc").write_text(text)
    monkeypatch.setenv("PKG_CONFIG_PATH", str(tmp_path))
    assert pkgconfig.main(["--cflags", "--", "flux"]) == 0
    assert pkgconfig.main(["--libs", "--static", "--", "flux"]) == 0
    assert capsys.readouterr().out == "-I/p/include\n-L/p/lib -lflux-1 -lm\n"
    assert pkgconfig.main(["--libs", "--", "other"]) == 1
