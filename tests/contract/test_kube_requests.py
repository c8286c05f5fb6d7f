"""The API server of the property machine's fast world against a real one: the same requests, the same answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from devstack.stack import Stack
from tests.support.fake_kube import APPLY, JSON_PATCH, MERGE, FakeKube, base_path
from tests.support.rawkube import RawKube
from tests.support.stack import fresh_namespace

SPEC = {"connectionRef": {"name": "main"}, "flux": 'from(bucket: "raw") |> range(start: -1h)\n', "every": "1h"}
HOLD = ["example.org/hold"]


class Server:
    """One of the two, with the InfluxTask ``a`` in a namespace of its own."""

    def __init__(self, request: Callable[..., tuple[int, Any]], namespace: str) -> None:
        self.namespace = namespace
        self._request = request

    def ask(
        self, method: str, name: str = "a", body: Any = None, content: str = "application/json", part: str = ""
    ) -> tuple[int, Any]:
        """A request about an InfluxTask; without a name about all."""
        path = base_path("influxtasks", self.namespace, name) + part
        query = "?fieldManager=test&force=true" if content == APPLY else ""
        return self._request(method, path + query if not self.fake else path, body, content)

    fake = False

    def make(self, **metadata: Any) -> dict[str, Any]:
        """Create ``a``."""
        code, made = self.ask("POST", "", _body({"name": "a", **metadata}))
        assert code == 201, made
        return dict(made)

    def other(self, method: str, path: str, body: Any = None, content: str = "application/json") -> tuple[int, Any]:
        """A request about something else in the namespace."""
        return self._request(method, f"/api/v1/namespaces/{self.namespace}/{path}", body, content)


@pytest.fixture(params=["fake", "real"])
def kube(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Both, one after the other."""
    if request.param == "fake":
        made = Server(FakeKube(now=lambda: datetime.now(UTC)).request, "ns")
        made.fake = True
        yield made
        return
    stack: Stack = request.getfixturevalue("stack")
    raw = RawKube(stack.kubeconfig)
    with fresh_namespace(stack) as namespace:
        yield Server(raw.request, namespace)
    raw.close()


def _body(metadata: dict[str, Any], spec: dict[str, Any] = SPEC) -> dict[str, Any]:
    return {"apiVersion": "influxops.dev/v1alpha1", "kind": "InfluxTask", "metadata": metadata, "spec": spec}


def _meta(item: dict[str, Any]) -> dict[str, Any]:
    return dict(item["metadata"])


def test_a_new_object_has_generation_one_and_was_seen_by_nobody(kube: Server) -> None:
    made = kube.make()
    assert _meta(made)["generation"] == 1
    assert made["status"]["observedGeneration"] == -1
    assert kube.ask("POST", "", _body({"name": "a"}))[1]["reason"] == "AlreadyExists"
    code, found = kube.ask("GET")
    assert (code, _meta(found)["uid"]) == (200, _meta(made)["uid"])


def test_what_does_not_exist_is_not_found(kube: Server) -> None:
    for method in ("GET", "DELETE"):
        assert kube.ask(method)[0] == 404
    assert kube.ask("PATCH", body={"spec": {"every": "2h"}}, content=MERGE)[0] == 404


def test_only_a_spec_that_differs_counts_a_generation(kube: Server) -> None:
    kube.make()
    # The first change by a new hand may be noted in managedFields, whatever it changes.
    first = _meta(kube.ask("PATCH", body={"spec": {"every": "1h"}}, content=MERGE)[1])
    same = _meta(kube.ask("PATCH", body={"spec": {"every": "1h"}}, content=MERGE)[1])
    assert first["generation"] == 1
    assert same["resourceVersion"] == first["resourceVersion"]
    noted = _meta(kube.ask("PATCH", body={"metadata": {"annotations": {"a": "b"}}}, content=MERGE)[1])
    assert (noted["generation"], noted["annotations"]) == (1, {"a": "b"})
    assert int(noted["resourceVersion"]) > int(first["resourceVersion"])
    code, changed = kube.ask("PATCH", body={"spec": {"every": "2h", "offset": "1m"}}, content=MERGE)
    assert (code, _meta(changed)["generation"], changed["spec"]["every"]) == (200, 2, "2h")
    code, changed = kube.ask("PATCH", body={"spec": {"offset": None}}, content=MERGE)
    assert (_meta(changed)["generation"], "offset" in changed["spec"]) == (3, False)


