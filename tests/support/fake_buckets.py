"""The part of the fake that holds buckets."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from influxops.core.observed import Bucket
from influxops.influx.errors import Conflict, Forbidden, Invalid, NotFound
from tests.support.fake_core import FakeCore
from tests.support.fake_rules import check_rule, default_shard_group

T = TypeVar("T")


class FakeBuckets(FakeCore):
    """Mixed into FakeInflux, whose state it uses."""

    lacking: set[str]

    async def list_buckets(self, org_id: str) -> list[Bucket]:
        async def act() -> list[Bucket]:
            return [
                bucket
                for bucket in sorted(self.buckets.values(), key=lambda bucket: bucket.name)
                if bucket.org_id == org_id and not self._hidden(bucket)
            ]

        return await self._do("list_buckets", (org_id,), act)

    async def find_bucket(self, org_id: str, name: str) -> Bucket | None:
        async def act() -> Bucket | None:
            for bucket in self.buckets.values():
                if (bucket.org_id, bucket.name) == (org_id, name):
                    if self._hidden(bucket):
                        raise Forbidden(
                            f"InfluxDB: the token has no right read:buckets for bucket {name!r}", "read:buckets"
                        )
                    return bucket
            return None

        return await self._do("find_bucket", (org_id, name), act)

    async def get_bucket(self, org_id: str, bucket_id: str) -> Bucket | None:
        async def act() -> Bucket | None:
            bucket = self.buckets.get(bucket_id)
            return bucket if bucket and bucket.org_id == org_id and not self._hidden(bucket) else None

        return await self._do("get_bucket", (org_id, bucket_id), act)

    async def create_bucket(self, org_id: str, name: str, description: str, retention: int, shard_group: int) -> Bucket:
        async def act() -> Bucket:
            self._need("write:buckets")
            if name.startswith("_") or '"' in name:
                raise Invalid(f"InfluxDB: bucket name {name} is invalid")
            if any((bucket.org_id, bucket.name) == (org_id, name) for bucket in self.buckets.values()):
                raise Conflict(f"InfluxDB: bucket with name {name} already exists")
            check_rule(retention, shard_group)
            return self._add_bucket(org_id, name, "user", retention, shard_group, description)

        return await self._do("create_bucket", (org_id, name, description, retention, shard_group), act)

    async def update_bucket(self, bucket_id: str, description: str, retention: int, shard_group: int) -> Bucket:
        async def act() -> Bucket:
            bucket = self._bucket(bucket_id)
            self._need("write:buckets")
            check_rule(retention, shard_group)
            changed = replace(
                bucket,
                description=description,
                retention=retention,
                shard_group=shard_group or default_shard_group(retention),
            )
            self.buckets[bucket_id] = changed
            return changed

        return await self._do("update_bucket", (bucket_id, description, retention, shard_group), act)

    async def delete_bucket(self, bucket_id: str) -> None:
        async def act() -> None:
            self._bucket(bucket_id)
            self._need("write:buckets")
            del self.buckets[bucket_id]
            self.points.pop(bucket_id, None)

        await self._do("delete_bucket", (bucket_id,), act)

    def _bucket(self, bucket_id: str) -> Bucket:
        if bucket_id not in self.buckets:
            raise NotFound("InfluxDB: bucket not found")
        return self.buckets[bucket_id]

    def _hidden(self, bucket: Bucket) -> bool:
        return ("read:orgs" if bucket.type == "system" else "read:buckets") in self.lacking

    def _add_bucket(
        self, org_id: str, name: str, kind: str, retention: int, shard_group: int, description: str = ""
    ) -> Bucket:
        shard_group = shard_group or default_shard_group(retention)
        bucket = Bucket(self._new_id(), org_id, name, kind, description, retention, shard_group)
        self.buckets[bucket.id] = bucket
        return bucket
