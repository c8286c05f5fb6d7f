"""A pytest plugin (``-p tests.support.proven``): tests that passed with the code as it is now do not run again, and no run lasts too long.

What is left when the time is up is left for the next run.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.support.proofs import place

MINUTES = float(os.environ.get("INFLUXOPS_PROVE_MINUTES", "50"))
"""After so many minutes no further test begins."""


def pytest_configure(config: pytest.Config) -> None:
    """Begin."""
    config.pluginmanager.register(Proven(place() / "passed.txt", MINUTES), "proven tests")


class Proven:
    """One run of pytest. ``file`` names the tests that passed before, with the code as it was at the start: it may be edited meanwhile."""

    def __init__(self, file: Path, minutes: float) -> None:
        self._file = file
        self._minutes = minutes
        self._began = time.monotonic()
        self._session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep what can be told to stop."""
        self._session = session

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what has passed."""
        done = set(self._file.read_text(encoding="utf-8").splitlines()) if self._file.exists() else set()
        gone = [item for item in items if item.nodeid in done]
        items[:] = [item for item in items if item.nodeid not in done]
        if gone:
            config.hook.pytest_deselected(items=gone)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what passes."""
        if report.when == "call" and report.passed:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as out:
                out.write(f"{report.nodeid}\n")

    def pytest_runtest_logfinish(self) -> None:
        """Nothing more once the time is up."""
        if time.monotonic() - self._began > self._minutes * 60 and self._session is not None:
            self._session.shouldstop = f"{self._minutes:g} minutes are over; what is left comes with the next run"
