"""What the operator makes of the spec of a RetentionPolicy: the buckets that InfluxDB holds after its visits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from influxops.core.durations import DAY
from influxops.core.keys import Kind
from tests.support.fields.bench import Bench, outcome_of, stored_of

Object = dict[str, Any]
NAME = "walked"


async def stored(spec: Object) -> object:
    """What InfluxDB holds, by connection."""
    return await stored_of(Kind.POLICY, NAME, spec)


async def changed_by_hand(spec: Object) -> object:
    """The same after somebody has given the bucket other shard groups in InfluxDB."""
    bench = Bench()
    key = bench.put(Kind.POLICY, NAME, spec)
    await bench.settle(key)
    buckets = bench.fake().buckets
    for bucket_id, bucket in list(buckets.items()):
        if bucket.type == "user":
            buckets[bucket_id] = replace(bucket, shard_group=DAY * 3)
    await bench.sweep()
    outcome = await bench.settle(key)
    return outcome_of(outcome), bench.stored()


async def shortened(spec: Object) -> object:
    """The same where the bucket keeps its points for a year."""
    bench = Bench()
    fake = bench.fake()
    fake._add_bucket(fake.orgs["acme"], spec["bucket"], "user", 365 * DAY, 7 * DAY)
    await bench.sweep()
    outcome = await bench.settle(bench.put(Kind.POLICY, NAME, spec))
    return outcome_of(outcome), bench.stored()


async def deleted(spec: Object) -> object:
    """What InfluxDB holds after the object is deleted."""
    return await stored_of(Kind.POLICY, NAME, spec, delete=True)