def test_a_merge_for_another_uid_or_version_is_refused(kube: Server) -> None:
    kube.make()
    for wrong, expected in (({"resourceVersion": "1"}, (409, "Conflict")), ({"uid": "other"}, (422, "Invalid"))):
        code, answer = kube.ask("PATCH", body={"metadata": wrong, "spec": {"every": "2h"}}, content=MERGE)
        assert (code, answer["reason"]) == expected, answer


def test_a_status_is_of_one_version_and_leaves_the_rest_alone(kube: Server) -> None:
    made = _meta(kube.make())

    def apply(version: str, status: dict[str, Any]) -> tuple[int, Any]:
        metadata = {
            "name": "a",
            "namespace": kube.namespace,
            "uid": made["uid"],
            "resourceVersion": version,
        }
        body = _body(metadata) | {"status": status}
        del body["spec"]
        return kube.ask("PATCH", body=body, content=APPLY, part="/status")

    code, told = apply(made["resourceVersion"], {"observedGeneration": 1, "taskID": "0000000000000001"})
    assert (code, told["status"]["taskID"], _meta(told)["generation"]) == (200, "0000000000000001", 1)
    assert told["spec"]["every"] == "1h"
    assert apply(made["resourceVersion"], {"observedGeneration": 2})[0] == 409
    code, again = apply(_meta(told)["resourceVersion"], {"observedGeneration": 1})
    assert (code, again["status"]) == (200, {"observedGeneration": 1})
    code, merged = kube.ask("PATCH", body={"status": {"taskID": "0000000000000002"}}, content=MERGE)
    assert (code, merged["status"]) == (200, {"observedGeneration": 1})


def test_a_json_patch_is_of_the_object_that_was_read(kube: Server) -> None:
    made = _meta(kube.make())

    def patch(uid: str, version: str) -> tuple[int, Any]:
        steps = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            {"op": "add", "path": "/metadata/finalizers", "value": HOLD},
        ]
        return kube.ask("PATCH", body=steps, content=JSON_PATCH)

    for uid, version in (("x", made["resourceVersion"]), (made["uid"], "1")):
        code, answer = patch(uid, version)
        assert (code, answer["reason"]) == (422, "Invalid")
        assert "rejected our request" in answer["message"]
    code, held = patch(made["uid"], made["resourceVersion"])
    assert (code, _meta(held)["finalizers"], _meta(held)["generation"]) == (200, HOLD, 1)


def test_a_finalizer_holds_an_object_until_it_is_taken_off(kube: Server) -> None:
    first = _meta(kube.make(finalizers=HOLD))
    code, going = kube.ask("DELETE")
    assert code == 200
    assert _meta(going)["deletionTimestamp"]
    assert _meta(going)["generation"] == first["generation"] + 1
    again = _meta(kube.ask("DELETE")[1])
    assert again["resourceVersion"] == _meta(going)["resourceVersion"]
    assert kube.ask("POST", "", _body({"name": "a"}))[1]["reason"] == "AlreadyExists"
    more = {"metadata": {"finalizers": [*HOLD, "example.org/more"]}}
    assert kube.ask("PATCH", body=more, content=MERGE)[0] == 422
    assert kube.ask("PATCH", body={"metadata": {"finalizers": None}}, content=MERGE)[0] == 200
    assert kube.ask("GET")[0] == 404
    assert _meta(kube.make())["uid"] != first["uid"]


def test_a_deletion_may_be_bound_to_a_uid(kube: Server) -> None:
    made = _meta(kube.make())
    code, answer = kube.ask("DELETE", body={"preconditions": {"uid": "x"}})
    assert (code, answer["reason"]) == (409, "Conflict")
    assert kube.ask("DELETE", body={"preconditions": {"uid": made["uid"]}})[0] == 200
    assert kube.ask("GET")[0] == 404


def test_a_list_has_all_of_a_namespace_and_its_own_version(kube: Server) -> None:
    made = _meta(kube.make())
    code, listed = kube.ask("GET", "")
    assert (code, [_meta(item)["uid"] for item in listed["items"]]) == (200, [made["uid"]])
    assert int(listed["metadata"]["resourceVersion"]) >= int(made["resourceVersion"])


def test_a_secret_shows_its_texts_in_base64(kube: Server) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"token": "one"}}
    assert kube.other("POST", "secrets", body)[0] == 201
    assert kube.other("GET", "secrets/s")[1]["data"] == {"token": "b25l"}
    assert kube.other("PATCH", "secrets/s", {"stringData": {"token": "two"}}, MERGE)[0] == 200
    assert kube.other("GET", "secrets/s")[1]["data"] == {"token": "dHdv"}
    assert kube.other("POST", "secrets", body)[1]["reason"] == "AlreadyExists"
