"""``influxops tree``: what hangs on what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from influxops.cli.cluster import AllNamespaces, Context, Kubeconfig, Namespace, Url, with_client
from influxops.cli.forms import Column, Form, Listing, Output, show
from influxops.cli.meant import home, key_of
from influxops.cli.names import names
from influxops.core.tree import Node, lines
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.kube.client import KubeClient

COLUMNS = (
    Column("NAME"),
    Column("READY"),
    Column("REASON"),
    Column("LAST RUN"),
    Column("RESULT"),
    Column("SCHEDULE", wide=True),
    Column("MESSAGE", wide=True),
)
_FACTS = ("ready", "reason", "age", "result", "schedule", "message")


def tree(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help="NAME of an InfluxTask, or KIND/NAME, for example connection/main; default all of the namespace.",
            autocompletion=names,
        ),
    ] = "",
    namespace: Namespace = "",
    all_namespaces: AllNamespaces = False,
    output: Output = Form.TABLE,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    url: Url = "",
) -> None:
    """Show connections with their policies, tasks and pipelines, tasks with the buckets they read and write, pipelines with
    their stages, and both with their backfills.

    A bucket stands with the RetentionPolicy that manages it. Buckets are read from the scripts in InfluxDB; where you may
    not read the connection's Secret, or do not reach InfluxDB, they are left out, and a note says so.
    """
    if name and all_namespaces:
        raise ConfigError("NAME and -A exclude each other: an object has one namespace")
    wanted: str | None = None if all_namespaces else home(namespace, kubeconfig, context)
    root = key_of(name, wanted or "") if name else None

    async def work(client: KubeClient) -> tuple[list[Node], list[str]]:
        from influxops.cli.forest import grow

        return await grow(client, wanted, root, url)

    nodes, notes = with_client(kubeconfig, context, work)
    where = "any namespace" if wanted is None else f"namespace {wanted}"
    listing = Listing(
        COLUMNS, notes=notes, empty=f"no InfluxConnection, InfluxTask, InfluxPipeline or RetentionPolicy in {where}"
    )
    listing.rows = [(text, *(str(node.facts.get(fact, "")) for fact in _FACTS)) for text, node in lines(nodes)]
    listing.items = [as_item(node) for node in nodes]
    show(listing, output)


def as_item(node: Node) -> dict[str, object]:
    """A node and what hangs on it, for programs."""
    facts = {name: value for name, value in node.facts.items() if value != "" and name != "age"}
    return {**facts, **({"children": [as_item(child) for child in node.children]} if node.children else {})}
