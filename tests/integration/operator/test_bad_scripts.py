"""What users get wrong in scripts and schedules, and what they read then."""

from __future__ import annotations

import pytest

from tests.support.expect import condition
from tests.support.lab import HOURLY, TASK, Lab, fresh

FAULTS = [
    pytest.param(
        'from(bucket: "raw")\n    |> range(start: -1h)\n    |> filter(fn: (r) => r._value > nowhere)\n',
        "line 3, column 37: undefined identifier nowhere",
        id="undefined name",
    ),
    pytest.param(
        'import "strings"\n\nfrom(bucket: "raw")\n  |> range(start: v.timeRangeStart)\n  |> limit(n: "ten")\n',
        "line 5, column ",
        id="type error behind imports and prelude",
    ),
    pytest.param('import "nope/nothing"\nfrom(bucket: "raw") |> range(start: -1h)\n', "nope/nothing", id="bad import"),
    pytest.param(
        '// größer ≥ 1\nfrom(bucket: "räw" + wo) |> range(start: v.timeRangeStart)\n',
        "line 2, column 22: undefined identifier wo",
        id="columns count characters",
    ),
    pytest.param('from(bucket: "raw"\n  |> range(start: -1h)\n', "line ", id="syntax"),
    pytest.param(
        'option task = {name: "own", every: 1h}\nfrom(bucket: "raw") |> rang(start: -1h)\n',
        "line 2, column 24: undefined identifier rang",
        id="own option task",
    ),
]


@pytest.mark.parametrize(("flux", "place"), FAULTS)
def test_a_fault_is_told_with_its_place_in_the_users_script(crowd: Lab, flux: str, place: str) -> None:
    """InvalidScript, Stalled, nothing stored; a right script heals it."""
    own = "option task" in flux
    name = fresh()
    crowd.task(name, flux, every=None if own else "1h")
    item = crowd.rests(TASK, name, "InvalidScript", place)
    assert condition(item, "Stalled")["message"] == condition(item)["message"]
    assert condition(item)["status"] == "False"
    assert crowd.event(name, "InvalidScript")
    assert "taskID" not in item["status"]
    assert name not in stored_names(crowd)
    right = f'option task = {{name: "own", every: 1h}}\n{HOURLY}' if own else HOURLY
    crowd.patch(TASK, name, flux=right)
    crowd.synced(TASK, name)


def test_a_bad_update_leaves_the_stored_task_running(lab: Lab) -> None:
    """What runs goes on running with the last good script."""
    lab.connect()
    lab.task("cpu")
    task_id = lab.task_id("cpu")
    script = lab.influx.task(task_id)["flux"]
    lab.patch(TASK, "cpu", flux="nonsense(")
    lab.rests(TASK, "cpu", "InvalidScript")
    lab.sweeps()
    stored = lab.influx.task(task_id)
    assert (stored["flux"], stored["status"]) == (script, "active")
    lab.patch(TASK, "cpu", flux=HOURLY)
    assert lab.task_id("cpu") == task_id


def test_a_fault_in_a_rendered_template_has_a_place(crowd: Lab) -> None:
    """The template's lines are the script's where it renders line by line."""
    inline = "from(bucket: {{ values.bucket | flux_string }})\n  |> range(start: -1h)\n  |> yeld()\n"
    crowd.task("in-bad", None, template={"inline": inline, "values": {"bucket": "raw"}})
    crowd.rests(TASK, "in-bad", "InvalidScript", "line 3, column 6: undefined identifier yeld")


@pytest.mark.parametrize(
    ("inline", "values", "words"),
    [
        ("from(bucket: {{ values.bucket }})", {"bucket": "raw"}, ("line 1", "filter")),
        ("x = 1\ny = {{ values.missing | flux_string }}\n", {}, ("line 2", "missing", "spec.template.values")),
        ("x = {{ values.n | flux_string \n", {"n": "1"}, ("line ",)),
        ("x = {{ ''.__class__.__mro__ }}", {}, ("template",)),
        ("{% for i in range(99999999) %}{% for j in range(99999999) %}x{% endfor %}{% endfor %}", {}, ("template",)),
    ],
    ids=["unfiltered text", "undefined value", "syntax", "sandbox", "endless"],
)
def test_a_bad_template_is_told(crowd: Lab, inline: str, values: dict[str, str], words: tuple[str, ...]) -> None:
    """InvalidScript names spec.template.inline and what is wrong; the operator goes on."""
    bad, good = fresh(), fresh()
    crowd.task(bad, None, template={"inline": inline, "values": values})
    crowd.rests(TASK, bad, "InvalidScript", "spec.template.inline", *words)
    crowd.task(good)
    crowd.synced(TASK, good)


