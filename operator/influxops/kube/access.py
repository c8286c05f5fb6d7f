"""How the API of Kubernetes is reached: address, CA, client certificate, token.

One loader serves both our own requests and kopf's watches, so that both honour the same KUBECONFIG and context.
The token is asked for at every request: a projected service account token is replaced about hourly on disk.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp import ClientHandlerType, ClientMiddlewareType, ClientRequest, ClientResponse
from kubernetes.aio import config as kubeconfig
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from yarl import URL

from influxops.settings import POD_NAMESPACE

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0
"""Seconds for a TCP connection."""

RELOAD_EVERY = 10.0
"""Seconds between two reloads of the credentials after a 401, at least."""


class AccessError(Exception):
    """Neither a kubeconfig nor a service account leads to an API; the message says what was tried."""


class _Rest(RESTClientObject):
    """The client's own way from a configuration to a session: TLS, proxy, pool."""

    def session(self) -> aiohttp.ClientSession:
        session: aiohttp.ClientSession = self._create_pool_manager()
        return session


class Access:
    """Address and credentials of one API server.

    Args:
        path: a kubeconfig file (or several, as KUBECONFIG lists them); None: KUBECONFIG, then the service account of
            the pod, then ``~/.kube/config``.
        context: the context within it; None: its current one.

    """

    def __init__(self, path: str | None = None, context: str | None = None) -> None:
        self._path = path
        self._context = context
        self._configuration: Configuration | None = None
        self._reloaded = float("-inf")
        self._reloading = asyncio.Lock()

    @property
    def server(self) -> str:
        """The address of the API, without a slash at the end."""
        return str(self._loaded.host).rstrip("/")

    @property
    def _loaded(self) -> Configuration:
        if self._configuration is None:
            raise AccessError("the credentials for Kubernetes are not loaded yet: call load() first")
        return self._configuration

    async def load(self) -> None:
        """Read the credentials. Raises ``AccessError``."""
        configuration = Configuration()
        path = kubeconfig_path(self._path)
        try:
            if path is None:
                kubeconfig.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                await kubeconfig.load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=path, context=self._context, client_configuration=configuration, persist_config=False
                )
        except Exception as error:  # the loader meets a broken file with whatever error it stumbles into
            what = f"the kubeconfig {path}" if path else "the service account of this pod"
            raise AccessError(
                f"cannot read {what}: {error}. Set KUBECONFIG or --kubeconfig to a file that kubectl can use, "
                "or run in a pod with a service account."
            ) from error
        self._configuration = configuration

    async def reload(self, since: float = float("inf")) -> bool:
        """Read the credentials again, for example after a 401; at most once in 10 s.

        Tells whether it was done, by this call or by another after ``since``, in seconds of the loop's clock.
        """
        async with self._reloading:
            now = asyncio.get_running_loop().time()
            if self._reloaded >= since:
                return True
            if now - self._reloaded < RELOAD_EVERY:
                return False
            self._reloaded = now
            try:
                await self.load()
            except AccessError as error:
                log.warning("Kubernetes credentials could not be read again: %s", error)
                return False
            return True

    def session(self, middlewares: Sequence[ClientMiddlewareType] = (), *, limit: int = 100) -> aiohttp.ClientSession:
        """A new HTTP session that authenticates itself; the caller closes it. At most ``limit`` connections."""
        configuration = copy.copy(self._loaded)  # a copy: sessions are made in more than one thread
        configuration.connection_pool_maxsize = limit
        configuration.client_session_kwargs = {
            "middlewares": (self._authenticate, *middlewares),
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
            "headers": {"User-Agent": "influxops"},
            "proxy": configuration.proxy or _proxy_of(self.server),
            # aiohttp would look for a proxy and into ~/.netrc at every request, in a thread each: a tenth of our work.
            "trust_env": False,
        }
        return _Rest(configuration).session()

    async def _authenticate(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        configuration = self._loaded
        if request.url.origin() != URL(self.server).origin():  # kopf follows redirects
            raise aiohttp.ClientConnectionError(
                f"the Kubernetes API at {self.server} redirects to {request.url.origin()}: not followed, for the credentials are not "
                "for others"
            )
        token = await configuration.get_api_key_with_prefix("BearerToken")
        if token:
            request.headers["Authorization"] = token
        if configuration.tls_server_name:
            request.server_hostname = configuration.tls_server_name
        return await handler(request)


def context_namespace(path: str | None = None, context: str | None = None) -> str:
    """The namespace of a kubeconfig's context, or of the pod; empty when neither names one or the file is no kubeconfig.

    ``path`` and ``context`` as for ``Access``.
    """
    file = kubeconfig_path(path)
    if file is None:
        try:
            return POD_NAMESPACE.read_text(encoding="utf-8").strip()
        except OSError:
            return ""
    try:
        contexts, active = kubeconfig.list_kube_config_contexts(config_file=file)  # type: ignore[no-untyped-call]
        chosen = next((one for one in contexts if one["name"] == context), None) if context else active
        return str(((chosen or {}).get("context") or {}).get("namespace") or "")
    except Exception:  # a broken file; whoever connects says what is wrong with it
        log.debug("no namespace in the kubeconfig", exc_info=True)
        return ""


def kubeconfig_path(given: str | None = None) -> str | None:
    """The file to read, or None for the service account: what kubectl and client-go do, in their order."""
    named = given or os.environ.get("KUBECONFIG")
    if named:
        return named
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return None
    usual = Path.home() / ".kube" / "config"
    return str(usual) if usual.exists() else None


def _proxy_of(server: str) -> str | None:
    """The proxy that the environment names for an address (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), as for kubectl."""
    parts = urlsplit(server)
    if proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)
