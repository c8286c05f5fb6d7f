"""Programs that the user's environment brings."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.binaries import given, influxd_fits
from devstack.errors import DevstackError


def influxd(folder: Path, says: str) -> Path:
    path = folder / "influxd"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o700)
    return path


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBEBUILDER_ASSETS", "INFLUXD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("says", "fits"),
    [
        ("InfluxDB v2.7.12 (git: none)", True),
        ("InfluxDB v2.8.0", True),
        ("InfluxDB v2.6.1", False),
        ("InfluxDB v1.11.8", False),
        ("influxdb3 3.0.1", False),
        ("", False),
    ],
)
def test_which_influxd_on_path_is_taken(tmp_path: Path, says: str, fits: bool) -> None:
    path = influxd(tmp_path, says)
    assert influxd_fits(says) is fits
    assert given("influxd") == (path if fits else None)


def test_the_named_influxd_wins_over_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    influxd(tmp_path, "InfluxDB v2.7.12")
    (tmp_path / "mine").mkdir()
    mine = influxd(tmp_path / "mine", "anything")
    monkeypatch.setenv("INFLUXD", str(mine))
    assert given("influxd") == mine


def test_a_named_influxd_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUXD", "/nowhere/influxd")
    with pytest.raises(DevstackError, match="INFLUXD names /nowhere/influxd"):
        given("influxd")


def test_control_plane_programs_on_path_are_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "kubectl").touch(mode=0o700)
    assert given("kubectl") is None


def test_assets_are_used_as_far_as_they_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etcd").touch(mode=0o700)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert given("etcd") == tmp_path / "etcd"
    assert given("kube-apiserver") is None
