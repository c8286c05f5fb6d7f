"""What the benchmarks make of what they measured."""

from __future__ import annotations

import pytest

from bench.figures import TARGETS, Figure, percentile, verdict
from bench.prometheus import Scrape, influx_requests, influx_writes, kube_writes, kube_writes_by_kind

INFLUX = """\
# TYPE http_api_requests_total counter
http_api_requests_total{handler="platform",method="GET",path="/api/v2/tasks",status="2XX"} 21
http_api_requests_total{handler="platform",method="POST",path="/api/v2/query",status="2XX"} 4
http_api_requests_total{handler="platform",method="PATCH",path="/api/v2/tasks/:id",status="2XX"} 2
http_api_requests_total_other{method="DELETE"} 9
"""
KUBE = """\
apiserver_request_total{code="200",group="influxops.dev",resource="influxtasks",subresource="status",verb="APPLY"} 3
apiserver_request_total{code="200",group="influxops.dev",resource="influxtasks",verb="PATCH"} 4
apiserver_request_total{code="200",group="influxops.dev",resource="influxtasks",verb="LIST"} 50
apiserver_request_total{code="200",group="coordination.k8s.io",resource="leases",verb="PUT"} 70
"""


def test_the_percentile_is_the_nearest_rank() -> None:
    values = [float(value) for value in range(20, 0, -1)]
    assert (percentile(values, 95), percentile(values, 50), percentile(values, 100)) == (19.0, 10.0, 20.0)
    assert percentile([3.0], 95) == 3.0


def test_a_figure_without_a_bare_one_has_no_ratio() -> None:
    """Nor has one whose bare loop needs nothing at all: a ratio to zero says nothing."""
    assert Figure("converge", 10, 3.0, "s", 2.0).ratio == 1.5
    assert Figure("restart_writes", 10, 0.0, "writes", 0.0).ratio is None
    assert Figure("x", 10, 1.0, "s").to_json() == {
        "name": "x", "objects": 10, "value": 1.0, "unit": "s", "baseline": None, "ratio": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("converge", 1, 15.0, "s", 10.0), True),
        (Figure("converge", 1, 15.1, "s", 10.0), False),
        (Figure("sweep_requests", 1, 29.0, "requests"), True),
        (Figure("sweep_requests", 1, 30.0, "requests"), False),
        (Figure("restart_writes", 1, 1.0, "writes"), False),
        (Figure("memory_peak", 1, 256.0, "MiB"), True),
    ],
)
def test_a_target_is_met_or_missed(figure: Figure, met: bool) -> None:
    assert verdict(figure).startswith("ok" if met else "MISSED")
    assert TARGETS[figure.name].met(figure) is met


def test_requests_and_writes_are_counted_from_what_the_servers_say() -> None:
    """A query is a POST and no write; leases are no writes to our kinds."""
    assert influx_requests(Scrape(INFLUX)) == 27
    assert influx_writes(Scrape(INFLUX)) == 2
    assert kube_writes(Scrape(KUBE)) == 7
    assert kube_writes_by_kind(Scrape(KUBE)) == {"influxtasks/status": 3, "influxtasks": 4}
