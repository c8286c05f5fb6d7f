"""Write kubeconfig files: one cluster, one user, one context."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from devstack.certs import write_private


def kubeconfig(host: str, ca_pem: str, token: str, *, namespace: str = "default") -> str:
    """The text of a kubeconfig that checks the server against this CA. JSON, which is YAML too."""
    cluster = {"server": host, "certificate-authority-data": base64.b64encode(ca_pem.encode()).decode()}
    name = "devstack"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
        "current-context": name,
    }
    return json.dumps(content, indent=1) + "\n"


def write_kubeconfig(path: Path, host: str, ca_pem: str, token: str, *, namespace: str = "default") -> Path:
    """Write it so that only this user can read it; the path again."""
    write_private(path, kubeconfig(host, ca_pem, token, namespace=namespace))
    return path
