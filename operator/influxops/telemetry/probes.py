"""/healthz, /readyz and /metrics over HTTP, for the kubelet, Prometheus and people.

It runs on the operator's own event loop on purpose: a loop that is stuck does not answer, and the kubelet takes that for
what it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from influxops.settings import ConfigError
from influxops.telemetry.health import Health, Report
from influxops.telemetry.metrics import Metrics
from influxops.telemetry.redact import Redactor


class ProbeServer:
    """Serves the probes from ``start`` until ``stop``."""

    def __init__(self, address: tuple[str, int], health: Health, metrics: Metrics, redactor: Redactor) -> None:
        self._address = address
        self._health = health
        self._metrics = metrics
        self._redactor = redactor
        self._runner: web.AppRunner | None = None

    async def start(self) -> tuple[str, int]:
        """Listen; gives the host and the port, which differs from the one asked for when that was 0.

        Raises ConfigError when the address cannot be taken.
        """
        host, port = self._address
        self._runner = web.AppRunner(self.app(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host or None, port).start()
        except OSError as error:
            await self.stop()
            raise ConfigError(
                f"cannot listen on {host}:{port} for the probes ({error.strerror or error}); write another --probe-address"
            ) from error
        return host, int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening; harmless when not started."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def app(self) -> web.Application:
        """The application by itself."""
        app = web.Application()
        app.router.add_get("/healthz", self._endpoint(self._health.live))
        app.router.add_get("/readyz", self._endpoint(self._health.ready))
        app.router.add_get("/metrics", self._scrape)
        return app

    def _endpoint(self, run: Callable[[], Report]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            report = run()
            headers = {"Cache-Control": "no-cache, private", "X-Content-Type-Options": "nosniff"}
            if report.passed and "verbose" not in request.query:
                return web.Response(text="ok", headers=headers)
            text = self._redactor.redact(report.text())
            return web.Response(status=200 if report.passed else 503, text=text, headers=headers)

        return answer

    async def _scrape(self, request: web.Request) -> web.Response:
        # Tens of thousands of samples with many pipelines, for which everything else would stand still.
        body, content_type = await asyncio.to_thread(self._metrics.render, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})
