"""A real kustomize-controller of Flux CD. Only its source is a stand-in: a Bucket whose artifact lies on loopback.

The source-controller does not run here, for not all of its Go modules verify; what it would write is one status.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import yaml

from devstack.endpoint import Endpoint
from devstack.ports import LOOPBACK
from devstack.process import Server
from devstack.stack import Stack
from tests.support.expect import PATIENCE, condition, eventually
from tests.support.lab import Lab
from tests.support.rawkube import RawKube

ROOT = Path(__file__).parents[2]
HOME = "flux-system"
SOURCES = {"Bucket": "buckets", "GitRepository": "gitrepositories", "OCIRepository": "ocirepositories"}
"""Kinds that the controller watches; their own controller does not run here."""
SOURCE, KUSTOMIZE = "source.toolkit.fluxcd.io", "kustomize.toolkit.fluxcd.io"
MERGE = "application/merge-patch+json"
MOMENT = "2026-01-01T00:00:00Z"
Object = dict[str, Any]


class Flux:
    """The running controller, and what a user of it does. Use it with ``with``."""

    def __init__(self, stack: Stack, tools: Mapping[str, Path]) -> None:
        """``tools`` holds the paths of ``kustomize-controller`` and of its CRD ``kustomizations.yaml``."""
        self._stack = stack
        self._crd = tools["kustomizations.yaml"]
        self._kube = RawKube(stack.kubeconfig)
        self._artifacts = _Artifacts()
        port = stack.ports.take()
        health = Endpoint(f"http://{LOOPBACK}:{port}")
        self._server = Server(
            "kustomize-controller",
            [
                str(tools["kustomize-controller"]),
                "--metrics-addr=127.0.0.1:0",
                f"--health-addr={LOOPBACK}:{port}",
                "--events-addr=",
                "--watch-all-namespaces",
                "--requeue-dependency=1s",
            ],
            directory=stack.directory / "work",
            log=stack.logs / "kustomize-controller.log",
            port=port,
            health=f"{health.url}/readyz",
            ready=lambda: health.status("/readyz") == 200,
            environment={"KUBECONFIG": str(stack.kubeconfig), "RUNTIME_NAMESPACE": HOME},
        )

    def __enter__(self) -> Self:
        self._stack.kubectl("apply", "--server-side", "-f", str(self._crd))
        crds = [_source_crd(kind, plural) for kind, plural in SOURCES.items()]
        self._stack.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(crds))
        self._stack.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        self._stack.kubectl("create", "namespace", HOME)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._artifacts.close()
        self._kube.close()

    def publish(self, bucket: str, files: Mapping[str, str]) -> str:
        """Make these files, by path, the artifact of a Bucket; the revision."""
        url, digest, size = self._artifacts.add(files)
        path = f"/apis/{SOURCE}/v1/namespaces/{HOME}/buckets"
        body = {
            "apiVersion": f"{SOURCE}/v1",
            "kind": "Bucket",
            "metadata": {"name": bucket},
            "spec": {"interval": "1h"},
        }
        code, made = self._kube.request("POST", path, body)
        if code == 409:
            code, made = self._kube.request("GET", f"{path}/{bucket}")
        assert code in {200, 201}, made
        generation = made["metadata"]["generation"]
        ready = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored artifact"}
        status = {
            "observedGeneration": generation,
            "conditions": [{**ready, "observedGeneration": generation, "lastTransitionTime": MOMENT}],
            "artifact": {
                "path": f"bucket/{HOME}/{bucket}.tar.gz",
                "url": url,
                "revision": f"sha256:{digest}",
                "digest": f"sha256:{digest}",
                "lastUpdateTime": MOMENT,
                "size": size,
            },
        }
        code, answer = self._kube.request("PATCH", f"{path}/{bucket}/status", {"status": status}, MERGE)
        assert code == 200, answer
        return f"sha256:{digest}"

    def apply(self, *kustomizations: Object) -> None:
        """Apply Kustomizations as a user does."""
        self._stack.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(kustomizations))

    def get(self, name: str) -> Object | None:
        """A Kustomization; None when it does not exist."""
        code, found = self._kube.request("GET", _path(name))
        assert code in {200, 404}, found
        return found if code == 200 else None

    def reconcile(self, name: str) -> Object:
        """What ``flux reconcile kustomization NAME`` does; returns when it is through, well or not."""
        now = hashlib.sha256(str(self.get(name)).encode()).hexdigest()
        patch = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": now}}}
        code, answer = self._kube.request("PATCH", _path(name), patch, MERGE)
        assert code == 200, answer
        return self._until(name, "has handled it", lambda one: one["status"].get("lastHandledReconcileAt") == now)

    def ready(self, name: str, revision: str, seconds: float = PATIENCE) -> Object:
        """Wait until a revision is applied and healthy."""
        what = f"Ready with {revision}"
        return self._until(name, what, lambda one: one["status"].get("lastAppliedRevision") == revision, seconds)

    def fails(self, name: str, reason: str, revision: str = "") -> Object:
        """Wait until it is not Ready for this reason, with the revision if one is named."""

        def holds(one: Object) -> bool:
            ready = condition(one)
            attempted = one["status"].get("lastAttemptedRevision")
            return (ready.get("status"), ready.get("reason")) == ("False", reason) and revision in {"", attempted}

        return self._until(name, f"fails with {reason}", holds, settled=False)

    def delete(self, name: str) -> None:
        """Delete a Kustomization, and wait until it and, with ``prune``, its objects are asked to go."""
        code, answer = self._kube.request("DELETE", _path(name))
        assert code in {200, 202, 404}, answer
        eventually(f"Kustomization {name} is gone", lambda: self.get(name), lambda one: one is None, story=self._story)

    def _until(self, name: str, what: str, holds: Any, seconds: float = PATIENCE, *, settled: bool = True) -> Object:
        def good(one: Object | None) -> bool:
            if one is None or "status" not in one:
                return False
            return bool(holds(one)) and (not settled or condition(one).get("status") in {"True", "False"})

        found = eventually(
            f"Kustomization {name}: {what}", lambda: self.get(name), good, seconds=seconds, story=self._story
        )
        assert found is not None
        return found

    def _story(self) -> str:
        return "\n".join(self._server.log.read_text(errors="replace").splitlines()[-15:])


class _Artifacts:
    """Archives on loopback, by their digest."""

    def __init__(self) -> None:
        held: dict[str, bytes] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                data = held.get(self.path)
                self.send_response(404 if data is None else 200)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *_: object) -> None:
                pass

        self._held = held
        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def add(self, files: Mapping[str, str]) -> tuple[str, str, int]:
        """Where an archive of these files is served, its digest and its size."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            for path, text in files.items():
                entry = tarfile.TarInfo(path)
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
        data = stream.getvalue()
        digest = hashlib.sha256(data).hexdigest()
        self._held[f"/{digest}.tar.gz"] = data
        return f"http://{LOOPBACK}:{self._server.server_port}/{digest}.tar.gz", digest, len(data)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def repository(lab: Lab) -> dict[str, str]:
    """Everything in ``manifests`` by path, as a Git repository with it would hold; adapted to a lab as a user adapts it."""
    adapted = {
        "influxops-demo": lab.namespace,
        "http://influxdb.influxdb.svc.cluster.local:8086": lab.org.url,
        "org: influxops": f"org: {lab.org.org}",
        "syncInterval: 5s": "syncInterval: 1s",
    }
    files = {}
    for path in (ROOT / "manifests").rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        for old, new in adapted.items():
            text = text.replace(old, new)
        files[str(path.relative_to(ROOT))] = text
    return files


def kustomizations(files: Mapping[str, str], path: str, bucket: str) -> list[Object]:
    """The Kustomizations in one of the files, with names that begin with the Bucket's, and the Bucket as their source."""
    found = [one for one in yaml.safe_load_all(files[path]) if one["kind"] == "Kustomization"]
    for one in found:
        one["metadata"]["name"] = f"{bucket}-{one['metadata']['name']}"
        one["spec"]["sourceRef"] = {"kind": "Bucket", "name": bucket}
        for other in one["spec"].get("dependsOn", []):
            other["name"] = f"{bucket}-{other['name']}"
    return found


def _path(name: str) -> str:
    return f"/apis/{KUSTOMIZE}/v1/namespaces/{HOME}/kustomizations/{name}"


def _source_crd(kind: str, plural: str) -> Object:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{SOURCE}"},
        "spec": {"group": SOURCE, "names": names, "scope": "Namespaced", "versions": [version]},
    }
