"""What the manifests say agrees with the program: options, ports, images, templates."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from influxops import __version__
from influxops.api.influxtask import InfluxTask
from influxops.core.template import render_template
from influxops.engine.renderer import MEMORY
from influxops.settings import PREFIX, Settings, load
from tests.manifests.support import FILES, MANIFESTS, ROOT, documents

DEPLOYMENT = yaml.safe_load((MANIFESTS / "install/base/deployment/deployment.yaml").read_text())
POD = DEPLOYMENT["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]


def test_yaml_is_clean() -> None:
    """By the rules of .yamllint; that is what reviewers read."""
    done = subprocess.run(
        [sys.executable, "-m", "yamllint", "--strict", "manifests", "crds", "kind-config.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_one_replica_that_is_replaced_and_not_doubled() -> None:
    """Until more than one is proven."""
    assert DEPLOYMENT["spec"]["replicas"] == 1
    assert DEPLOYMENT["spec"]["strategy"] == {"type": "Recreate"}


def test_the_pod_gets_longer_to_end_than_the_program_takes() -> None:
    """Or the kubelet would kill it in the middle of a write."""
    assert POD["terminationGracePeriodSeconds"] >= load().shutdown_grace + 5


def test_probes_ask_where_the_program_listens() -> None:
    """The default address, the default port."""
    _, port = load().probe_host_port
    assert CONTAINER["ports"] == [{"name": "http", "containerPort": port}]
    assert {CONTAINER[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe")} == {"/healthz"}
    assert CONTAINER["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


def test_the_image_bears_the_version_and_none_is_latest() -> None:
    """A tag that moves is no pin."""
    assert CONTAINER["image"] == f"influxops:{__version__}"
    for file in FILES:
        for image in re.findall(r"^\s+image: (\S+)", file.read_text(), re.MULTILINE):
            assert re.search(r":\d[\w.]*$", image), (file, image)


def test_arguments_are_options_of_the_program() -> None:
    """Flags and their values, as Settings reads them."""
    command, *flags = CONTAINER["args"]
    assert command == "operator"
    names = [flag.removeprefix("--").replace("-", "_") for flag in flags[::2]]
    assert load(dict(zip(names, flags[1::2], strict=True))).log_format == "json"


def test_variables_are_options_of_the_program() -> None:
    """And the namespaced installation refuses to start until it has an instance id."""
    overlay = yaml.safe_load((MANIFESTS / "install/namespaced/kustomization.yaml").read_text())
    variables = {item["name"]: item["value"] for item in yaml.safe_load(overlay["patches"][0]["patch"])[0]["value"]}
    assert {name.removeprefix(PREFIX).lower() for name in variables} <= set(Settings.model_fields)
    done = subprocess.run(
        [sys.executable, "-m", "influxops", "operator"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "operator")} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs --instance-id (or INFLUXOPS_INSTANCE_ID)" in done.stderr


def test_the_name_of_a_shard_is_one_word_in_its_manifests() -> None:
    """Its variable and its Lease: whoever replaces the word everywhere has another shard. Its Pods are no others' Pods."""
    folder = MANIFESTS / "install/shard"
    overlay = yaml.safe_load((folder / "kustomization.yaml").read_text())
    (variable,) = yaml.safe_load(overlay["patches"][0]["patch"])[0]["value"]
    settings = load({variable["name"].removeprefix(PREFIX).lower(): variable["value"]})
    role, _ = documents((folder / "lease-role.yaml").read_text())
    assert role["rules"][0]["resourceNames"] == [settings.lease_of(settings.shard_name)]
    assert overlay["nameSuffix"] == f"-{settings.shard_name}"
    (labels,) = overlay["labels"]
    assert labels["includeSelectors"]
    assert labels["pairs"]["app.kubernetes.io/component"] == f"operator-{settings.shard_name}"


def _sample(name: str) -> dict[str, Any]:
    (document,) = documents((MANIFESTS / f"samples/{name}.yaml").read_text())
    return document


def test_samples_are_read_by_the_models_without_losing_a_field() -> None:
    """A field that the model does not know would be dropped in silence."""
    for name in ("task-downsample", "task-peak", "task-broken"):
        document = _sample(name)
        written = InfluxTask.model_validate(document).to_json()["spec"]
        assert set(written) == set(document["spec"])


def test_the_template_renders_with_and_without_its_optional_values() -> None:
    """One filter on hosts when there are some, none otherwise."""
    source = _sample("template-peak")["data"]["aggregate.flux.j2"]
    values = _sample("task-peak")["spec"]["template"]["values"]
    text = render_template(source, values)
    assert 'from(bucket: "raw")' in text
    assert 'aggregateWindow(every: 1m, fn: max, timeSrc: "_start", createEmpty: false)' in text
    assert "contains" not in text
    assert "\n\n" not in text
    assert 'contains(value: r.host, set: ["a", "b\\""])' in render_template(source, values | {"hosts": ["a", 'b"']})


def test_the_secret_is_an_example_and_not_part_of_the_sync() -> None:
    """A sync must never overwrite a real token."""
    listed = yaml.safe_load((MANIFESTS / "samples/kustomization.yaml").read_text())["resources"]
    present = {path.name for path in (MANIFESTS / "samples").glob("*.yaml")} - {"kustomization.yaml"}
    assert present - set(listed) == {"secret.example.yaml"}


@pytest.mark.parametrize("script", sorted((ROOT / "hack").glob("*.sh")), ids=lambda path: path.name)
def test_shell_scripts_parse(script: Path) -> None:
    """They need Docker and kind and are not run here."""
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    assert os.access(script, os.X_OK)


def test_the_dockerfile_installs_by_hash_and_runs_as_the_user_of_the_deployment() -> None:
    """It is not built here, for want of Docker."""
    text = (ROOT / "operator/Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert "--require-hashes" in text
    user = POD["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}" in text


def test_the_limit_leaves_room_for_a_template_beside_the_operator() -> None:
    """The process that renders templates is in the same container: what it may take must not cost the operator its life."""
    asked, limit = (_mebibytes(CONTAINER["resources"][one]["memory"]) for one in ("requests", "limits"))
    assert limit - asked >= MEMORY / (1 << 20) + CHILD


CHILD = 32
"""MiB of the process that renders templates at its start, rounded up."""


def _mebibytes(text: str) -> int:
    return int(text.removesuffix("Mi"))
