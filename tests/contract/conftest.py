"""The two InfluxDBs of the contract: the fake in memory and a real influxd, each with a fresh organization a test."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import pytest

from influxops.influx.client import InfluxClient
from influxops.influx.port import InfluxPort
from influxops.influx.settings import ConnectionSettings
from tests.support.fake_influx import FakeInflux
from tests.support.fake_points import Program
from tests.support.influx_admin import Admin, Site

ALL_RIGHTS = ("read:tasks", "write:tasks", "read:buckets", "write:buckets", "read:orgs", "read:users")
_orgs = count(0xA001)


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> tuple[str, str]:
    """URL and operator token of a real influxd; INFLUXOPS_TEST_INFLUX="url token" names another one."""
    own = os.environ.get("INFLUXOPS_TEST_INFLUX")
    if own:
        url, token = own.split()
        return url, token
    influx = request.getfixturevalue("stack").influx
    return influx.url, influx.token


@pytest.fixture
async def admin(server: tuple[str, str]) -> AsyncIterator[Admin]:
    """Raw calls to the real server."""
    async with Admin(*server) as made:
        yield made


@pytest.fixture
async def site(admin: Admin) -> AsyncIterator[Site]:
    """A fresh organization of the real server; its tasks are gone at the end, so that none goes on running."""
    made = await admin.new_org()
    yield made
    await admin.drop_org(made)


@pytest.fixture
async def real(site: Site) -> AsyncIterator[InfluxClient]:
    """A client with every right."""
    client = InfluxClient(ConnectionSettings(site.url, site.token))
    yield client
    await client.close()


class World(ABC):
    """One InfluxDB with one fresh organization, fake or real."""

    port: InfluxPort
    org: str
    org_id: str

    @abstractmethod
    async def narrow(self, lacking: Iterable[str]) -> InfluxPort:
        """The same organization seen with a token that lacks these of ALL_RIGHTS."""

    @abstractmethod
    async def write(self, bucket: str, times: Iterable[datetime]) -> None:
        """Write one point at each of these times."""

    @abstractmethod
    def teach(self, script: str, program: Program) -> None:
        """Tell an InfluxDB that runs no Flux what this script does."""


@dataclass
class FakeWorld(World):
    """The fake."""

    port: FakeInflux
    org: str
    org_id: str

    async def narrow(self, lacking: Iterable[str]) -> InfluxPort:
        self.port.lacking.update(lacking)
        if "read:users" in self.port.lacking:
            self.port.user = None
        return self.port

    async def write(self, bucket: str, times: Iterable[datetime]) -> None:
        await self.port.write_points(self.org_id, bucket, [f"m v=1 {int(time.timestamp()) * 10**9}" for time in times])

    def teach(self, script: str, program: Program) -> None:
        self.port.teach_program(script, program)


@dataclass
class RealWorld(World):
    """A real influxd."""

    port: InfluxClient
    org: str
    org_id: str
    admin: Admin
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def teach(self, script: str, program: Program) -> None:
        """It knows."""

    async def narrow(self, lacking: Iterable[str]) -> InfluxPort:
        token = await self.admin.new_token(self.org_id, set(ALL_RIGHTS) - set(lacking))
        client = InfluxClient(ConnectionSettings(self.admin.url, token))
        self.stack.push_async_callback(client.close)
        return client

    async def write(self, bucket: str, times: Iterable[datetime]) -> None:
        await self.admin.write(self.org_id, bucket, *(f"m v=1 {int(time.timestamp())}" for time in times))


@pytest.fixture(params=["fake", "real"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The fake, checked at the end for states that a real server could not have, and a real influxd."""
    if request.param == "fake":
        org_id = f"{next(_orgs):016x}"
        fake = FakeInflux(orgs={"acme": org_id})
        yield FakeWorld(fake, "acme", org_id)
        fake.check()
        return
    async with Admin(*request.getfixturevalue("server")) as admin, AsyncExitStack() as stack:
        site = await admin.new_org()
        stack.push_async_callback(admin.drop_org, site)
        client = InfluxClient(ConnectionSettings(site.url, site.token))
        stack.push_async_callback(client.close)
        yield RealWorld(client, site.org, site.org_id, admin, stack)


@pytest.fixture
def influx(world: World) -> InfluxPort:
    """The port of the world."""
    return world.port


@pytest.fixture
def org_id(world: World) -> str:
    """The world's organization."""
    return world.org_id


def at(text: str) -> datetime:
    """A UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
