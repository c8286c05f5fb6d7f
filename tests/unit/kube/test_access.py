"""Which namespace a kubeconfig means, and which file is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from influxops.kube import access
from influxops.kube.access import context_namespace, kubeconfig_path


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def kubeconfig(folder: Path, current: str, **namespaces: str) -> str:
    """A kubeconfig with a context for each of these namespaces."""
    file = folder / "kubeconfig"
    contexts = [
        {"name": name, "context": {"cluster": "c", "user": "u"} | ({"namespace": namespace} if namespace else {})}
        for name, namespace in namespaces.items()
    ]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": contexts,
        "current-context": current,
    }
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    return str(file)


def test_the_namespace_of_a_context(tmp_path: Path) -> None:
    """Of the current one, or of the one that is named; empty where none stands."""
    file = kubeconfig(tmp_path, "a", a="telemetry", b="billing", c="")
    assert context_namespace(file) == "telemetry"
    assert context_namespace(file, "b") == "billing"
    assert context_namespace(file, "c") == ""
    assert context_namespace(file, "nobody") == ""


def test_a_file_that_is_no_kubeconfig(tmp_path: Path) -> None:
    """Says nothing here: whoever connects says what is wrong."""
    broken = tmp_path / "broken"
    broken.write_text("{", encoding="utf-8")
    assert context_namespace(str(broken)) == ""
    assert context_namespace(str(tmp_path / "missing")) == ""


def test_a_pod_has_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where Kubernetes puts it."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setattr(access, "POD_NAMESPACE", tmp_path / "namespace")
    assert context_namespace() == ""
    (tmp_path / "namespace").write_text("ns-of-pod\n", encoding="utf-8")
    assert context_namespace() == "ns-of-pod"


def test_which_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The given one, KUBECONFIG, the service account, then the usual place, as kubectl does."""
    assert kubeconfig_path() is None
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text("", encoding="utf-8")
    assert kubeconfig_path() == str(tmp_path / ".kube" / "config")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert kubeconfig_path() is None
    monkeypatch.setenv("KUBECONFIG", "/a")
    assert kubeconfig_path() == "/a"
    assert kubeconfig_path("/b") == "/b"
