"""``influxops plan`` as a process, against a real InfluxDB and a real API server."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.influx import InfluxOrg
from devstack.stack import Stack
from influxops.core.marker import Owner, stamp_description, stamp_script
from tests.support.command import influxops
from tests.support.gate import Gate
from tests.support.lab import HOURLY, Influx

OWN = f'option task = {{name: "telemetry/cpu", every: 6h}}\n{HOURLY}'
Run = Callable[..., subprocess.CompletedProcess[str]]


def manifest(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """An object of ours."""
    if kind != "InfluxConnection":
        spec = {"connectionRef": {"name": "main"}, **spec}
    return {
        "apiVersion": "influxops.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "ns"},
        "spec": spec,
    }


def task(name: str, **spec: Any) -> dict[str, Any]:
    """An InfluxTask of every hour."""
    return manifest("InfluxTask", name, **{"every": "1h", "flux": HOURLY, **spec})


@pytest.fixture
def influx(influx_org: InfluxOrg) -> Influx:
    """InfluxDB as a user with curl sees it."""
    return Influx(influx_org)


@pytest.fixture
def files(tmp_path: Path, influx_org: InfluxOrg) -> Path:
    """A folder with a connection; tests add to it."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    connection = manifest(
        "InfluxConnection",
        "main",
        url=influx_org.url,
        allowInsecure=True,
        org=influx_org.org,
        tokenSecretRef={"name": "influx-token", "key": "token"},
    )
    write(folder / "a-connection.yaml", connection)
    return folder


def write(path: Path, *objects: dict[str, Any]) -> None:
    """Manifests into a file."""
    path.write_text(yaml.safe_dump_all(objects, sort_keys=False))


