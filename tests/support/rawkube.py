"""The API server over plain HTTPS: one connection, raw answers. For tests that judge what the server itself says."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.support.expect import ANSWER

IDLE = 5.0
"""Seconds after which a kept connection is not used again."""


class RawKube:
    """A kept-alive connection to the API server that a kubeconfig names."""

    def __init__(self, kubeconfig: str | Path) -> None:
        config = yaml.safe_load(Path(kubeconfig).read_text(encoding="utf-8"))
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        address = urlsplit(cluster["server"])
        self._headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        self._used = time.monotonic()
        self._connection = http.client.HTTPSConnection(
            address.hostname or "", address.port, context=_tls(cluster, user), timeout=ANSWER
        )

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> tuple[int, dict[str, Any]]:
        """One request; the status code and the decoded answer."""
        data = json.dumps(body) if body is not None else None
        if time.monotonic() - self._used > IDLE:
            self._connection.close()  # the server may have closed it meanwhile; a new one is opened by itself
        self._connection.request(method, path, data, self._headers | {"Content-Type": content_type})
        answer = self._connection.getresponse()
        text = answer.read()
        self._used = time.monotonic()
        return answer.status, json.loads(text or b"{}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def _tls(cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    data = cluster.get("certificate-authority-data")
    context = ssl.create_default_context(
        cafile=cluster.get("certificate-authority"), cadata=base64.b64decode(data).decode() if data else None
    )
    if "client-certificate" in user:
        context.load_cert_chain(user["client-certificate"], user["client-key"])
    elif "client-certificate-data" in user:
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
            file.flush()
            context.load_cert_chain(file.name)
    return context
