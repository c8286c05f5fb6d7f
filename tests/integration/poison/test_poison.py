"""Objects that cannot be decoded beside good ones: the good ones converge, the bad ones say why, and nothing spins."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.stack import Stack
from tests.support import stack as support
from tests.support.expect import eventually
from tests.support.lab import BACKFILL, CONNECTION, HOURLY, MERGE, PIPELINE, PLURALS, POLICY, TASK, Lab, Object
from tests.support.operator import OperatorProcess
from tests.support.poison import BAD, MAIN, ODD_STATUSES, Bad, manifest

FEW = 30
MANY = 1000
QUIET = 40
"""Requests that the operator may send to the API server in a few sweeps once all is settled, retries of refused statuses included."""


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stack]:
    """A control plane that has taken everything, since its CRDs had no validation."""
    with Stack.start(controller_manager=False, audit=False) as stack:
        loose = tmp_path / "crds"
        loose.mkdir()
        for path in sorted(support.CRDS.glob("*.yaml")):
            if path.stem == "kustomization":
                continue
            definition = yaml.safe_load(path.read_text(encoding="utf-8"))
            for version in definition["spec"]["versions"]:
                version["schema"] = {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                }
                version.pop("selectableFields", None)
            (loose / path.name).write_text(yaml.safe_dump(definition), encoding="utf-8")
        support.install_crds(stack, loose)
        yield stack


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.prove)])
def test_twenty_bad_objects_beside_good_ones(stored: Stack, tmp_path: Path, count: int) -> None:
    """The good ones become Ready, also those with a status of nonsense; each bad one says what is wrong, in status or, where
    that cannot be written, in an event and the log; then there is peace. What is mended heals, and all of them can go.
    """
    assert len(BAD) == 20
    with support.fresh_namespace(stored) as namespace, support.fresh_org(stored) as org:
        kubeconfig = stored.kubeconfig
        lab = Lab(stored, None, namespace, org)  # type: ignore[arg-type]  # it is not started yet
        _store(lab, count)
        support.install_crds(stored)  # those of today
        _takes_no_more(lab)
        with OperatorProcess(kubeconfig, tmp_path / "operator.log", "--no-leader-elect") as operator:
            lab.operator = operator
            operator.leads()
            _converges(lab, count)
            eventually("each bad one says why", lambda: _silent(lab), lambda rest: rest == [])
            _rests(lab)
            _heals_and_goes(lab)
            assert operator.stop() == 0
            faults = [
                line[:2000] for line in operator.text().splitlines() if "Traceback" in line or "report this" in line
            ]
            assert faults == []
        lab.close()


def _store(lab: Lab, count: int) -> None:
    lab.secret(token=lab.org.token)
    spec = {
        "url": lab.org.url,
        "allowInsecure": True,
        "org": lab.org.org,
        "tokenSecretRef": {"name": "influx-token", "key": "token"},
        "syncInterval": "1s",
    }
    bodies = [manifest(CONNECTION, "main", spec)]
    bodies += [manifest(bad.kind, bad.name, bad.spec) for bad in BAD]
    bodies += [
        manifest(TASK, f"good-{number}", {"connectionRef": MAIN, "every": "1h", "flux": HOURLY})
        for number in range(count)
    ]
    bodies += [
        manifest(POLICY, f"odd-{number}", {"connectionRef": MAIN, "bucket": f"odd-{number}", "retention": "30d"})
        for number in range(len(ODD_STATUSES))
    ]
    for body in bodies:
        code, answer = lab.call("POST", lab.path(body["kind"]), body)
        assert code == 201, answer
    for number, status in enumerate(ODD_STATUSES):
        for kind, name in ((TASK, f"good-{number}"), (POLICY, f"odd-{number}"), (CONNECTION, "main")):
            code, answer = lab.call("PATCH", f"{lab.path(kind, name)}/status", {"status": status}, MERGE)
            assert code == 200, answer


def _takes_no_more(lab: Lab) -> None:
    """Wait until the CRDs of today are in force, all five; and see that the bad ones are still there."""
    for kind in PLURALS:
        bad = next(bad for bad in BAD if bad.kind == kind)
        eventually(f"{kind} is validated", partial(_tries, lab, bad), lambda code: code == 422)
    assert all(lab.get(bad.kind, bad.name) for bad in BAD)


def _tries(lab: Lab, bad: Bad) -> int:
    return lab.call("POST", f"{lab.path(bad.kind)}?dryRun=All", manifest(bad.kind, "refused", bad.spec))[0]


def _ready(item: Object) -> dict[str, Any]:
    """The Ready condition, of a status that may be anything."""
    status = item.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    found = [one for one in conditions if isinstance(one, dict)] if isinstance(conditions, list) else []
    return next((one for one in found if one.get("type") == "Ready" and "message" in one), {})


def _converges(lab: Lab, count: int) -> None:
    def left() -> list[str]:
        wanted = {(TASK, f"good-{number}") for number in range(count)}
        wanted |= {(POLICY, f"odd-{number}") for number in range(len(ODD_STATUSES))} | {(CONNECTION, "main")}
        for kind in (TASK, POLICY, CONNECTION):
            for item in lab.call("GET", lab.path(kind))[1]["items"]:
                if _is_synced(item):
                    wanted.discard((kind, item["metadata"]["name"]))
        return sorted(f"{kind} {name}" for kind, name in wanted)

    eventually(
        "the good ones are Ready", left, lambda rest: rest == [], seconds=60 + count / 5, story=lab.operator.tail
    )
    assert len(lab.influx.tasks()) == count


def _is_synced(item: Object) -> bool:
    ready = _ready(item)
    return ready.get("reason") == "Synced" and item["status"]["observedGeneration"] == item["metadata"]["generation"]


def _silent(lab: Lab) -> list[str]:
    """The bad ones of which neither the status tells what is wrong, nor an event and the log; with what is told instead."""
    return [f"{bad.kind} {bad.name}: {told}" for bad in BAD if (told := _untold(lab, bad))]


def _untold(lab: Lab, bad: Bad) -> str:
    ready = _ready(lab.get(bad.kind, bad.name) or {})
    notes = [event["note"] for event in lab.events(bad.name) if event["reason"] == "InvalidSpec"]
    lines = [line["msg"] for line in lab.operator.lines(name=bad.name, reason="InvalidSpec")]
    if ready.get("reason") == "InvalidSpec" and all(word in ready["message"] for word in bad.words):
        return ""
    if all(any(all(word in text for word in bad.words) for text in texts) for texts in (notes, lines)):
        return ""
    return f"{ready} {notes} {lines}"[:1000]


def _rests(lab: Lab) -> None:
    """A few sweeps in which next to nothing is asked of the API server."""

    def requests() -> float:
        return lab.operator.metric("influxops_kube_requests_total")

    def peace() -> float:
        before = requests()
        lab.sweeps(2)
        return requests() - before

    eventually("it is quiet", peace, lambda asked: asked <= QUIET, story=lambda: lab.operator.tail(40))


def _heals_and_goes(lab: Lab) -> None:
    code, answer = lab.call("PATCH", lab.path(TASK, "flux-is-a-number"), {"spec": {"flux": HOURLY}}, MERGE)
    assert code == 200, answer
    lab.synced(TASK, "flux-is-a-number")
    for kind in (BACKFILL, PIPELINE, TASK, POLICY):
        for item in lab.call("GET", lab.path(kind))[1]["items"]:
            lab.delete(kind, item["metadata"]["name"])
    eventually(
        "all but the connections are gone",
        lambda: [item["metadata"]["name"] for kind, item in lab.objects() if kind != CONNECTION],
        lambda rest: rest == [],
        seconds=120,
        story=lab.operator.tail,
    )
    for item in lab.call("GET", lab.path(CONNECTION))[1]["items"]:
        lab.delete(CONNECTION, item["metadata"]["name"])
    eventually("all is gone", lab.objects, lambda rest: rest == [], story=lab.operator.tail)
    assert lab.influx.tasks() == []
