"""Reads single figures from the text that Prometheus scrapes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Scrape:
    """One answer of ``/metrics``."""

    def __init__(self, text: str) -> None:
        self._text = text

    def samples(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Labels and value of every sample of this name."""
        for line in self._text.splitlines():
            if not line.startswith(name):
                continue
            match = _SAMPLE.match(line)
            if match and match[1] == name:
                yield dict(_LABEL.findall(match[2] or "")), float(match[3])

    def total(self, name: str, **labels: str) -> float:
        """The sum over the samples that bear these labels; 0 when there are none."""
        return sum(
            value
            for found, value in self.samples(name)
            if all(found.get(label) == wanted for label, wanted in labels.items())
        )


def kube_writes(scrape: Scrape) -> float:
    """Writes to our own kinds that the API server has counted."""
    return sum(kube_writes_by_kind(scrape).values())


def kube_writes_by_kind(scrape: Scrape) -> Counter[str]:
    """The same by resource, such as ``influxtasks/status``."""
    reads = {"GET", "LIST", "WATCH", "CONNECT"}
    found: Counter[str] = Counter()
    for labels, value in scrape.samples("apiserver_request_total"):
        if labels.get("group") == "influxops.dev" and labels.get("verb") not in reads:
            names = (labels.get("resource", ""), labels.get("subresource", ""))
            found["/".join(filter(None, names))] += int(value)
    return found


def influx_requests(scrape: Scrape) -> float:
    """Requests that InfluxDB has counted."""
    return sum(value for _, value in scrape.samples("http_api_requests_total"))


def influx_queries(scrape: Scrape) -> float:
    """Those of them that are queries."""
    return scrape.total("http_api_requests_total", method="POST", path="/api/v2/query")


def influx_writes(scrape: Scrape) -> float:
    """Those of them that change something. Queries are POST requests, and ours write nothing."""
    return sum(
        value
        for labels, value in scrape.samples("http_api_requests_total")
        if labels.get("method") in {"POST", "PATCH", "PUT", "DELETE"}
        and not labels.get("path", "").startswith("/api/v2/query")
    )
