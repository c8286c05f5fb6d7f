"""``influxops top``: which tasks cost most."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from influxops.cli.cluster import AllNamespaces, Context, Kubeconfig, Namespace, Url, with_client
from influxops.cli.forms import Form, Listing, Output, show
from influxops.cli.meant import home
from influxops.cli.runs import seconds
from influxops.cli.top_rows import COLUMNS, Sort, Usage, item, ranked, row

if TYPE_CHECKING:
    from influxops.kube.client import KubeClient

REMEMBERED = "3d"
"""As long as InfluxDB remembers runs."""


def top(
    namespace: Namespace = "",
    all_namespaces: AllNamespaces = False,
    sort: Annotated[Sort, typer.Option("--sort", help="What to order by, most first; name: from a to z.")] = Sort.BUSY,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most tasks to show.")] = 30,
    since: Annotated[
        str, typer.Option("--since", help="Runs of this time, such as 6h; InfluxDB remembers 3d.")
    ] = REMEMBERED,
    output: Output = Form.TABLE,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    url: Url = "",
) -> None:
    """Rank tasks by what they cost: runs, failures, durations, how busy they are and how late they start.

    BUSY is the mean duration as a share of the time from one slot to the next: above 100 % runs overlap. LATE is the mean
    time from slot plus offset to the start of the runs that nobody asked for by hand. One query a connection. Where you may
    not read a connection's Secret, or do not reach InfluxDB, the runs of .status.history are taken, and a note says so.
    """
    wanted = None if all_namespaces else home(namespace, kubeconfig, context)
    begin = datetime.now(UTC) - timedelta(seconds=seconds(since, "--since"))

    async def work(client: KubeClient) -> tuple[list[Usage], list[str]]:
        from influxops.cli.usage import collect

        return await collect(client, wanted, begin, url)

    found, notes = with_client(kubeconfig, context, work)
    where = "any namespace" if wanted is None else f"namespace {wanted}"
    listing = Listing(COLUMNS, notes=notes, empty=f"no InfluxTask in {where}")
    best = ranked(found, sort)[:limit]
    listing.rows = [row(usage) for usage in best]
    listing.items = [item(usage) for usage in best]
    if len(found) > len(best):
        listing.notes.append(f"{len(found) - len(best)} more tasks are not shown; --limit shows more")
    show(listing, output)
