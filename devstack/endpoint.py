"""Small HTTP requests to our own servers: straight to loopback, whatever proxy the environment names."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from devstack.errors import ServerFailed


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server: its URL, the CA (PEM) that signed its certificate if it is https, and what to authorize with."""

    url: str
    ca_pem: str = ""
    authorization: str = ""

    def status(self, path: str, timeout: float = 2.0) -> int:
        """The HTTP status of a GET; 0 when there is no answer."""
        try:
            return self._request("GET", path, None, timeout)[0]
        except (OSError, http.client.HTTPException):
            return 0

    def call(self, method: str, path: str, body: object = None, timeout: float = 90.0) -> Any:
        """A JSON request and its JSON answer; None for an empty one. Raises ServerFailed unless the status is 2xx.

        The time is for disks that stand still for a while.
        """
        try:
            status, answer = self._request(method, path, body, timeout)
        except (OSError, http.client.HTTPException) as error:
            raise ServerFailed(f"{method} {self.url}{path}: {error}") from error
        if not 200 <= status < 300:
            raise ServerFailed(f"{method} {self.url}{path}: {status} {answer[:400].decode(errors='replace')}")
        return json.loads(answer) if answer else None

    def _request(self, method: str, path: str, body: object, timeout: float) -> tuple[int, bytes]:
        connection = self._connection(timeout)
        headers = {"Authorization": self.authorization} if self.authorization else {}
        data: bytes | None = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body=data, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context(cadata=self.ca_pem)
            return http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=context)
        return http.client.HTTPConnection(host, parts.port, timeout=timeout)
