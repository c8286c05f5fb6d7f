"""influxops: InfluxDB 2.x tasks and bucket settings as Kubernetes resources."""

from __future__ import annotations

__version__ = "0.1.0"
