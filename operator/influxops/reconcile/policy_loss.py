"""What a shorter retention would delete, counted on the server and told in words."""

from __future__ import annotations

from datetime import timedelta

from influxops.core.conditions import rfc3339
from influxops.core.observed import Bucket
from influxops.influx.errors import Forbidden, InfluxError, NotFound
from influxops.reconcile.context import Context, Link

COUNT_TIMEOUT = 10.0
"""Seconds given to counting points."""


async def loss_in_words(context: Context, link: Link, bucket: Bucket, retention: int) -> str:
    """What a retention of so many seconds would delete today; counted once a day for a bucket and a cut."""
    losses = context.losses
    cut = context.now() - timedelta(seconds=retention)
    memo = (bucket.id, retention, cut.strftime("%Y-%m-%d"))
    if memo in losses:
        return losses[memo]
    for former in [one for one in losses if one[0] == bucket.id]:
        del losses[former]
    try:
        count = await link.call(
            "count_points", lambda port: port.count_points(link.org_id, bucket.name, None, cut, COUNT_TIMEOUT)
        )
    except InfluxError as error:
        text = f"all points before {cut:%Y-%m-%d} (not counted: {error})"
        if isinstance(error, Forbidden | NotFound):
            losses[memo] = text
        return text
    if count.points is None:
        span = f"; from {rfc3339(count.oldest)} to {rfc3339(cut)}" if count.oldest else f"; all before {rfc3339(cut)}"
        text = f"points (not counted in {COUNT_TIMEOUT:.0f} s{span})"
    elif count.points == 0:
        text = f"no point today (none is older than {rfc3339(cut)}), and from then on what grows older"
    else:
        first = rfc3339(count.oldest) if count.oldest else "the first"
        last = rfc3339(count.newest) if count.newest else rfc3339(cut)
        text = f"{count.points} points, from {first} to {last}"
    losses[memo] = text
    return text
