"""Commands on the runs of a task, as processes, against a real InfluxDB that the operator works on."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import yaml

from influxops.core.sparkline import BLOCKS, FAILED
from tests.support import command
from tests.support.command import PLUGIN
from tests.support.expect import eventually
from tests.support.lab import TASK, Lab, fresh
from tests.support.reader import reader_kubeconfig
from tests.support.runcommands import FAILS, RUN, SECRET, WORKS, good, influxops, made, on_a_terminal, ran, slot


def test_a_slot_runs_once_unless_forced(crowd: Lab) -> None:
    """The id goes to stdout for scripts; a second run of the same slot is refused, since InfluxDB would do it."""
    name, task_id = made(crowd)
    first = good(influxops(crowd, "run", name, "--at", slot(3), "--wait", program=PLUGIN)).strip()
    assert RUN.fullmatch(first)
    again = influxops(crowd, "run", name, "--at", slot(3))
    assert (again.returncode, again.stdout) == (2, "")
    assert f"run {first} of slot {slot(3)} succeeded already; --force" in again.stderr
    refused = influxops(crowd, "retry", name, first)
    assert refused.returncode == 2
    assert len(crowd.influx.runs(task_id)) == 1
    second = good(influxops(crowd, "retry", name, first, "--force", "--wait")).strip()
    runs = crowd.influx.runs(task_id)
    assert {run["id"] for run in runs} == {first, second}
    assert {run["scheduledFor"] for run in runs} == {slot(3)}


def test_a_slot_that_the_schedule_still_runs_is_refused(crowd: Lab) -> None:
    """With an offset the slot is past and its run is to come: asked for now, it would run twice."""
    name, _ = made(crowd, every="5s", offset="1h")
    made_at = datetime.now(UTC)

    def slots_since() -> datetime:
        now = datetime.now(UTC)
        return now.replace(second=now.second - now.second % 5, microsecond=0)

    latest = eventually("a slot passes", slots_since, lambda moment: moment > made_at)
    refused = influxops(crowd, "run", name, "--at", latest.isoformat())
    assert refused.returncode == 2
    assert "the schedule runs slot" in refused.stderr
    assert "--force runs it once more" in refused.stderr


def test_what_influxdb_has_forgotten_is_warned_of(crowd: Lab) -> None:
    """InfluxDB keeps runs for three days."""
    name, _ = made(crowd)
    done = influxops(crowd, "run", name, "--at", slot(9), "--wait")
    assert done.returncode == 0
    assert "whether slot" in done.stderr
    assert "is not known" in done.stderr


def test_runs_are_listed_newest_slot_first(crowd: Lab) -> None:
    """As a table with a sparkline, and for programs; the table is not cut to the width of any terminal."""
    name, task_id = made(crowd)
    ran(crowd, task_id, 7, 4, 9)
    table = good(influxops(crowd, "runs", name, COLUMNS="20"))
    head, *lines = table.splitlines()
    assert head.split("   ")[0].strip() == "RUN"
    assert [line.split()[1] for line in lines[:3]] == [slot(4), slot(7), slot(9)]
    assert all(line.endswith("success") for line in lines[:3])
    assert sum(lines[-1].split()[1].count(block) for block in BLOCKS) == 3
    assert "\x1b" not in table
    found = json.loads(good(influxops(crowd, "runs", name, "-o", "json", "--limit", "2")))
    assert [run["scheduledFor"] for run in found["items"]] == [slot(4), slot(7)]
    assert {run["state"] for run in found["items"]} == {"success"}
    assert all("requestedAt" in run for run in found["items"])
    recent = yaml.safe_load(good(influxops(crowd, "runs", name, "-o", "yaml", "--since", "6d")))
    assert recent == {"items": found["items"][:1], "notes": []}


def test_colour_is_for_terminals(crowd: Lab) -> None:
    """Unless somebody has set NO_COLOR; and no column goes missing on a narrow one."""
    name, task_id = made(crowd)
    ran(crowd, task_id, 1)
    colored = on_a_terminal(crowd, "runs", name, COLUMNS="20")
    assert "\x1b[32msuccess\x1b[0m" in colored
    plain = on_a_terminal(crowd, "runs", name, NO_COLOR="1", COLUMNS="20")
    assert "\x1b" not in plain
    assert "success" in plain


def test_a_failed_run_says_why_and_is_tried_again(crowd: Lab) -> None:
    """--wait exits with 1; the log and the wide table have the cause, and a retry is a new run of the same slot."""
    name, task_id = made(crowd, FAILS)
    done = influxops(crowd, "run", name, "--at", slot(2), "--wait")
    assert done.returncode == 1
    assert "cannot convert string" in done.stderr
    first = done.stdout.strip()
    wide = good(influxops(crowd, "runs", name, "-o", "wide"))
    assert "cannot convert string" in wide
    assert f"durations {FAILED}" in wide
    crowd.patch(TASK, name, flux=WORKS)
    crowd.in_influx("the new script", lambda: crowd.influx.task(task_id)["flux"], lambda flux: SECRET in flux)
    second = good(influxops(crowd, "retry", name, first, "--wait")).strip()
    assert {(run["id"], run["status"]) for run in crowd.influx.runs(task_id)} == {
        (first, "failed"),
        (second, "success"),
    }


def test_a_run_that_waits_is_under_way(crowd: Lab) -> None:
    """It is not asked for twice; and --wait gives up in time, with 1, since it did not succeed."""
    name, task_id = made(crowd)
    waits = ran(crowd, task_id, -2, over=False)[0]  # of the day after tomorrow
    refused = influxops(crowd, "retry", name, waits)
    assert refused.returncode == 2
    assert f"run {waits} of slot {slot(-2)} is scheduled already" in refused.stderr
    done = influxops(crowd, "retry", name, waits, "--force", "--wait", "--timeout", "1s")
    assert done.returncode == 1
    assert "is not over after 1s; it goes on" in done.stderr
    assert RUN.fullmatch(done.stdout.strip())


def test_logs_without_the_script(crowd: Lab) -> None:
    """Of the run that began last, or of the one that is named; a secret that stands in the script stays there."""
    name, task_id = made(crowd)
    ids = [ran(crowd, task_id, days)[0] for days in (2, 8)]
    latest = influxops(crowd, "logs", name)
    assert "Completed(success)" in good(latest)
    assert f"run {ids[1]} for {slot(8)}: success" in latest.stderr
    named = influxops(crowd, "logs", name, ids[0])
    assert len(good(named).splitlines()) == 2
    assert f"run {ids[0]}" in named.stderr
    assert SECRET not in latest.stdout + named.stdout


def test_now_and_times_that_are_no_slot(crowd: Lab) -> None:
    """Both run; the second with a warning that names the slots around it."""
    name, task_id = made(crowd)
    before = datetime.now(UTC).replace(microsecond=0)
    done = influxops(crowd, "run", name, "--wait")
    assert "Warning" not in done.stderr
    assert before <= datetime.fromisoformat(crowd.influx.runs(task_id)[0]["scheduledFor"])
    odd = slot(3).replace("00:00:00Z", "00:07:00Z")
    warned = influxops(crowd, "run", name, "--at", odd, "--wait")
    assert RUN.fullmatch(good(warned).strip())
    assert f"{odd} is no slot of the schedule; the slots around it are {slot(3)} and {slot(2)}" in warned.stderr


def test_a_suspended_task_does_not_run(crowd: Lab) -> None:
    """The answer has the remedy, and the remedy works."""
    name, task_id = made(crowd)
    good(influxops(crowd, "suspend", name))
    crowd.in_influx("inactive", lambda: crowd.influx.task(task_id)["status"], lambda status: status == "inactive")
    done = influxops(crowd, "run", name)
    assert done.returncode == 2
    assert f"influxops resume {name} -n {crowd.namespace}" in done.stderr
    good(influxops(crowd, "resume", name))
    crowd.in_influx("active", lambda: crowd.influx.task(task_id)["status"], lambda status: status == "active")
    good(influxops(crowd, "run", name, "--wait"))


def test_only_a_task_with_the_mark_of_its_object_runs(crowd: Lab) -> None:
    """Not one that lost it, nor one that carries another's, nor that of another installation."""
    name, task_id = made(crowd, drift="Warn")
    script = crowd.influx.task(task_id)["flux"]
    done = influxops(crowd, "run", name, "--instance-id", "another")
    assert done.returncode == 2
    assert "belongs to" in done.stderr
    crowd.influx.edit_task(task_id, flux=script.partition("\n")[2])
    assert "has lost the mark" in influxops(crowd, "run", name).stderr
    crowd.influx.edit_task(task_id, flux=script.replace(f"/{name} ", "/somebody-else ", 1))
    done = influxops(crowd, "run", name)
    assert done.returncode == 2
    assert "somebody-else" in done.stderr
    assert crowd.influx.runs(task_id) == []


