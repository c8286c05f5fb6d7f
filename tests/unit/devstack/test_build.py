"""Building: once, whole, with its progress and its failures told. The compiler is a script; the rest is real."""

from __future__ import annotations

import io
import re
import threading
from pathlib import Path

import pytest

from devstack import binaries, build
from devstack.errors import BuildFailed
from devstack.progress import Progress
from devstack.recipes import ETCD, FLUX, KUBE

COMPILER = """#!/bin/sh
case "$1" in
  version) echo go version go1.27.0 linux/amd64; exit 0;;
  env) echo local; exit 0;;
  list) echo "$FAKE_MODULE"; exit 0;;
esac
echo "$PWD $*" >> "$RECORD"
echo "compiling"
sleep 0.3
while [ $# -gt 0 ]; do
  [ "$1" = -o ] && out="$2"
  last="$1"; shift
done
case "$last" in
  .) touch "$out/etcd";;
  *) for package in $FAKE_PACKAGES; do touch "$out/$package"; done;;
esac
exit "${FAKE_EXIT:-0}"
"""


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh cache, and a compiler that writes each call into this file."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "go").write_text(COMPILER)
    (tools / "go").chmod(0o700)
    record = tmp_path / "record"
    record.touch()
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("RECORD", str(record))
    monkeypatch.setenv("INFLUXOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return record


def quiet() -> Progress:
    return Progress(io.StringIO())


def test_a_binary_is_built_once(record: Path) -> None:
    build.build(ETCD, ("etcd",), quiet())
    build.build(ETCD, ("etcd",), quiet())
    assert build.built(ETCD, "etcd").exists()
    assert len(record.read_text().splitlines()) == 1


def test_two_builders_at_once_build_once(record: Path) -> None:
    threads = [threading.Thread(target=build.build, args=(ETCD, ("etcd",), quiet())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(record.read_text().splitlines()) == 1


def test_nothing_is_built_in_the_checkout_and_nothing_left_over(record: Path, tmp_path: Path) -> None:
    build.build(ETCD, ("etcd",), quiet())
    folder = Path(record.read_text().split()[0])
    assert folder.is_relative_to(tmp_path / "cache")
    assert not list((tmp_path / "cache" / "servers").glob(".build-*"))


def test_a_failure_shows_the_compilers_last_words_and_the_log(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_EXIT", "2")
    with pytest.raises(BuildFailed, match=r"building etcd .* failed with exit code 2") as caught:
        build.build(ETCD, ("etcd",), quiet())
    assert "compiling" in str(caught.value)
    assert ".log" in str(caught.value)
    assert not build.built(ETCD, "etcd").exists()


def test_the_rest_of_a_killed_build_does_not_disturb(record: Path, tmp_path: Path) -> None:
    rest = tmp_path / "cache" / "servers" / f".build-{ETCD.key}" / "source"
    rest.mkdir(parents=True)
    build.build(ETCD, ("etcd",), quiet())
    assert build.built(ETCD, "etcd").exists()


def test_progress_says_what_is_built_and_of_how_many(record: Path) -> None:
    stream = io.StringIO()
    build.build(ETCD, ("etcd",), Progress(stream), counter="2 of 3")
    begin, end = stream.getvalue().splitlines()
    assert begin.startswith(f"building etcd {ETCD.version} (2 of 3)")
    assert re.search(r"\(2 of 3\): done in \d+ s$", end)


def test_a_file_of_the_module_lies_beside_the_binary(
    record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = FLUX.files.values()
    (tmp_path / "module" / file).parent.mkdir(parents=True)
    (tmp_path / "module" / file).write_text("kind: CustomResourceDefinition\n")
    (tmp_path / "module" / file).chmod(0o400)
    monkeypatch.setenv("FAKE_MODULE", str(tmp_path / "module"))
    monkeypatch.setenv("FAKE_PACKAGES", "kustomize-controller")
    for _ in range(2):
        found = binaries.ensure_tools([FLUX], quiet())
    assert found["kustomize-controller"].exists()
    assert found["kustomizations.yaml"].read_text() == "kind: CustomResourceDefinition\n"
    assert len(record.read_text().splitlines()) == 1
    found["kustomizations.yaml"].unlink()
    assert binaries.ensure_tools([FLUX], quiet())["kustomizations.yaml"].exists()
    assert len(record.read_text().splitlines()) == 1


def test_only_what_is_missing_is_built(record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("etcd", "kube-apiserver", "kubectl", "influxd"):
        (assets / name).touch(mode=0o700)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    monkeypatch.setenv("INFLUXD", str(assets / "influxd"))
    monkeypatch.setenv("FAKE_PACKAGES", "kube-controller-manager")
    found = binaries.ensure(quiet())
    assert found.etcd == assets / "etcd"
    assert found.influxd == assets / "influxd"
    assert found.kube_controller_manager == build.built(KUBE, "kube-controller-manager")
    (call,) = record.read_text().splitlines()
    assert call.endswith(" k8s.io/kubernetes/cmd/kube-controller-manager")
    links = found.assets()
    assert (links / "kubectl").resolve() == assets / "kubectl"
    assert (links / "kube-controller-manager").exists()
