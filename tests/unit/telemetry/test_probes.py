"""The probes over real HTTP: what the kubelet, Prometheus and people get."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from influxops.settings import ConfigError
from influxops.telemetry.health import Health, LoopLag, age_check, flag_check
from influxops.telemetry.metrics import Metrics
from influxops.telemetry.probes import ProbeServer
from influxops.telemetry.redact import MASK, Redactor

CANARY = "canary-in-a-check"


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
async def base(health: Health) -> AsyncIterator[str]:
    redactor = Redactor()
    redactor.add(CANARY)
    server = ProbeServer(("127.0.0.1", 0), health, Metrics(), redactor)
    host, port = await server.start()
    yield f"http://{host}:{port}"
    await server.stop()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_a_passing_endpoint_says_ok(base: str, health: Health) -> None:
    """In one word, for machines."""
    health.add_ready("sync", lambda: (True, "done"))
    assert await get(f"{base}/readyz") == (200, "ok")
    assert await get(f"{base}/healthz") == (200, "ok")


async def test_verbose_lists_every_check(base: str, health: Health) -> None:
    """With + and -, as the Kubernetes API server does."""
    health.add_ready("sync", lambda: (True, ""))
    health.add_ready("queue", age_check(lambda: 3.2, 120, "oldest due object"))
    status, text = await get(f"{base}/readyz?verbose")
    assert status == 200
    assert text == "[+]sync ok\n[+]queue ok: oldest due object: 3 s, limit 120 s\nreadyz check passed\n"


async def test_a_failing_check_is_named_even_without_verbose(base: str, health: Health) -> None:
    """And only its own endpoint fails."""
    synced = False
    health.add_ready("sync", flag_check(lambda: synced, "the first lists are not complete"))
    health.add_live("watch", age_check(lambda: 301.0, 300, "last watch activity"))
    status, text = await get(f"{base}/readyz")
    assert (status, text) == (503, "[-]sync failed: the first lists are not complete\nreadyz check failed\n")
    status, text = await get(f"{base}/healthz")
    assert (status, text) == (503, "[-]watch failed: last watch activity: 301 s, limit 300 s\nhealthz check failed\n")
    synced = True
    assert (await get(f"{base}/readyz"))[0] == 200


async def test_a_check_that_breaks_is_a_failed_check_without_secrets(base: str, health: Health) -> None:
    """It must not turn into an error page, nor leak."""

    def broken() -> tuple[bool, str]:
        raise RuntimeError(f"with {CANARY}")

    health.add_ready("broken", broken)
    status, text = await get(f"{base}/readyz")
    assert status == 503
    assert f"[-]broken failed: the check itself failed: RuntimeError: with {MASK}" in text


async def test_metrics_are_served(base: str) -> None:
    """In the format that Prometheus reads."""
    async with aiohttp.ClientSession() as session, session.get(f"{base}/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert "influxops_build_info" in await response.text()


async def test_a_taken_port_is_one_sentence() -> None:
    """With the flag that mends it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = ProbeServer(taken.getsockname(), Health(), Metrics(), Redactor())
        with pytest.raises(ConfigError, match="--probe-address"):
            await server.start()


async def test_stop_frees_the_port_and_may_be_called_twice() -> None:
    """A second server gets the same port at once."""
    first = ProbeServer(("127.0.0.1", 0), Health(), Metrics(), Redactor())
    address = await first.start()
    await first.stop()
    await first.stop()
    second = ProbeServer(address, Health(), Metrics(), Redactor())
    assert await second.start() == address
    await second.stop()


def test_nothing_yet_passes_or_fails_as_asked() -> None:
    """An empty queue is fine, a watch that never began is not."""
    assert age_check(lambda: None, 10, "oldest due object")() == (True, "")
    assert age_check(lambda: None, 10, "last activity", none_passes=False)() == (False, "last activity: none yet")


async def test_the_lag_of_the_loop_is_seen() -> None:
    """Something that blocks the loop shows in the worst lag."""
    lag = LoopLag(period=0.01)
    task = asyncio.create_task(lag.run())
    await asyncio.sleep(0.02)
    deadline = asyncio.get_running_loop().time() + 0.2
    while asyncio.get_running_loop().time() < deadline:
        pass  # blocks on purpose
    async with asyncio.timeout(10):
        while lag.worst() < 0.1:  # noqa: ASYNC110 - the lag is what is waited for
            await asyncio.sleep(0.01)
    task.cancel()
