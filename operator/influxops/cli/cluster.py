"""What the commands on objects of a cluster share: which object is meant, and a client that is closed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from influxops.cli.meant import key_of
from influxops.cli.names import names, namespaces, run_ids
from influxops.core.keys import Key, Kind
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.kube.client import KubeClient

T = TypeVar("T")

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="NAME of an InfluxTask, or KIND/NAME, for example retentionpolicy/raw.",
        autocompletion=names,
    ),
]
RunId = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of a run, as influxops runs shows it.", autocompletion=run_ids)
]
Namespace = Annotated[
    str,
    typer.Option(
        "-n",
        "--namespace",
        help="Namespace of the object; default that of the context, as with kubectl.",
        autocompletion=namespaces,
    ),
]
AllNamespaces = Annotated[bool, typer.Option("-A", "--all-namespaces", help="Of every namespace.")]
Kubeconfig = Annotated[
    str, typer.Option("--kubeconfig", envvar="KUBECONFIG", help="File with the access to the cluster.")
]
Context = Annotated[str, typer.Option("--context", help="Context of that file.")]
Instance = Annotated[
    str,
    typer.Option(
        "--instance-id", envvar="INFLUXOPS_INSTANCE_ID", help="Id of the installation; default that of the cluster."
    ),
]
Url = Annotated[
    str,
    typer.Option("--url", help="Where you reach InfluxDB, if not at the connection's spec.url: a forwarded port."),
]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]


def task_key(name: str, namespace: str) -> Key:
    """The InfluxTask that a user means. Raises ConfigError for another kind."""
    key = key_of(name, namespace)
    if key.kind is not Kind.TASK:
        raise ConfigError(f"{key} has no runs: name an InfluxTask")
    return key


def with_client(kubeconfig: str, context: str, work: Callable[[KubeClient], Awaitable[T]]) -> T:
    """Do something with a cluster. What it refuses becomes ConfigError: one sentence, no traceback."""
    gc.disable()  # a process of a second or two, most of which are imports
    from influxops.kube.access import AccessError  # here, so that --help starts fast
    from influxops.kube.client import KubeClient
    from influxops.kube.errors import KubeError

    async def go() -> T:
        try:
            client = await KubeClient.connect(kubeconfig or None, context or None)
        except AccessError as error:
            raise ConfigError(str(error)) from error
        try:
            return await work(client)
        except KubeError as error:
            raise ConfigError(f"the Kubernetes API refuses: {error}") from error
        finally:
            await client.close()

    return asyncio.run(go())


async def existing(client: KubeClient, key: Key) -> dict[str, Any]:
    """An object that exists. Raises ConfigError when it does not."""
    found = await client.get(key.kind, key.namespace, key.name)
    if found is None:
        raise ConfigError(f"{key} does not exist; kubectl get {key.kind.plural} -n {key.namespace} lists what does")
    return found
