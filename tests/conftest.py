"""Fixtures for all tests. The servers are real: see devstack/."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import settings

from devstack.influx import InfluxOrg
from devstack.stack import Stack
from tests.support import stack as support

TRIED_AGAIN = ("integration", "manifests", "contract", "crd")
"""Folders of tests on real servers that have a second try in CI, whose machines are small and busy; the report names each test
that needed it (R). Tests of faults have none: an oracle that was once violated was violated.
"""


if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in a shell's background: what a test starts would ignore Ctrl-C, too
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("patient", settings(deadline=None))
settings.load_profile("patient")  # no example has to end within a time: machines are busy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests on real servers a second try in CI."""
    if os.environ.get("CI") != "true":
        return
    root = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(root) and item.path.relative_to(root).parts[0] in TRIED_AGAIN:
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build before the first test, so that no test's time limit includes it."""
    if not session.config.option.collectonly and support.needs_servers(session.items):
        support.build_servers(session.config, session.items)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A control plane that serves the CRDs, and one influxd; shared by the whole run, so leave it as you found it."""
    with Stack.start() as started:
        support.install_crds(started)
        yield started


@pytest.fixture(scope="session")
def kubectl(stack: Stack) -> Callable[..., CompletedProcess[str]]:
    """``kubectl("get", "pods", input=None, check=True)`` as the admin of the stack."""
    return stack.kubectl


@pytest.fixture
def influx_org(stack: Stack) -> Iterator[InfluxOrg]:
    """A fresh organisation on the stack's influxd, with a bucket ``raw`` and the token of a fresh user who owns it."""
    with support.fresh_org(stack) as org:
        yield org


@pytest.fixture
def namespace(stack: Stack) -> Iterator[str]:
    """A fresh namespace."""
    with support.fresh_namespace(stack) as name:
        yield name
