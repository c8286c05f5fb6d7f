"""``influxops validate`` as a process: offline, and against a real InfluxDB."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.influx import InfluxOrg
from influxops.core.lint.catalogue import RULES
from influxops.validate.node import NodeParser
from influxops.validate.server import ServerParser
from tests.integration.cli.styles import STYLES
from tests.support import crdcases
from tests.support.command import influxops

ROOT = Path(__file__).parents[3]
GOOD = """from(bucket: "raw")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> aggregateWindow(every: 5m, fn: max, timeSrc: "_start")
    |> to(bucket: "five")
"""


def task(name: str, flux: str, **spec: Any) -> str:
    """The manifest of an InfluxTask with its script as a block, as people write it."""
    head = {
        "apiVersion": "influxops.dev/v1alpha1",
        "kind": "InfluxTask",
        "metadata": {"name": name, "namespace": "ns"},
        "spec": {"connectionRef": {"name": "main"}, "every": "1h", **spec},
    }
    block = "".join(f"    {line}\n" if line else "\n" for line in flux.splitlines())
    return yaml.safe_dump(head, sort_keys=False) + f"  flux: |\n{block}"


def validate(*arguments: object, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
    """Run it; the exit status must be as expected, and there is never a traceback."""
    done = influxops("validate", *arguments, **more)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def found(*arguments: object, code: int = 1, **more: str) -> list[dict[str, Any]]:
    """What it finds, read from its JSON."""
    problems: list[dict[str, Any]] = json.loads(validate(*arguments, "-o", "json", code=code, **more).stdout)[
        "problems"
    ]
    return problems


def test_the_samples_are_clean() -> None:
    done = validate(ROOT / "manifests" / "samples", "--strict")
    assert "0 errors, 0 warnings. Checked offline by @influxdata/flux-lsp-node" in done.stdout


@pytest.mark.parametrize("verdict", ["accept", "reject"])
def test_the_schema_is_judged_as_the_api_server_does(verdict: str, tmp_path: Path) -> None:
    """Every creation among the cases of tests/crd, whose verdicts tests/crd/test_cases.py gets from the API server."""
    cases = [case for case in crdcases.load(verdict) if len(case.manifests) == 1]
    expected = {}
    for case in cases:
        (body,) = case.manifests
        body["metadata"] = {"name": case.name}
        (tmp_path / f"{case.name}.yaml").write_text(yaml.safe_dump(body))
        expected[case.name] = [str(fault) for fault in crdcases.model_faults(case)]
    assert len(cases) >= 40
    told: dict[str, list[str]] = {name: [] for name in expected}
    for problem in found(tmp_path):
        if problem["rule"] == "schema":
            told[Path(problem["file"]).stem].append(problem["message"])
    assert {name: sorted(faults) for name, faults in told.items()} == {
        name: sorted(faults) for name, faults in expected.items()
    }
    assert all(told.values()) is (verdict == "reject") or not any(told.values())


def test_places_are_those_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    broken = 'from(bucket: "raw")\n\n    |> range(start: v.nothing)\n    |> ünknown()\n'
    typed = 'from(bucket: "raw")\n    |> range(start: -1h)\n    |> filter(fn: (r) => r.a == 1 and "ü" == 2)\n'
    text = "\n---\n".join([task("a", broken), task("b", typed), task("c", GOOD, offset="1mo", more=1)])
    file.write_text(text.replace("every: 1h", "every:   1h  # hourly"))
    lines = file.read_text().splitlines()
    for problem in found(file):
        line = lines[problem["line"] - 1]
        at = line[problem["column"] - 1 :]
        match problem["rule"], problem["object"]:
            case "script", "InfluxTask ns/a":
                assert "v.nothing" in problem["message"]
            case "flux", "InfluxTask ns/b":
                assert at.startswith("2)")
            case "schema", "InfluxTask ns/c":
                assert at.startswith(("offset: 1mo", "more: 1"))
            case other:
                raise AssertionError((other, problem))


def test_values_of_a_template_of_the_library(tmp_path: Path) -> None:
    """Right ones give a script that is judged like any other; wrong ones are told at their place in the file."""
    values = {"bucket": "raw", "measurement": "env", "fields": ["temp"], "every": "5m", "toBucket": "five"}
    good = (
        task("good", "").replace("  flux: |\n", "")
        + f"  template: {json.dumps({'library': 'downsample', 'values': values})}\n"
    )
    wrong = good.replace("name: good", "name: wrong").replace('"every": "5m"', '"everyy": "5m"').replace('"raw"', "7")
    file = tmp_path / "tasks.yaml"
    file.write_text(f"{good}---\n{wrong}")
    problems = found(file)
    assert {(one["rule"], one["object"]) for one in problems} == {("template", "InfluxTask ns/wrong")}
    told = {one["message"].partition(": ")[0]: one for one in problems}
    assert set(told) == {"spec.template.values.everyy", "spec.template.values.bucket"}
    assert "template downsample has no such value; write every" in told["spec.template.values.everyy"]["message"]
    line = file.read_text().splitlines()[told["spec.template.values.bucket"]["line"] - 1]
    assert line[told["spec.template.values.bucket"]["column"] - 1 :].startswith('"bucket": 7')


def test_every_form_of_a_script(tmp_path: Path) -> None:
    inline = {"template": {"inline": GOOD.replace('"five"', "{{ values.to | flux_string }}"), "values": {"to": "five"}}}
    ref = {"template": {"configMapKeyRef": {"name": "templates", "key": "a"}}}
    files = {
        "template.yaml": task("inline", "").replace("  flux: |\n", "")
        + "  "
        + f"template: {json.dumps(inline['template'])}\n",
        "ref.yaml": task("ref", "").replace("  flux: |\n", "") + f"  template: {json.dumps(ref['template'])}\n",
        "quoted.yaml": task("quoted", "").replace("  flux: |\n", "") + f"  flux: {json.dumps('x = 1 +')}\n",
        "task.json": json.dumps(yaml.safe_load(task("json", GOOD))),
        "own.flux": 'option task = {name: "own", every: 1h}\n' + GOOD,
        "part.flux": "x = 1 +",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    problems = found(tmp_path)
    told = {(Path(problem["file"]).name, problem["rule"], problem["severity"]) for problem in problems}
    assert told == {
        ("ref.yaml", "template", "warning"),
        ("quoted.yaml", "flux", "error"),
        ("part.flux", "flux", "error"),
    }
    assert "ConfigMap ns/templates is not among the files" in str(problems)
    quoted = next(problem for problem in problems if problem["file"].endswith("quoted.yaml"))
    assert quoted["message"].startswith("line 1, column ")
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "templates", "namespace": "ns"}}
    (tmp_path / "map.yaml").write_text(yaml.safe_dump({**config, "data": {"a": "{{ values.missing | flux_string }}"}}))
    again = found(tmp_path)
    assert any("cannot be rendered" in problem["message"] for problem in again if problem["file"].endswith("ref.yaml"))


def test_one_bad_file_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(task("a", GOOD) + "---\nkind: [influxops.dev/\n")
    (tmp_path / "foreign.yaml").write_text("replicas: {{ .Values.replicas }}\n")
    (tmp_path / "twice.yaml").write_text(task("b", GOOD) + "---\n" + task("b", GOOD))
    (tmp_path / "bad.yaml").write_text(task("c", GOOD.replace("max", "maxx")))
    problems = found(tmp_path)
    assert sorted((Path(problem["file"]).name, problem["rule"]) for problem in problems) == [
        ("bad.yaml", "flux"),
        ("broken.yaml", "file"),
        ("twice.yaml", "file"),
    ]
    assert "undefined identifier maxx" in str(problems)
    missing = found(tmp_path / "none.yaml")
    assert "cannot be read: No such file" in missing[0]["message"]


def test_tasks_see_each_others_buckets_and_policies(tmp_path: Path) -> None:
    first = GOOD.replace("max", "mean")
    second = first.replace('"five"', '"hourly"').replace('"raw"', '"five"').replace("5m", "1h")
    policy = {
        "apiVersion": "influxops.dev/v1alpha1",
        "kind": "RetentionPolicy",
        "metadata": {"name": "raw", "namespace": "ns"},
        "spec": {"connectionRef": {"name": "main"}, "bucket": "five", "retention": "1h"},
    }
    connection = {
        "apiVersion": "influxops.dev/v1alpha1",
        "kind": "InfluxConnection",
        "metadata": {"name": "main", "namespace": "ns"},
        "spec": {
            "url": "https://influxdb.example",
            "org": "o",
            "tokenSecretRef": {"name": "t", "key": "token"},
            "policy": {"deniedFluxPackages": ["math"]},
        },
    }
    (tmp_path / "a.yaml").write_text(task("first", first) + "---\n" + yaml.safe_dump_all([policy, connection]))
    (tmp_path / "b.yaml").write_text(task("second", second, window={"period": "2h"}))
    (tmp_path / "c.yaml").write_text(task("third", f'import "math"\n{GOOD}'))
    told = [(Path(one["file"]).name, one["rule"], one["severity"]) for one in found(tmp_path)]
    assert told == [
        ("b.yaml", "window-exceeds-retention", "warning"),
        ("b.yaml", "mean-of-means", "warning"),
        ("c.yaml", "denied-package", "error"),
    ]


def test_the_forms_of_the_findings(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(task("a", GOOD.replace(', timeSrc: "_start"', "")))
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "aggregateWindow" in text)
    text = validate(file).stdout
    assert f"{file}:{line}:12: warning: InfluxTask ns/a: aggregateWindow without" in text
    assert '    add timeSrc: "_start"' in text
    assert "\x1b" not in text
    validate(file, "--strict", code=1)
    github = validate(file, "-o", "github").stdout.splitlines()[0]
    assert github.startswith(f"::warning file={file},line={line},col=12,endLine={line},")
    assert "title=influxops window-time-src::InfluxTask ns/a: " in github
    out = tmp_path / "report.sarif"
    assert "0 errors, 1 warning." in validate(file, "-o", "sarif", "--out", out).stdout
    (run,) = json.loads(out.read_text())["runs"]
    (result,) = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "window-time-src"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == file.as_uri()
    assert place["region"]["startLine"] == line


def test_the_how_to_shows_the_real_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "five.yaml").write_bytes((Path(__file__).parent / "data" / "five.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    shown = (ROOT / "docs" / "how-to" / "validate.md").read_text()
    assert validate("manifests/", code=1).stdout in shown


def test_rules_are_listed() -> None:
    listed = validate("--rules").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [rule.name for rule in RULES]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name what to validate"),
        (["--url", "http://127.0.0.1:1", "x.yaml"], "--url and --org go together"),
        (["--url", "http://127.0.0.1:1", "--org", "o", "x.yaml"], "set the variable INFLUX_TOKEN"),
        (["--devstack", "--url", "http://127.0.0.1:1", "x.yaml"], "leave out --url"),
    ],
)
def test_mistakes_of_the_command_line(arguments: list[str], message: str) -> None:
    assert message in validate(*arguments, code=2).stderr


def test_without_node_the_rest_is_judged(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(task("a", GOOD, offset="1mo"))
    (tmp_path / "b.yaml").write_text(task("b", GOOD))
    problems = found(tmp_path, PATH="")
    assert [problem["rule"] for problem in problems] == ["parser", "schema"]
    assert "`node` is not on the PATH; install it, or give --url" in problems[0]["message"]
    given = found(tmp_path, INFLUXOPS_FLUX_PARSER=str(tmp_path))
    assert "does not hold the npm package @influxdata/flux-lsp-node" in given[0]["message"]


@pytest.mark.parametrize(
    "program", ["#!/bin/sh\nexit 1", "#!/bin/sh\necho 'SyntaxError: old' >&2; exit 1", "no program"]
)
def test_a_node_that_does_not_work_is_told_once(tmp_path: Path, program: str) -> None:
    (tmp_path / "a.yaml").write_text(task("a", GOOD) + "---\n" + task("b", GOOD))
    node = tmp_path / "bin" / "node"
    node.parent.mkdir()
    node.write_text(program)
    node.chmod(0o755)
    (problem,) = found(tmp_path / "a.yaml", PATH=f"{node.parent}:/usr/bin:/bin")
    assert problem["rule"] == "parser"
    assert "install Node.js 18 or later, or give --url" in problem["message"]


def test_odd_files_are_findings(tmp_path: Path) -> None:
    """Each is told with its place, none hides another, and nothing takes long."""
    deep = "x = " + "(" * 3000 + "1" + ")" * 3000
    ors = " or ".join(["r.a == 1"] * 600)
    bomb = "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 1}]\n" for n in range(10))
    files = {
        "empty.flux": "",
        "long.flux": "x" * 300_000,
        "mark.flux": "\ufeffx = 1",
        "deep.flux": deep,
        "ors.flux": f'from(bucket: "raw") |> range(start: -1h) |> filter(fn: (r) => {ors}) |> mean() |> yield()',
        "nul.flux": "x = 1 // \0",
        "deep.json": "[" * 5000,
        "bad.json": '{"apiVersion": "influxops.dev/v1alpha1",\n "a" 1}',
        "bomb.yaml": f"kind: InfluxTask\napiVersion: influxops.dev/v1alpha1\nmetadata: {{name: x}}\nspec:\n{bomb}",
        "helm.yaml": "apiVersion: influxops.dev/v1alpha1\nkind: InfluxTask\nmetadata: {name: {{ .Values.x }}}\n",
        "number.yaml": task("a", GOOD).replace("name: a", "name: 123"),
        "upper.yaml": task("Upper", GOOD),
        "kustomization.yaml": "resources: [a.yaml]  # influxops.dev/v1alpha1\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "json.json").write_text(json.dumps(yaml.safe_load(task("j", GOOD, every="1x")), indent=1))
    (tmp_path / "wide.yaml").write_bytes(task("w", GOOD).encode("utf-16"))
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    told: dict[str, list[str]] = {}
    for one in found(*paths, "x" * 300, f"{tmp_path}/../{tmp_path.name}/upper.yaml"):
        place = f":{one['line']}" if one["line"] else ""
        told.setdefault(Path(one["file"]).name + place, []).append(one["message"])
    words = {
        "empty.flux:1": "the script is empty",
        "long.flux:1": "longer than 256 KiB",
        "mark.flux": "byte order mark",
        "deep.flux:1": "nested too deep",
        "ors.flux:1": "too deep",
        "nul.flux:1": "NUL character",
        "bad.json:2": "is no valid JSON",
        "bomb.yaml:1": "aliases",
        "helm.yaml:1": "render it first",
        "number.yaml:1": "quote it",
        "upper.yaml:4": "metadata.name: must be a lowercase",
        "json.json:12": "spec.every",
        "wide.yaml": "no UTF-8 text",
        "x" * 300: "File name too long",
    }
    assert dict.fromkeys(told, True) == dict.fromkeys(words, True)
    for place, word in words.items():
        assert any(word in message for message in told[place]), (place, told[place])


def test_a_package_that_cannot_be_fetched(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(task("b", GOOD))
    cache = {"INFLUXOPS_CACHE": str(tmp_path / "cache"), "npm_config_registry": "http://127.0.0.1:1"}
    (problem,) = found(tmp_path / "b.yaml", npm_config_fetch_retries="0", **cache)
    assert "npm cannot fetch @influxdata/flux-lsp-node" in problem["message"]
    assert "or give --url" in problem["message"]
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_influxdb_checks_the_scripts(tmp_path: Path, influx_org: InfluxOrg) -> None:
    (tmp_path / "a.yaml").write_text(task("a", GOOD.replace("fn: max", "fn: maxx")))
    (tmp_path / "b.yaml").write_text(task("b", GOOD))
    (tmp_path / "c.yaml").write_text(task("c", "from(bucket:"))
    server = ["--url", influx_org.url, "--org", influx_org.org]
    online = found(tmp_path, *server, INFLUX_TOKEN=influx_org.token)
    offline = found(tmp_path)
    places = [[(one["file"], one["line"], one["column"], one["rule"]) for one in told] for told in (online, offline)]
    assert set(places[0]) <= set(places[1])  # the server tells the first fault of a script, Node.js all of them
    assert len({file for file, *_ in places[0]}) == 2
    nobody = ["--url", influx_org.url, "--org", "nobody"]
    unknown = validate(tmp_path, *nobody, INFLUX_TOKEN=influx_org.token, code=2)
    assert "has no organization 'nobody'" in unknown.stderr
    down = validate(tmp_path, "--url", "http://127.0.0.1:1", "--org", "o", INFLUX_TOKEN="secret-token", code=2)
    assert "scripts are not checked" in down.stderr
    assert "secret-token" not in down.stderr + down.stdout


def test_the_offline_parser_agrees_with_the_server(influx_org: InfluxOrg) -> None:
    """The same trees, and the same verdict of the type checker, for scripts of all styles and for broken ones."""
    texts = list(STYLES.values()) + [rule.bad for rule in RULES if rule.bad]
    broken = ["x = 1 +", "from(bucket: )", "y = undefined1", "from(bucket: 1)", 'import "nope"', "a = 1 + 1.0", "{{"]

    async def judged() -> None:
        node, server = NodeParser(), ServerParser(influx_org.url, influx_org.org, influx_org.token)
        try:
            mine, theirs = await node.trees(texts), await server.trees(texts)
            for text, one, other in zip(texts, mine, theirs, strict=True):
                assert essential(one) == essential(other), text
            everything = texts + broken
            for text, one, other in zip(
                everything, await node.check(everything), await server.check(everything), strict=True
            ):
                assert bool(one) == bool(other), (text, one, other)
        finally:
            await node.close()
            await server.close()

    asyncio.run(judged())


def essential(node: Any) -> Any:
    """A tree without what only one of the two tells: source texts, comments, and empty values."""
    if isinstance(node, dict):
        left = {key: essential(value) for key, value in node.items() if key not in {"source", "comments", "metadata"}}
        return {key: value for key, value in left.items() if value not in (None, [], "", False)}
    if isinstance(node, list):
        return [essential(item) for item in node]
    return node.replace("+00:00", "Z") if isinstance(node, str) else node


def test_a_devstack_checks_the_scripts(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(task("a", GOOD))
    assert "Checked by the InfluxDB at http://127.0.0.1" in validate(tmp_path, "--devstack").stdout


def test_the_pre_commit_hook_is_this_command(tmp_path: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["entry"].split() == ["influxops", "validate"]
    assert hook["language"] == "python"
    (tmp_path / "values.yaml").write_text("a: 1\n")
    (tmp_path / "a.yaml").write_text(task("a", GOOD))
    validate(tmp_path / "values.yaml", tmp_path / "a.yaml")
