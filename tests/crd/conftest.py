"""The real API server with the CRDs, for the cases of this folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from influxops.api.kinds import KINDS
from tests.support.rawkube import RawKube

CRDS = Path(__file__).parents[2] / "crds"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    """The test stack's kubeconfig; INFLUXOPS_TEST_KUBECONFIG names another API server."""
    own = os.environ.get("INFLUXOPS_TEST_KUBECONFIG")
    return Path(own) if own else Path(request.getfixturevalue("stack").kubeconfig)


@pytest.fixture(scope="session")
def definitions(kubeconfig: Path) -> dict[str, dict[str, Any]]:
    """The CRDs as the API server has them, established, by name."""
    kube = RawKube(kubeconfig)
    found = {}
    for kind in KINDS:
        body = yaml.safe_load((CRDS / f"{kind.plural}.yaml").read_text(encoding="utf-8"))
        path = f"{_DEFINITIONS}/{kind.crd}"
        code, answer = kube.request(
            "PATCH", f"{path}?fieldManager=tests&force=true", body, "application/apply-patch+yaml"
        )
        assert code in {200, 201}, answer
        found[kind.crd] = _established(kube, path)
    for kind in KINDS:
        _served(kube, f"{kind.path}/{kind.plural}")
    kube.close()
    return found


def _established(kube: RawKube, path: str) -> dict[str, Any]:
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        _, definition = kube.request("GET", path)
        conditions = {item["type"]: item["status"] for item in definition.get("status", {}).get("conditions", [])}
        if conditions.get("Established") == "True":
            return definition
        time.sleep(0.05)
    raise AssertionError(f"not established within 30 s: {definition.get('status')}")


def _served(kube: RawKube, path: str) -> None:
    """Established comes before the new schema is served; 404 until then."""
    limit = time.monotonic() + 30
    while kube.request("GET", path)[0] != 200:
        assert time.monotonic() < limit, f"{path} is not served within 30 s"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def kube(kubeconfig: Path, definitions: dict[str, dict[str, Any]]) -> Iterator[RawKube]:
    """The API server, which serves our kinds."""
    assert definitions
    connection = RawKube(kubeconfig)
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def namespace(kube: RawKube) -> Iterator[str]:
    """A fresh namespace for the updates, which are no dry runs."""
    name = f"crd-{uuid.uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    assert kube.request("POST", "/api/v1/namespaces", body)[0] == 201
    yield name
    for kind in KINDS:
        kube.request("DELETE", f"{kind.path}/namespaces/{name}/{kind.plural}")
    kube.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="session")
def run_kubectl(request: pytest.FixtureRequest, kubeconfig: Path) -> Callable[..., str]:
    """Runs kubectl and gives back what it prints."""
    if "INFLUXOPS_TEST_KUBECONFIG" not in os.environ:
        return lambda *arguments: str(request.getfixturevalue("stack").kubectl(*arguments).stdout)
    command = shutil.which("kubectl", path=os.environ.get("KUBEBUILDER_ASSETS")) or "kubectl"

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [command, "--kubeconfig", str(kubeconfig), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
