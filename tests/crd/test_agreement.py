"""The API server and the models agree on values that nobody thought of: verdict, field and words."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from influxops.api.errors import SpecInvalid
from influxops.api.kinds import kind_of
from influxops.api.read import read_object
from tests.support.crdcases import server_faults
from tests.support.rawkube import RawKube

TASK = {"connectionRef": {"name": "main"}, "every": "1h", "flux": "x = 1"}
POLICY = {"connectionRef": {"name": "main"}, "bucket": "raw", "retention": "30d"}
CONNECTION = {"url": "https://a.example", "org": "acme", "tokenSecretRef": {"name": "t", "key": "k"}}
PIPELINE = {
    "connectionRef": {"name": "main"},
    "window": {"every": "1h"},
    "stages": [{"name": "a", "flux": "x = 1", "source": {"bucket": "raw"}}],
}

NUMBER = st.sampled_from(["0", "1", "00", "7", "59", "60", "36500", "36501", "999999999", "1000000000", ""])
LENGTHS = st.lists(
    st.tuples(NUMBER, st.sampled_from(["w", "d", "h", "m", "s", "mo", "y", "ms", "", " ", "-"])), max_size=4
)
DURATIONS = LENGTHS.map(lambda parts: "".join(number + unit for number, unit in parts)[:32]) | st.sampled_from(
    ["infinite"]
)
ITEM = st.sampled_from(
    ["*", "*/2", "*/30", "0/30", "0-59/30", "5", "7", "1-5", "1-5/2", "3/2", "MON", "jan-MAR", "32", "0,30", "?"]
)
CRONS = st.lists(ITEM, min_size=4, max_size=7).map(" ".join) | st.sampled_from(
    ["@daily", "@every 1h", "TZ=UTC * * * * *"]
)
TEXT = st.text(st.sampled_from("a_ \"'\\\n\t\r\u0085\u2028é日${}\x7f.-/:@?#[]"), max_size=12)
URLS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["https://", "http://", "ftp://", ""]),
        st.sampled_from(["a", "a.b", "[::1]", "u:p@a", "a_b", "-a", "127.0.0.1", ""]),
        st.sampled_from(["", ":1", ":0", ":65535", ":65536", ":", ":x"]),
        st.sampled_from(["", "/", "/x", "//", "/x/y/", "?q", "#f", "/a b", "/é"]),
    ),
)
TIMES = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["2024", "2026", "1900", "2000", "1677", "1678", "2261", "2262", "0999", "3000", "24", ""]),
        st.sampled_from(["-02-29", "-02-28", "-02-30", "-04-31", "-12-31", "-13-01", "-00-10", "-1-1", "-06-00", ""]),
        st.sampled_from(
            ["T00:00:00", "T23:59:59", "T24:00:00", "T23:60:00", "T23:59:60", "T12:00:00.5", " 12:00:00", ""]
        ),
        st.sampled_from(["Z", "z", "", "+00:00", "-05:30", "ZZ", "Z\n"]),
    ),
)
ZONES = st.builds(
    "".join,
    st.lists(
        st.sampled_from(["Europe", "/", "Berlin", "UTC", "Etc", "GMT+5", "-", "_", "1", "..", " ", "é"]), max_size=5
    ),
)
agree = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)


def _agree(kube: RawKube, kind: str, spec: dict[str, Any]) -> None:
    """Ask both; compare the faults by field, and the words of the rules (the schema's own words differ)."""
    manifest = {
        "apiVersion": "influxops.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "case", "namespace": "default"},
        "spec": spec,
    }
    where = kind_of(kind)
    code, answer = kube.request("POST", f"{where.path}/namespaces/default/{where.plural}?dryRun=All", manifest)
    try:
        read_object(manifest)
        ours = []
    except SpecInvalid as error:
        ours = error.errors
    theirs = server_faults(answer) if code != 201 else []
    assert bool(theirs) == bool(ours), (spec, theirs, ours)
    # The models leave rules over several fields until each field is right; the server tells them at once, and leaves out the
    # rules (and says so) where the schema itself is broken.
    told = {line.split(": ", 1)[0] for line in theirs}
    if "some validation rules were not checked" in str(answer):
        ours = [fault for fault in ours if fault.path in told]
    assert {fault.path for fault in ours} <= told, (spec, theirs, ours)
    for fault in ours:
        said = [line for line in theirs if line.startswith(f"{fault.path}: ")]
        standard = any(" in body " in line or "Duplicate value" in line for line in said)
        assert standard or any(line.endswith(f": {fault.message}") for line in said), (spec, said, fault)


@agree
@given(every=DURATIONS, offset=DURATIONS, period=DURATIONS, lookback=DURATIONS)
def test_durations_of_a_task(kube: RawKube, every: str, offset: str, period: str, lookback: str) -> None:
    """Steps, offsets and windows of every spelling."""
    window = {"period": period, "align": period, "lookback": lookback}
    _agree(kube, "InfluxTask", {**TASK, "every": every, "offset": offset, "window": window})


@agree
@given(retention=DURATIONS, shard=DURATIONS)
def test_durations_of_a_bucket(kube: RawKube, retention: str, shard: str) -> None:
    """Retention, approval and shard group, and which of them is the longer."""
    spec = {**POLICY, "retention": retention, "shardGroupDuration": shard, "dataLossApproval": shard}
    _agree(kube, "RetentionPolicy", spec)


@agree
@given(start=TIMES, stop=TIMES)
def test_times_of_a_backfill(kube: RawKube, start: str, stop: str) -> None:
    """Leap days, days that no month has, other zones, fractions, and which of the two comes first."""
    _agree(kube, "InfluxBackfill", {"pipelineRef": {"name": "p"}, "start": start, "stop": stop})


@agree
@given(
    every=DURATIONS,
    period=DURATIONS,
    delay=DURATIONS,
    deadline=DURATIONS,
    allowed=DURATIONS,
    check=DURATIONS | st.none(),
    zone=ZONES,
)
def test_lengths_of_a_pipeline(
    kube: RawKube, every: str, period: str, delay: str, deadline: str, allowed: str, check: str | None, zone: str
) -> None:
    """Windows, and lengths that must fit each other."""
    lateness = {"allowed": allowed, **({} if check is None else {"checkEvery": check})}
    spec = {
        **PIPELINE,
        "window": {"every": every, "period": period, "timezone": zone},
        "watermark": {"delay": delay},
        "deadline": deadline,
        "lateness": lateness,
    }
    _agree(kube, "InfluxPipeline", spec)


CHECKS = st.fixed_dictionaries(
    {"type": st.sampled_from(["RowCount", "Coverage", "Conservation", "Checksum"])},
    optional={
        "min": st.sampled_from([-1, 0, 5, 10**12, 10**12 + 1]),
        "max": st.sampled_from([0, 4, 5]),
        "minPercent": st.sampled_from([0, 1, 100]),
        "by": st.sampled_from([[], ["sensor"], ["_field"]]),
        "countField": st.sampled_from(["n", "_value"]),
    },
)
STAGES = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "A", ""]), "checks": st.lists(CHECKS, max_size=2)},
    optional={
        "flux": st.sampled_from(["x = 1", " "]),
        "taskRef": st.just({"name": "t"}),
        "template": st.just({"inline": "x = 1"}),
        "dependsOn": st.lists(st.sampled_from(["a", "b", "-"]), max_size=3),
        "source": st.just({"bucket": "raw"}),
        "destination": st.sampled_from([{"bucket": "out"}, {"bucket": "out", "measurement": "m"}, {}]),
        "execution": st.sampled_from(["Query", "Native"]),
        "writeDisposition": st.sampled_from(["Overwrite", "Replace"]),
    },
)


