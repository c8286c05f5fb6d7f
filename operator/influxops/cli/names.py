"""Names from the cluster for completion: quick, and silent when the cluster does not answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import typer

from influxops.cli.meant import home, key_of, kind_of
from influxops.core.keys import Kind

if TYPE_CHECKING:
    from influxops.kube.client import KubeClient

SECONDS = 2.0
"""The longest that somebody who has pressed Tab is kept waiting for the cluster."""

Found = list[tuple[str, str]]
"""What may be meant, each with a word on it."""


def names(ctx: typer.Context, incomplete: str) -> Found:
    """InfluxTasks, or behind ``KIND/`` the objects of that kind."""
    word, slash, _ = incomplete.partition("/")

    async def work(client: KubeClient) -> Found:
        kind = kind_of(incomplete)
        found = await client.list_keys(kind, [_namespace(ctx)])
        return [(f"{word}/{one.key.name}" if slash else one.key.name, kind.value) for one in found]

    return _ask(ctx, work)


def pipelines(ctx: typer.Context, incomplete: str) -> Found:  # noqa: ARG001 (what has been typed is compared by the caller)
    """InfluxPipelines."""

    async def work(client: KubeClient) -> Found:
        found = await client.list_keys(Kind.PIPELINE, [_namespace(ctx)])
        return [(one.key.name, Kind.PIPELINE.value) for one in found]

    return _ask(ctx, work)


def stages(ctx: typer.Context, incomplete: str) -> Found:  # noqa: ARG001 (as above)
    """Stages of the pipeline that was named before."""

    async def work(client: KubeClient) -> Found:
        # Behind an option without its value click has not told the arguments from each other yet.
        name = str(ctx.params.get("name") or next(iter(ctx.args), "")).rpartition("/")[2]
        spec = (await client.get(Kind.PIPELINE, _namespace(ctx), name) or {}).get("spec") or {}
        return [(stage["name"], "stage") for stage in spec.get("stages") or []]

    return _ask(ctx, work)


def namespaces(ctx: typer.Context, incomplete: str) -> Found:  # noqa: ARG001 (as above)
    """Namespaces that hold an InfluxTask."""

    async def work(client: KubeClient) -> Found:
        found = await client.list_keys(Kind.TASK)
        return [(name, "namespace") for name in sorted({one.key.namespace for one in found})]

    return _ask(ctx, work)


def run_ids(ctx: typer.Context, incomplete: str) -> Found:  # noqa: ARG001 (as above)
    """Runs in the status of the task that was named before."""

    async def work(client: KubeClient) -> Found:
        key = key_of(str(ctx.params.get("name") or ""), _namespace(ctx))
        status = (await client.get(*key) or {}).get("status") or {}
        return [(run["id"], f"{run['state']}, for {run['scheduledFor']}") for run in status.get("history") or []]

    return _ask(ctx, work)


def _ask(ctx: typer.Context, work: Callable[[KubeClient], Awaitable[Found]]) -> Found:
    async def go() -> Found:
        from influxops.kube.client import KubeClient

        async with asyncio.timeout(SECONDS):
            client = await KubeClient.connect(
                ctx.params.get("kubeconfig") or None, ctx.params.get("context") or None, timeout=SECONDS
            )
            try:
                return await work(client)
            finally:
                await client.close()

    logging.disable(logging.CRITICAL)  # a line on the terminal would stand in the middle of what is being typed
    try:
        return asyncio.run(go())
    except Exception:  # noqa: BLE001 (whatever it is, somebody who presses Tab gets no answer rather than an error)
        return []


def _namespace(ctx: typer.Context) -> str:
    given = (str(ctx.params.get(name) or "") for name in ("namespace", "kubeconfig", "context"))
    return home(*given)
