"""Kubernetes credentials go to the API server and nowhere else, whoever makes the request; kopf follows redirects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from influxops.kube.access import Access

TOKEN = "the-token-of-the-operator"


@asynccontextmanager
async def _server(leads_to: str = "") -> AsyncIterator[tuple[TestServer, list[tuple[str, str]]]]:
    """A server, and the path and credentials of each request that it got. ``/elsewhere`` and ``/there`` are redirects."""
    got: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        got.append((request.path, request.headers.get("Authorization", "")))
        if request.path == "/elsewhere":
            raise web.HTTPTemporaryRedirect(leads_to)
        if request.path == "/there":
            raise web.HTTPTemporaryRedirect("/here")
        return web.json_response({"kind": "Status"})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        yield server, got


async def _access(folder: Path, server: TestServer) -> Access:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": str(server.make_url("")).rstrip("/")}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    access = Access(str(file))
    await access.load()
    return access


async def test_a_redirect_to_another_server_is_not_followed(tmp_path: Path) -> None:
    """It would bring that server the token, which opens the whole cluster to whom it is not for."""
    async with _server() as (other, stolen), _server(str(other.make_url("/"))) as (server, got):
        access = await _access(tmp_path, server)
        async with access.session() as session:
            with pytest.raises(aiohttp.ClientConnectionError, match="not followed"):
                await session.get(f"{access.server}/elsewhere")
    assert got == [("/elsewhere", f"Bearer {TOKEN}")]
    assert stolen == []


async def test_a_redirect_within_the_server_is(tmp_path: Path) -> None:
    async with _server() as (server, got):
        access = await _access(tmp_path, server)
        async with access.session() as session, session.get(f"{access.server}/there") as response:
            assert response.status == 200
    assert got == [(path, f"Bearer {TOKEN}") for path in ("/there", "/here")]