@agree
@given(stages=st.lists(STAGES, max_size=3), late=st.booleans())
def test_stages_of_a_pipeline(kube: RawKube, stages: list[dict[str, Any]], late: bool) -> None:
    """Scripts, checks and what they need, in every combination."""
    _agree(kube, "InfluxPipeline", {**PIPELINE, "stages": stages, **({"lateness": {"allowed": "2h"}} if late else {})})


@agree
@given(cron=CRONS)
def test_cron(kube: RawKube, cron: str) -> None:
    """Expressions with all the traps of InfluxDB's parser."""
    _agree(kube, "InfluxTask", {"connectionRef": {"name": "main"}, "cron": cron, "flux": "x = 1"})


@agree
@given(name=TEXT, flux=TEXT, description=TEXT)
def test_texts_of_a_task(kube: RawKube, name: str, flux: str, description: str) -> None:
    """Names, scripts and descriptions with line breaks, quotes and other scripts' letters."""
    _agree(kube, "InfluxTask", {**TASK, "name": name, "flux": flux, "description": description})


@agree
@given(url=URLS, insecure=st.booleans(), org=TEXT, name=TEXT)
def test_addresses_and_names_of_a_connection(kube: RawKube, url: str, insecure: bool, org: str, name: str) -> None:
    """Addresses put together from good and bad parts."""
    policy = {"deniedFluxPackages": [name], "allowedBuckets": {"read": [name]}}
    token = {"name": name, "key": name}
    spec = {"url": url, "allowInsecure": insecure, "org": org, "tokenSecretRef": token, "policy": policy}
    _agree(kube, "InfluxConnection", spec)
