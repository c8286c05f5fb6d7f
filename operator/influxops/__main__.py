"""``python -m influxops`` is the same as ``influxops``."""

from __future__ import annotations

from influxops.cli.main import main

main()
