"""``influxops import``: what is in InfluxDB becomes manifests that take it over and change nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.influx import InfluxOrg
from devstack.stack import Stack
from influxops.core.marker import Owner, stamp_script
from tests.integration.cli.styles import STYLES
from tests.support import command
from tests.support.lab import HOURLY, TASK, Influx
from tests.support.operator import OperatorProcess


@pytest.fixture
def influx(influx_org: InfluxOrg) -> Influx:
    """InfluxDB as a user with curl sees it."""
    return Influx(influx_org)


def influxops(org: InfluxOrg, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command with the variables that the influx CLI knows."""
    done = command.influxops(*arguments, INFLUX_HOST=org.url, INFLUX_ORG=org.org, INFLUX_TOKEN=org.token)
    assert org.token not in done.stdout + done.stderr
    return done


def documents(text: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The objects of a file by kind and name."""
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text) if one}


def test_the_whole_round_trip(
    stack: Stack, influx_org: InfluxOrg, influx: Influx, namespace: str, tmp_path: Path
) -> None:
    """More than 60 scripts of every style: the plan is nothing but adoption, and after it there is nothing to do.

    The operator then holds each with its own bytes behind the ownership line, and no schedule, status or description
    has changed.
    """
    assert len(STYLES) >= 60
    before = {}
    for name, script in STYLES.items():
        made = influx.new_task(script, f"about {name}" if "body" in name else "")
        if name.startswith("option-cron"):
            influx.edit_task(made["id"], status="inactive")
        before[made["id"]] = influx.task(made["id"])
    influx.new_bucket("hourly", 90 * 86400, 86400, description="by hand: ümläut")
    influx.new_bucket("odd", 30 * 86400, 12 * 3600)
    influx.new_bucket("for-ever")

    file = tmp_path / "imported.yaml"
    done = influxops(influx_org, "import", "-n", namespace, "--out", file)
    assert done.returncode == 0, done.stderr
    assert f"{len(STYLES) + 4} objects written, 0 only as comments" in done.stderr, file.read_text()[:3000]

    plan = json.loads(influxops(influx_org, "plan", "-f", file, "-o", "json").stdout)
    assert plan["summary"]["adopt"] == len(STYLES) + 4
    assert plan["summary"]["create"] == plan["summary"]["update"] == plan["summary"]["errors"] == 0
    for item in plan["items"]:
        (action,) = item["actions"]
        assert [change["field"] for change in action["changes"]] == ["owner" if item["kind"] == TASK else "description"]
        assert "diff" not in action, item

    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "influx-token", "namespace": namespace},
        "stringData": {"token": influx_org.token},
    }
    stack.kubectl("apply", "-f", "-", input=yaml.safe_dump(secret))
    stack.kubectl("apply", "--server-side", "-f", str(file))
    log = tmp_path / "operator.log"
    scope = ("--namespaces", namespace, "--instance-id", "import-test", "--lease-namespace", namespace)
    with OperatorProcess(stack.kubeconfig, log, *scope) as operator:
        operator.leads()
        wait = ("wait", "--for=condition=Ready", "influxtasks,retentionpolicies", "--all", "-n", namespace)
        stack.kubectl(*wait, "--timeout=120s")
        again = influxops(
            influx_org,
            "plan",
            "--cluster",
            "-n",
            namespace,
            "--kubeconfig",
            stack.kubeconfig,
            "--instance-id",
            "import-test",
            "--detailed-exitcode",
        )
        assert again.returncode == 0, again.stdout + again.stderr
        assert f"{len(STYLES) + 4} unchanged" in again.stdout
        from_files = influxops(influx_org, "plan", "-f", file, "--detailed-exitcode")
        assert from_files.returncode == 0, from_files.stdout + from_files.stderr
        after = {task["id"]: influx.task(task["id"]) for task in influx.tasks()}
        assert after.keys() == before.keys()
        for task_id, old in before.items():
            new = after[task_id]
            header, _, script = new["flux"].partition("\n")
            assert header.startswith("// influxops/v1 owner=import-test/InfluxTask/")
            assert script == old["flux"]
            same = ("name", "status", "every", "cron", "offset", "description")
            assert [new.get(key) for key in same] == [old.get(key) for key in same]
        stack.kubectl("patch", "-n", namespace, "influxtasks", "--all", "--type=merge", "-p", "{}", check=False)
        stack.kubectl("delete", "-f", str(file), "--timeout=120s")
        assert operator.stop() == 0


def test_schedules_as_fields(influx_org: InfluxOrg, influx: Influx, tmp_path: Path) -> None:
    """``option task`` becomes fields; a negative offset, which no field can hold, stays in the script."""
    influx.new_task(STYLES["option-offset"])
    influx.new_task(STYLES["option-cron"])
    influx.new_task(STYLES["option-negative-offset"])
    influx.new_task(STYLES["place-location"])
    found = documents(influxops(influx_org, "import", "--schedule-as-fields", "--no-buckets").stdout)
    spec = found[TASK, "styles-option-offset"]["spec"]
    assert (spec["name"], spec["every"], spec["offset"]) == ("styles/option-offset", "1h", "10m")
    assert "option task" not in spec["flux"]
    assert found[TASK, "styles-option-cron"]["spec"]["cron"] == "0 3 * * *"
    assert "option task" in found[TASK, "styles-option-negative-offset"]["spec"]["flux"]
    assert "every" not in found[TASK, "styles-option-negative-offset"]["spec"]
    location = found[TASK, "styles-place-location"]["spec"]["flux"]
    assert "option location" in location
    assert "option task" not in location
    file = tmp_path / "fields.yaml"
    influxops(influx_org, "import", "--schedule-as-fields", "--no-buckets", "--out", file)
    plan = json.loads(influxops(influx_org, "plan", "-f", file, "-o", "json").stdout)
    assert plan["summary"]["adopt"] == 4
    assert plan["summary"]["errors"] == 0


def test_what_cannot_be_taken_over_is_a_comment(influx_org: InfluxOrg, influx: Influx) -> None:
    """With the reason; the file still applies."""
    influx.new_task(f'option task = {{name: "ignored", every: 1h, retry: 5}}\n{HOURLY}')
    influx.new_task('option task = {name: "broken", every: 1h}\nfrom(bucket: "raw") |> nonsense()\n')
    influx.new_task(f'option task = {{name: "reads nothing", every: 1h}}\n{HOURLY.replace("raw", "absent")}')
    influx.new_task(f'option task = {{name: "fine", every: 1h}}\n{HOURLY}')
    done = influxops(influx_org, "import", "--no-buckets")
    assert list(documents(done.stdout)) == [("InfluxConnection", "main"), (TASK, "fine")]
    assert "InvalidScript: `option task` sets retry" in done.stdout
    assert "undefined identifier nonsense" in done.stdout
    assert "bucket 'absent', which does not exist" in " ".join(done.stdout.split())
    assert "1 objects written, 3 only as comments" in done.stderr


def test_selection_names_and_what_is_managed(influx_org: InfluxOrg, influx: Influx) -> None:
    """A pattern chooses; two tasks of one name get two names; managed ones are left out and counted."""
    for _ in range(2):
        influx.new_task(f'option task = {{name: "Team A/CPU %", every: 1h}}\n{HOURLY}')
    influx.new_task(f'option task = {{name: "other", every: 1h}}\n{HOURLY}')
    owner = Owner("c1", TASK, "ns", "x")
    influx.new_task(stamp_script(owner, "u", f'option task = {{name: "Team A/managed", every: 1h}}\n{HOURLY}'))
    done = influxops(influx_org, "import", "-l", "Team A/*")
    found = documents(done.stdout)
    names = [name for kind, name in found if kind == TASK]
    assert len(names) == 2
    assert "team-a-cpu" in names
    assert len({found[TASK, name]["spec"]["importID"] for name in names}) == 2
    assert "1 are managed already" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"), [(("--org", ""), "--org"), (("--url", "http://127.0.0.1:9"), "127.0.0.1:9")]
)
def test_mistakes(influx_org: InfluxOrg, arguments: tuple[str, ...], words: str) -> None:
    """One sentence and exit status 2."""
    done = influxops(influx_org, "import", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
