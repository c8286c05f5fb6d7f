"""Every case of accept/ and reject/ gets the same verdict from the real API server and from the models.

A rejected case holds what the user reads in its ``# expect:`` lines, word for word.
"""

from __future__ import annotations

import re

import pytest

from influxops.api.errors import FieldError
from influxops.api.read import read_object, unknown_fields
from influxops.api.rules import VALIDATIONS
from tests.support.crdcases import Case, ask_server, load, model_faults, server_faults
from tests.support.rawkube import RawKube

ACCEPTED, REJECTED = load("accept"), load("reject")
_UNKNOWN = re.compile(r'unknown field "([^"]+)"')
_STANDARD = re.compile(r"in body|Required value$|Too long|Too many|Unsupported value|Duplicate value")
"""Messages of the schema itself; all others are ours and stand word for word in the models too."""


def _ids(cases: list[Case]) -> list[str]:
    return [case.name for case in cases]


@pytest.mark.parametrize("case", ACCEPTED, ids=_ids(ACCEPTED))
def test_server_accepts_and_fills_in_the_defaults_of_the_models(case: Case, kube: RawKube, namespace: str) -> None:
    """The server takes the manifest without a warning, and its defaults are the models' defaults."""
    code, answer = ask_server(kube, case, namespace)
    assert code in {200, 201}, answer["message"]
    assert read_object(answer).spec == read_object(case.manifests[-1]).spec
    assert answer["status"] == {"observedGeneration": -1}
    assert unknown_fields(answer) == []


@pytest.mark.parametrize("case", ACCEPTED, ids=_ids(ACCEPTED))
def test_models_accept(case: Case) -> None:
    """The models take what the server takes."""
    assert model_faults(case) == []


@pytest.mark.parametrize("case", REJECTED, ids=_ids(REJECTED))
def test_server_rejects_with_the_message(case: Case, kube: RawKube, namespace: str) -> None:
    """The server refuses the manifest with exactly these faults."""
    code, answer = ask_server(kube, case, namespace)
    assert code in {400, 422}, answer
    assert sorted(case.expected) == sorted(server_faults(answer))


@pytest.mark.parametrize("case", REJECTED, ids=_ids(REJECTED))
def test_models_reject_at_the_same_field(case: Case) -> None:
    """The models blame the same fields, and where the message is ours they use the same words."""
    faults = model_faults(case)
    assert sorted(_path(line) for line in case.expected) == sorted(fault.path for fault in faults)
    for line in case.expected:
        if not _STANDARD.search(line) and not _UNKNOWN.search(line):
            assert any(_says(line, fault) for fault in faults), (line, faults)


def _path(line: str) -> str:
    unknown = _UNKNOWN.search(line)
    return unknown[1] if unknown else line.split(": ", 1)[0]


def _says(line: str, fault: FieldError) -> bool:
    return line.startswith(f"{fault.path}: ") and line.endswith(f": {fault.message}")


def test_there_are_enough_cases_and_every_rejection_tells_its_message() -> None:
    """At least 30 accepted and 80 rejected cases, and none of the latter without its message."""
    assert len(ACCEPTED) >= 30
    assert len(REJECTED) >= 80
    assert [case.name for case in REJECTED if not case.expected] == []
    assert [case.name for case in ACCEPTED if case.expected] == []


def test_every_rule_is_broken_by_a_case(definitions: dict[str, dict[str, object]]) -> None:
    """Each message of each CRD is provoked by a rejected case, so no rule is there that nobody has seen at work."""
    told = " ".join(line for case in REJECTED for line in case.expected)
    unseen = {
        rule["message"]
        for definition in definitions.values()
        for rule in _rules(definition)
        if _tail(rule["message"]) not in told
    }
    assert unseen == set()


def _tail(message: str) -> str:
    return message.removeprefix("the value ")


def _rules(node: object) -> list[dict[str, str]]:
    if isinstance(node, list):
        return [rule for item in node for rule in _rules(item)]
    if not isinstance(node, dict):
        return []
    here = node.get(VALIDATIONS, [])
    return [*here, *(rule for value in node.values() for rule in _rules(value))]