@pytest.mark.parametrize(
    ("spec", "flux", "reason", "words"),
    [
        ({"cron": "0 0 31 2 *"}, HOURLY, "InvalidSpec", ("never comes",)),
        ({"cron": "0 3 * * *"}, "x = v.timeRangeStart\n", "InvalidSpec", ("spec.window.period",)),
        ({}, 'x = v.bucket\nfrom(bucket: "raw") |> range(start: -1h)\n', "InvalidScript", ("v.bucket",)),
        ({}, 'option task = {name: "a", every: 1h}\n' + HOURLY, "InvalidSpec", ("spec.every", "option task")),
        (
            {"every": None},
            'option task = {name: "a", every: 1h, concurrency: 2, retry: 5}\n' + HOURLY,
            "InvalidScript",
            ("concurrency and retry", "remove"),
        ),
        ({"every": None}, 'option task = {name: "a", every: 1mo}\n' + HOURLY, "InvalidScript", ("cron",)),
        ({"every": None}, 'option task = {name: "a", every: 1h, offset: 1d}\n' + HOURLY, "InvalidScript", ("offset",)),
        ({"every": None}, 'option task = {name: "a", every: 100ms}\n' + HOURLY, "InvalidScript", ("every",)),
        ({"every": None}, 'option task = {name: "a", every: 1h, cron: "@daily"}\n' + HOURLY, "InvalidScript", ("every",)),
        ({"every": None}, 'n = "a"\noption task = {name: n, every: 1h}\n' + HOURLY, "InvalidScript", ("literals",)),
        ({"every": None}, HOURLY, "InvalidSpec", ("spec.every or spec.cron",)),
    ],
    ids=[
        "cron that never comes", "cron and v without period", "unknown member of v", "own option and every",
        "concurrency and retry", "own every of a month", "own offset in days", "own every below a second",
        "own every and cron", "own name no literal", "no schedule at all",
    ],
)  # fmt: skip
def test_what_influxdb_would_fail_on_is_refused_with_the_remedy(
    crowd: Lab, spec: dict[str, str | None], flux: str, reason: str, words: tuple[str, ...]
) -> None:
    """Never passed on to fail at run time, or with a 500."""
    name = fresh()
    before = stored_names(crowd)
    crowd.task(name, flux, **spec)
    item = crowd.rests(TASK, name, reason, *words)
    assert condition(item, "Stalled")
    assert "taskID" not in item["status"]
    assert stored_names(crowd) == before


def test_an_offset_in_days_is_rendered_so_that_it_works(crowd: Lab) -> None:
    """The server fails with 500 on `1d`; it takes `24h`."""
    crowd.task("in-cpu", every="7d", offset="1d")
    stored = crowd.influx.task(crowd.task_id("in-cpu"))
    assert stored["offset"] in {"24h", "24h0m0s"}


def test_a_script_of_200_kib_works(crowd: Lab) -> None:
    """It is stored whole."""
    padding = "".join(f"// {k:06d} {'x' * 90}\n" for k in range(2048))
    crowd.task("of-big", padding + HOURLY)
    stored = crowd.influx.task(crowd.task_id("of-big"))
    assert len(stored["flux"]) > 200 * 1024
    assert stored["flux"].endswith(HOURLY)


NAMES = [
    'say "hello"',
    "cost ${r._value} and ${1 + 1}",
    "back\\slash \\n and \\",
    "naïve 测试 🚀",
    "semi; colon // and /* comment",
    '"}\nimport "x',
    '", every: 1s}, x = {a: "',
    "tab\there",
    " spaces ",
    "a" * 2000,
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:30])
def test_a_name_is_stored_as_it_is_or_refused(crowd: Lab, name: str) -> None:
    """Never another program: what InfluxDB shows is exactly the name, the schedule is ours, and it runs."""
    spec = {"connectionRef": {"name": "main"}, "name": name, "every": "1s", "flux": HOURLY}
    key = fresh()
    body = {"apiVersion": "influxops.dev/v1alpha1", "kind": TASK, "metadata": {"name": key}, "spec": spec}
    code, answer = crowd.call("POST", crowd.path(TASK), body)
    if code == 422:
        assert "spec.name" in answer["message"]
        return
    assert code == 201, answer
    stored = crowd.influx.task(crowd.task_id(key))
    assert stored["name"] == name
    assert stored["every"] == "1s"
    assert stored["flux"].endswith(HOURLY)
    item = crowd.until(TASK, key, "has run", lambda one: one["status"].get("lastRun"))
    assert item["status"]["lastRun"]["state"] == "success"
    crowd.delete(TASK, key)
    crowd.gone(TASK, key)


@pytest.mark.parametrize("text", ["${r._value}", '"; x', "{{ values.bucket }}", "line\nbreak", "\\", "測定"])
def test_template_values_are_data(crowd: Lab, text: str) -> None:
    """A value that looks like Flux or Jinja2 stays one string literal."""
    inline = "x = {{ values.text | flux_string }}\n" + HOURLY
    name = fresh()
    crowd.task(name, None, template={"inline": inline, "values": {"text": text}})
    stored = crowd.influx.task(crowd.task_id(name))["flux"]
    literal = next(line for line in stored.split("\n") if line.startswith("x = "))
    rows = crowd.influx.rows(f'import "array"\n{literal}\narray.from(rows: [{{text: x}}])')
    assert rows[0]["text"].replace("\r\n", "\n") == text  # the server writes CSV with CRLF


def stored_names(lab: Lab) -> set[str]:
    """The names of the tasks in InfluxDB."""
    return {task["name"].rpartition("/")[2] for task in lab.influx.tasks()}