@pytest.fixture
def run(influx_org: InfluxOrg) -> Run:
    """Run ``influxops plan`` with the token in the environment."""

    def go(*arguments: object, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        done = influxops("plan", *arguments, stdin=stdin, **{"INFLUX_TOKEN": influx_org.token, **variables})
        assert influx_org.token not in done.stdout + done.stderr
        return done

    return go


def as_json(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The plan as JSON."""
    plan: dict[str, Any] = json.loads(done.stdout)
    return plan


def test_everything_that_a_plan_can_say(run: Run, files: Path, influx: Influx) -> None:
    """Create, adopt, update, no change and held back, each with what changes, and a summary line."""
    stranger = influx.new_task(OWN, "by hand")
    owner = Owner("c1", "InfluxTask", "ns", "changed")
    changed = influx.new_task(stamp_script(owner, "u1", f'option task = {{name: "ns/changed", every: 1h}}\n{HOURLY}'))
    same = Owner("c1", "InfluxTask", "ns", "same")
    influx.new_task(stamp_script(same, "u2", f'option task = {{name: "ns/same", every: 1h}}\n{HOURLY}'))
    influx.new_bucket("short", 30 * 86400, 86400)
    influx.write("short", f"cpu load=1 {int(time.time()) - 20 * 86400}")
    write(
        files / "b-tasks.yaml",
        task("new", description="brand new"),
        manifest("InfluxTask", "taken", flux=OWN, adoption="Adopt", description="by hand"),
        task("changed", flux=HOURLY.replace("-1h", "-2h"), description="more"),
        task("same"),
        task("reads-new", flux='from(bucket: "fresh") |> range(start: -1h)'),
    )
    write(
        files / "c-policies.yaml",
        manifest("RetentionPolicy", "short", bucket="short", retention="7d"),
        manifest("RetentionPolicy", "fresh", bucket="fresh", retention="30d"),
    )
    done = run("-f", files)
    text = done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Plan: 3 to create, 1 to adopt, 1 to update, 0 to delete; 1 unchanged, 1 held back, 0 errors." in text
    assert f"+ InfluxTask ns/new ({files}/b-tasks.yaml:1) will be created" in text
    assert f"InfluxTask ns/taken ({files}/b-tasks.yaml:" in text
    assert f"{stranger['id']} in InfluxDB will be taken over" in text
    assert f"{changed['id']} in InfluxDB will be changed" in text
    assert '~ description: "" -> "more"' in text
    assert "-1h" in text
    assert "-2h" in text
    assert "DataLossGuard" in text
    assert "1 points" in text
    assert "ns/same" not in text


def test_not_one_write(run: Run, files: Path, influx_org: InfluxOrg, influx: Influx) -> None:
    """All that reaches InfluxDB are GETs and queries."""
    write(files / "tasks.yaml", task("new"), manifest("RetentionPolicy", "fresh", bucket="fresh", retention="30d"))
    with Gate(influx_org.url) as gate:
        done = run("-f", files, "--url", gate.url, "--detailed-exitcode")
        assert done.returncode == 2, done.stdout + done.stderr
        seen = {(one.method, one.path.partition("?")[0]) for one in gate.seen}
    posts = {path for method, path in seen if method != "GET"}
    assert posts <= {"/api/v2/query", "/api/v2/query/ast"}
    assert influx.tasks() == []
    assert influx.bucket("fresh") == {}


@pytest.mark.parametrize(("extra", "code"), [((), 0), (("--detailed-exitcode",), 0)])
def test_no_change(run: Run, files: Path, influx: Influx, extra: tuple[str, ...], code: int) -> None:
    """Exit status 0, and one line."""
    mark = stamp_description(Owner("c1", "RetentionPolicy", "ns", "kept"), "u1", "")
    influx.new_bucket("kept", 30 * 86400, 86400, description=mark)
    write(files / "p.yaml", manifest("RetentionPolicy", "kept", bucket="kept", retention="30d"))
    done = run("-f", files, *extra)
    assert done.returncode == code
    assert done.stdout.startswith("Plan: 0 to create, 0 to adopt, 0 to update, 0 to delete; 1 unchanged")


def test_json_yaml_and_markdown(run: Run, files: Path, tmp_path: Path) -> None:
    """For programs, and for a comment on a pull request; --out writes a file."""
    write(files / "tasks.yaml", task("new", flux=f"{HOURLY}// ``` and <b>\n"))
    plan = as_json(run("-f", files, "-o", "json"))
    assert [item["verb"] for item in plan["items"]] == ["create"]
    assert plan["summary"]["create"] == 1
    assert yaml.safe_load(run("-f", files, "-o", "yaml").stdout) == plan
    out = tmp_path / "plan.md"
    done = run("-f", files, "-o", "markdown", "--out", out)
    assert done.stdout.startswith("Plan: 1 to create")
    text = out.read_text()
    assert text.startswith("### influxops")
    assert "````diff" in text


def test_bad_files_do_not_hide_good_ones(run: Run, files: Path) -> None:
    """Each fault has its file and line; the rest is planned; exit status 1."""
    (files / "broken.yaml").write_text("kind: InfluxTask\nmetadata: {name: x\n  bad: [\n")
    write(files / "good.yaml", task("good"), task("twice"))
    write(files / "more.yaml", task("twice"), task("wrong", every="1mo"), task("typo", flux='form(bucket: "raw")'))
    done = run("-f", files)
    assert done.returncode == 1
    assert f"! {files}/broken.yaml:3:" in done.stdout
    assert f"! {files}/more.yaml:1: InfluxTask ns/twice is there already, at {files}/good.yaml:" in done.stdout
    assert "InfluxTask ns/wrong" in done.stdout
    assert "InvalidSpec: spec.every" in done.stdout
    assert "InvalidScript: the script is not valid Flux: line 1, column 1: undefined identifier form" in done.stdout
    assert "+ InfluxTask ns/good" in done.stdout
    assert "2 to create" in done.stdout
    assert "4 errors." in done.stdout


def test_texts_are_texts(run: Run, files: Path) -> None:
    """A date without quotes, a value that JSON cannot hold, a list for a mapping: no traceback, and the rest is planned."""
    values = "values: {day: 2026-01-01T00:00:00Z}"
    template = (
        f"template: {{inline: 'from(bucket: \"raw\") |> range(start: {{{{ values.day | flux_time }}}})', {values}}}"
    )
    head = "apiVersion: influxops.dev/v1alpha1\nkind: InfluxTask\nmetadata: {namespace: ns, name: "
    spec = "spec: {connectionRef: {name: main}, every: 1h, "
    (files / "date.yaml").write_text(f"{head}dated}}\n{spec}{template}}}\n")
    (files / "set.yaml").write_text(f"{head}odd}}\n{spec}flux: !!set {{a, b}}}}\n")
    (files / "list.yaml").write_text(
        f"{head}listed, annotations: [a]}}\n{spec}flux: 'from(bucket: \"raw\") |> range(start: -1h)'}}\n"
    )
    (files / "emoji.json").write_text(json.dumps(task("emoji", description="\U0001f98a")))
    done = run("-f", files)
    assert "InfluxTask ns/dated" in done.stdout
    assert "2026-01-01T00:00:00Z" in done.stdout
    assert "InfluxTask odd holds what JSON cannot" in done.stdout
    assert "+ InfluxTask ns/emoji" in done.stdout
    assert "3 to create" in done.stdout


def test_the_token_goes_to_one_address_only(run: Run, files: Path, influx_org: InfluxOrg) -> None:
    """With two servers among the manifests nobody can tell which one it is for."""
    other = manifest("InfluxConnection", "other", url="https://elsewhere.example", org="x")
    other["spec"]["tokenSecretRef"] = {"name": "other-token", "key": "token"}
    write(files / "other.yaml", other, task("new"))
    done = run("-f", files)
    assert done.returncode == 1
    assert "Secret ns/influx-token does not exist" in done.stdout
    assert "Secret ns/other-token does not exist" in done.stdout


def test_two_policies_for_one_bucket(run: Run, files: Path) -> None:
    """One manages it, the other one is told which."""
    write(
        files / "p.yaml",
        manifest("RetentionPolicy", "one", bucket="b", retention="30d"),
        manifest("RetentionPolicy", "two", bucket="b", retention="60d"),
    )
    done = run("-f", files)
    assert done.returncode == 1
    assert "RetentionPolicy ns/two" in done.stdout
    assert "Conflict: bucket 'b' is managed by RetentionPolicy ns/one: keep one" in done.stdout


def test_a_server_that_does_not_answer(run: Run, files: Path) -> None:
    """Its address and the connection's place; exit status 1."""
    write(files / "tasks.yaml", task("new"))
    done = run("-f", files, "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert f"! {files}/a-connection.yaml:1: InfluxConnection ns/main" in done.stdout
    assert "http://127.0.0.1:9" in done.stdout


def test_a_wrong_token(run: Run, files: Path) -> None:
    """Told, and never shown."""
    done = run("-f", files, INFLUX_TOKEN="wrong-token-of-nobody")
    assert done.returncode == 1
    assert "unauthorized" in done.stdout.lower()
    assert "wrong-token-of-nobody" not in done.stdout + done.stderr


def test_no_connection_at_all(run: Run, tmp_path: Path) -> None:
    """The message names what is missing; with --url and --org none is needed."""
    write(tmp_path / "task.yaml", task("new"))
    done = run("-f", tmp_path / "task.yaml")
    assert done.returncode == 1
    assert "InfluxConnection ns/main is not among the manifests" in done.stdout


def test_url_and_org_stand_for_a_connection(run: Run, tmp_path: Path, influx_org: InfluxOrg) -> None:
    """A pull request needs no connection of its own."""
    write(tmp_path / "task.yaml", task("new"))
    done = run("-f", tmp_path / "task.yaml", "--url", influx_org.url, "--org", influx_org.org)
    assert done.returncode == 0, done.stdout
    assert "1 to create" in done.stdout


def test_one_connection_only(run: Run, files: Path) -> None:
    """The objects of other connections are neither planned nor connected to."""
    other = task("elsewhere", connectionRef={"name": "other"})
    write(files / "tasks.yaml", task("here"), other)
    done = run("-f", files, "--connection", "ns/main")
    assert done.returncode == 0, done.stdout
    assert "InfluxTask ns/here" in done.stdout
    assert "elsewhere" not in done.stdout
    wrong = run("-f", files, "--connection", "nobody", "-n", "ns")
    assert wrong.returncode == 2
    assert "nothing uses InfluxConnection ns/nobody: correct --connection" in wrong.stderr


def test_a_script_that_is_too_large(run: Run, files: Path) -> None:
    """The limit, with the place; the others are planned."""
    write(files / "tasks.yaml", task("large", flux=f"{HOURLY}// {'x' * 262144}\n"), task("good"))
    done = run("-f", files)
    assert done.returncode == 1
    assert f"! InfluxTask ns/large ({files}/tasks.yaml:1): InvalidSpec: spec.flux: Too long" in done.stdout
    assert "+ InfluxTask ns/good" in done.stdout
    assert "x" * 1000 not in done.stdout


def test_standard_input(run: Run, influx_org: InfluxOrg) -> None:
    """As ``kustomize build | influxops plan -f -`` has it."""
    text = yaml.safe_dump(task("new"))
    done = run("-f", "-", "--url", influx_org.url, "--org", influx_org.org, stdin=text)
    assert "+ InfluxTask ns/new (standard input:1) will be created" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((), "-f"), (("--cluster", "-f", "x"), "--cluster"), (("--cluster", "--url", "http://x"), "--url")],
)
def test_a_mistake_in_the_command(run: Run, arguments: tuple[str, ...], words: str) -> None:
    """One sentence and exit status 2."""
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_the_objects_of_a_cluster(run: Run, stack: Stack, namespace: str, influx_org: InfluxOrg) -> None:
    """With connection, Secret and ConfigMap of the cluster, and no write there either."""
    connection = {
        "url": influx_org.url,
        "allowInsecure": True,
        "org": influx_org.org,
        "tokenSecretRef": {"name": "influx-token", "key": "token"},
    }
    template = {"configMapKeyRef": {"name": "templates", "key": "flux"}, "values": {"hours": 3}}
    objects: list[dict[str, Any]] = [
        manifest("InfluxConnection", "main", **connection),
        task("new"),
        manifest("InfluxTask", "templated", every="1h", template=template),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "influx-token"},
            "stringData": {"token": influx_org.token},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "templates"},
            "data": {"flux": 'from(bucket: "raw") |> range(start: -{{ values.hours }}h)\n'},
        },
    ]
    for one in objects:
        one["metadata"]["namespace"] = namespace
    stack.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(objects))
    before = stack.kubectl("get", "influx,secrets,configmaps", "-n", namespace, "-o", "json").stdout
    done = run("--cluster", "-n", namespace, "--kubeconfig", stack.kubeconfig, INFLUX_TOKEN="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 to create" in done.stdout
    assert "range(start: -3h)" in done.stdout
    after = stack.kubectl("get", "influx,secrets,configmaps", "-n", namespace, "-o", "json").stdout
    assert after == before


PIPELINE = {"window": {"every": "1h", "timezone": "Europe/Berlin"}, "stages": [{"name": "hours", "flux": HOURLY}]}
RANGE = {"start": "2026-10-01T00:00:00Z", "stop": "2026-11-01T00:00:00Z"}


def backfill(name: str, **spec: Any) -> dict[str, Any]:
    """An InfluxBackfill, which knows no connection."""
    item = manifest("InfluxBackfill", name, **RANGE, **spec)
    del item["spec"]["connectionRef"]
    return item


def test_of_pipelines_and_backfills_it_tells_what_will_run(files: Path, influx_org: InfluxOrg) -> None:
    """They hold nothing in InfluxDB that could be compared."""
    write(
        files / "b.yaml",
        manifest("InfluxPipeline", "climate", **PIPELINE),
        backfill("october", pipelineRef={"name": "climate"}, stages=["hours"]),
    )
    done = influxops("plan", "-f", files, INFLUX_TOKEN=influx_org.token)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "Note: InfluxPipeline ns/climate will run 1 stage (hours) over windows every 1h (Europe/Berlin) and keep their state "
        "in bucket 'influxops-ledger'"
    ) in done.stdout
    assert (
        "Note: InfluxBackfill ns/october will run the windows of InfluxPipeline climate from 2026-10-01T00:00:00Z to "
        "2026-11-01T00:00:00Z, of stages hours"
    ) in done.stdout
    assert "0 to create" in done.stdout


def test_a_pipeline_that_cannot_run_is_an_error_of_the_plan(files: Path, influx_org: InfluxOrg) -> None:
    """With its place."""
    stages = [{"name": "hours", "flux": HOURLY, "dependsOn": ["minutes"]}]
    write(files / "b.yaml", manifest("InfluxPipeline", "climate", **{**PIPELINE, "stages": stages}))
    done = influxops("plan", "-f", files, INFLUX_TOKEN=influx_org.token)
    assert done.returncode == 1
    assert "b.yaml:1: InfluxPipeline ns/climate: spec.stages[0].dependsOn: there is no stage 'minutes'" in done.stdout