def test_without_the_secret_runs_come_from_the_status(crowd: Lab) -> None:
    """A user who may read our objects and no Secret sees what the operator saw; to run anything needs the token."""
    name, task_id = made(crowd)
    run_id = ran(crowd, task_id, 2)[0]
    kubeconfig = reader_kubeconfig(crowd.stack, crowd.namespace)
    crowd.until(TASK, name, "history", lambda one: one["status"].get("history"))
    done = influxops(crowd, "runs", name, kubeconfig=kubeconfig)
    assert run_id in good(done)
    assert "these are the runs of .status.history" in done.stderr
    found = json.loads(good(influxops(crowd, "runs", name, "-o", "json", kubeconfig=kubeconfig)))
    assert [run["id"] for run in found["items"]] == [run_id]
    assert "ask for the right to get both" in found["notes"][0]
    refused = influxops(crowd, "run", name, kubeconfig=kubeconfig)
    assert refused.returncode == 2
    assert "ask for the right to get both" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("runs", "nobody"), "does not exist"),
        (("runs", "retentionpolicy/raw"), "has no runs: name an InfluxTask"),
        (("logs", "{name}"), "has no runs that InfluxDB remembers"),
        (("logs", "{name}", "00000000000000ff"), "InfluxDB keeps runs for three days"),
        (("retry", "{name}", "00000000000000ff"), "InfluxDB keeps runs for three days"),
        (("runs", "{name}", "--context", "nowhere"), "cannot read the kubeconfig"),
    ],
)
def test_mistakes(crowd: Lab, idle: str, arguments: tuple[str, ...], words: str) -> None:
    """One sentence, exit status 2, nothing on stdout."""
    done = influxops(crowd, *(argument.format(name=idle) for argument in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr.replace("\n", " ")


@pytest.fixture(scope="module")
def idle(crowd: Lab) -> str:
    """A task that has never run; its name."""
    return made(crowd)[0]


def test_the_token_is_never_printed(lab: Lab) -> None:
    """Not even one that InfluxDB refuses."""
    lab.connect()
    name, _ = made(lab)
    token = "no-token-of-this-server"
    lab.secret(token=token)
    for done in (influxops(lab, "runs", name), influxops(lab, "run", name)):
        assert (done.returncode, done.stdout) == (2, "")
        assert f"InfluxConnection {lab.namespace}/main" in done.stderr
        assert "refuses the token in Secret" in done.stderr
        assert token not in done.stderr
    lab.secret(token=lab.org.token)


def test_a_task_that_is_not_created_yet_says_why(crowd: Lab) -> None:
    """With the reason of its Ready condition."""
    name = fresh()
    crowd.task(name, "x = nobody\n")
    crowd.rests(TASK, name, "InvalidScript")
    done = influxops(crowd, "runs", name)
    assert done.returncode == 2
    assert "has no task in InfluxDB yet. InvalidScript" in done.stderr


def test_the_namespace_of_the_context_counts(crowd: Lab, idle: str) -> None:
    """As with kubectl."""
    kubeconfig = reader_kubeconfig(crowd.stack, crowd.namespace)
    config = yaml.safe_load(kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = crowd.namespace
    kubeconfig.write_text(yaml.safe_dump(config))
    done = eventually(
        "the runs",
        lambda: command.influxops("runs", idle, KUBECONFIG=str(kubeconfig)),
        lambda done: not done.returncode,
    )
    assert "has no runs" in done.stderr
